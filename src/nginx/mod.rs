//! `nginx.conf`: its tree of directives, with the place of each, and with the files that it
//! includes.
//!
//! ```text
//! bytes -lexer-> tokens with places -parser-> directives -include-> one tree
//! ```
//!
//! What a directive means is not known here: `import` translates the tree. It is read as
//! NGINX itself reads it (`ngx_conf_read_token`): quotes begin at the start of a word only, a
//! comment too, and `{` after `$` belongs to a variable.

mod dump;
mod files;
mod glob;
mod lexer;
mod parser;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use dump::Dump;
pub use files::{Disk, Files};
pub use parser::{parse, parse_text};

/// Where something stands.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it is named in the `include` or on the command line.
    pub file: Arc<Path>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A word behind the name of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// Without its quotes, and with its escapes resolved.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

/// A directive, simple or with a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: String,
    /// The others.
    pub args: Vec<Arg>,
    /// What is between `{` and `}`; `None` if `;` is there.
    pub block: Option<Vec<Self>>,
    /// Where the name begins.
    pub place: Place,
}

impl Directive {
    /// The text of an argument; empty if there is none.
    pub fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", |arg| arg.text.as_str())
    }

    /// The texts of the arguments.
    pub fn texts(&self) -> Vec<&str> {
        self.args.iter().map(|arg| arg.text.as_str()).collect()
    }

    /// What is in the block; nothing if there is none.
    pub fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The directive and its arguments on one line, and `{ … }` for a block.
    pub fn shown(&self) -> String {
        let mut out = self.name.clone();
        for arg in &self.args {
            out.push(' ');
            let is_plain =
                !arg.text.is_empty() && !arg.text.contains([' ', '\t', '\r', '\n', ';', '"', '\'']);
            match is_plain {
                true => out.push_str(&arg.text),
                false => out.push_str(&format!("{:?}", arg.text)),
            }
        }
        if self.block.is_some() {
            out.push_str(" { … }");
        }
        out
    }
}

/// A configuration with all that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The directives of the main file. Those of an included file follow their `include`, which
    /// stays.
    pub directives: Vec<Directive>,
    /// Every file that was read, the main file first.
    pub files: Vec<PathBuf>,
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {text}")]
pub struct ParseError {
    /// The place, or the main file alone if that cannot be read.
    pub at: String,
    /// What is wrong, and what to do.
    pub text: String,
}

impl ParseError {
    fn new(at: impl fmt::Display, text: impl Into<String>) -> Self {
        Self {
            at: at.to_string(),
            text: text.into(),
        }
    }
}

#[cfg(test)]
mod tests;
