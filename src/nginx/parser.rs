//! Directives and blocks, and the files that are included.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Files;
use super::lexer::{Lexer, Token};
use super::{Arg, Directive, ParseError, Place, Tree, glob};

/// Blocks in blocks; no real file comes near.
const DEEPEST: usize = 64;
/// Files that include each other.
const DEEPEST_INCLUDE: usize = 16;
/// Of all files together.
const MOST_DIRECTIVES: usize = 200_000;

/// Reads a configuration and what it includes. Relative names begin at the folder of the file,
/// as NGINX has it for its main file.
///
/// # Errors
/// The first thing that NGINX would not read either, with its place.
pub fn parse(path: &Path, files: &dyn Files) -> Result<Tree, ParseError> {
    let text = files
        .read(path)
        .map_err(|error| ParseError::new(path.display(), unreadable(&error)))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Reader::new(files, folder).main(path, &text)
}

/// The same with the main file's text, and with the folder at which relative names begin.
///
/// # Errors
/// As [`parse`].
pub fn parse_text(
    path: &Path,
    text: &str,
    prefix: &Path,
    files: &dyn Files,
) -> Result<Tree, ParseError> {
    Reader::new(files, prefix.to_owned()).main(path, text)
}

fn unreadable(error: &std::io::Error) -> String {
    format!("cannot be read: {error}; NGINX does not start without it")
}

struct Reader<'f> {
    files: &'f dyn Files,
    prefix: PathBuf,
    read: Vec<PathBuf>,
    /// Files that are being read: one that is in here includes itself.
    open: Vec<PathBuf>,
    count: usize,
}

impl<'f> Reader<'f> {
    fn new(files: &'f dyn Files, prefix: PathBuf) -> Self {
        Self {
            files,
            prefix,
            read: Vec::new(),
            open: Vec::new(),
            count: 0,
        }
    }

    fn main(mut self, path: &Path, text: &str) -> Result<Tree, ParseError> {
        let directives = self.file(path, text, 0)?;
        Ok(Tree {
            directives,
            files: self.read,
        })
    }

    fn file(
        &mut self,
        path: &Path,
        text: &str,
        depth: usize,
    ) -> Result<Vec<Directive>, ParseError> {
        self.read.push(path.to_owned());
        self.open.push(path.to_owned());
        let mut lexer = Lexer::new(Arc::from(path), text);
        let found = self.block(&mut lexer, None, depth);
        self.open.pop();
        found
    }

    /// The directives up to the closing brace, or up to the end of the file.
    fn block(
        &mut self,
        lexer: &mut Lexer<'_>,
        opened: Option<&Place>,
        depth: usize,
    ) -> Result<Vec<Directive>, ParseError> {
        let mut found = Vec::new();
        loop {
            match (lexer.next()?, opened) {
                (None, None) | (Some((Token::Close, _)), Some(_)) => return Ok(found),
                (None, Some(opened)) => {
                    let why = "the block has no end; close it with }";
                    return Err(ParseError::new(opened, why));
                }
                (Some((Token::Close, at)), None) => {
                    let why = "there is a } that closes nothing; take it out";
                    return Err(ParseError::new(at, why));
                }
                (Some((Token::End, at)), _) => {
                    let why = "there is a ; without a directive; take it out";
                    return Err(ParseError::new(at, why));
                }
                (Some((Token::Open, at)), _) => {
                    let why = "there is a { without a directive; write what the block is";
                    return Err(ParseError::new(at, why));
                }
                (Some((Token::Word(text), at)), _) => {
                    let directive = self.directive(lexer, text, at, depth)?;
                    let include = directive.block.is_none() && directive.name == "include";
                    let included = match include {
                        true => self.include(&directive, depth)?,
                        false => Vec::new(),
                    };
                    found.push(directive);
                    found.extend(included);
                }
            }
        }
    }

    /// What follows the name of a directive.
    fn directive(
        &mut self,
        lexer: &mut Lexer<'_>,
        name: String,
        place: Place,
        depth: usize,
    ) -> Result<Directive, ParseError> {
        self.count += 1;
        if self.count > MOST_DIRECTIVES {
            return Err(ParseError::new(place, "there are too many directives"));
        }
        let mut args = Vec::new();
        loop {
            let block = match lexer.next()? {
                Some((Token::Word(text), place)) => {
                    args.push(Arg { text, place });
                    continue;
                }
                Some((Token::End, _)) => None,
                Some((Token::Open, open)) if name.ends_with("_by_lua_block") => {
                    let text = lexer.raw_block(&open)?;
                    args.push(Arg { text, place: open });
                    None
                }
                Some((Token::Open, open)) => {
                    if depth >= DEEPEST {
                        let why = format!("there are more than {DEEPEST} blocks in each other");
                        return Err(ParseError::new(open, why));
                    }
                    Some(self.block(lexer, Some(&open), depth + 1)?)
                }
                Some((Token::Close, at)) => {
                    let why = format!("\"{name}\" has no \";\" before the }}; write it");
                    let why = format!("{why} (the directive begins at {place})");
                    return Err(ParseError::new(at, why));
                }
                None => {
                    let why = format!("\"{name}\" has no \";\" at its end; write it");
                    return Err(ParseError::new(place, why));
                }
            };
            return Ok(Directive {
                name,
                args,
                block,
                place,
            });
        }
    }

    fn include(&mut self, include: &Directive, depth: usize) -> Result<Vec<Directive>, ParseError> {
        let error = |why: String| ParseError::new(&include.place, why);
        let [pattern] = include.args.as_slice() else {
            let why = "include has one file; is there a \";\" missing?";
            return Err(error(why.to_owned()));
        };
        let path = self.prefix.join(&pattern.text);
        let paths = match glob::is_pattern(&pattern.text) {
            true => self.files.find(&path),
            false => vec![path],
        };
        let mut found = Vec::new();
        for path in paths {
            if self.open.contains(&path) {
                return Err(error(format!("{} includes itself", path.display())));
            }
            if self.open.len() >= DEEPEST_INCLUDE {
                let why = format!("more than {DEEPEST_INCLUDE} files include each other");
                return Err(error(why));
            }
            let text = self
                .files
                .read(&path)
                .map_err(|failure| error(format!("{} {}", path.display(), unreadable(&failure))))?;
            found.extend(self.file(&path, &text, depth)?);
        }
        Ok(found)
    }
}
