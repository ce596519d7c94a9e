//! Reads a file of passwords, as htpasswd writes it.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::hash::{BadHash, Kind};
use super::users::{Hashed, Users};

/// The largest file in bytes: some ten thousand users.
const LARGEST: u64 = 1024 * 1024;

/// Why a file of passwords cannot be used. Displayed after the key that names it.
#[derive(Debug)]
pub struct LoadError {
    key: String,
    path: PathBuf,
    problem: Problem,
}

/// The cause. The message follows the file.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(" cannot be read")]
    Unreadable(#[source] io::Error),
    #[error(" is larger than 1 MiB; is it the right file?")]
    TooLarge,
    #[error(" is not UTF-8")]
    NotUtf8,
    #[error(" has no user; `htpasswd -B FILE NAME` adds one")]
    NoUser,
    #[error(":{line}: there is no name and hash with a colon between them")]
    NoColon { line: usize },
    #[error(":{line}: the user is in line {first} already; take one of the lines out")]
    Twice { line: usize, first: usize },
    #[error(":{line}: the password of {name:?} {why}")]
    Hash {
        line: usize,
        name: Box<str>,
        why: BadHash,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, path, problem } = self;
        write!(f, "{key}: {}{problem}", path.display())
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

impl Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(self)
    }
}

/// Reads a file of passwords that this key names.
///
/// # Errors
/// Every line that cannot be used.
pub fn load(key: &str, path: &Path) -> Result<Users, Vec<LoadError>> {
    let error = |problem| LoadError {
        key: key.to_owned(),
        path: path.to_owned(),
        problem,
    };
    let text = read(path).map_err(|problem| vec![error(problem)])?;
    match parse(&text) {
        Ok(users) => Ok(Users::new(path, users)),
        Err(problems) => Err(problems.into_iter().map(error).collect()),
    }
}

fn read(path: &Path) -> Result<String, Problem> {
    let file = File::open(path).map_err(Problem::Unreadable)?;
    let mut bytes = Vec::new();
    let mut limited = file.take(LARGEST + 1);
    limited
        .read_to_end(&mut bytes)
        .map_err(Problem::Unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Problem::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Problem::NotUtf8)
}

fn parse(text: &str) -> Result<Vec<(Box<str>, Hashed)>, Vec<Problem>> {
    let (mut users, mut problems) = (Vec::new(), Vec::new());
    let mut seen = HashMap::new();
    for (at, text) in text.lines().enumerate() {
        let (line, text) = (at + 1, text.trim());
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match user(line, text) {
            Ok((name, hashed)) => match seen.insert(name, line) {
                Some(first) => problems.push(Problem::Twice { line, first }),
                None => users.push((name.into(), hashed)),
            },
            Err(problem) => problems.push(problem),
        }
    }
    if users.is_empty() && problems.is_empty() {
        problems.push(Problem::NoUser);
    }
    match problems.is_empty() {
        true => Ok(users),
        false => Err(problems),
    }
}

/// A line: name, hash and, in some files, more that Apache ignores too.
fn user(line: usize, text: &str) -> Result<(&str, Hashed), Problem> {
    let (name, rest) = text.split_once(':').ok_or(Problem::NoColon { line })?;
    let hash = rest.split(':').next().unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::NoColon { line });
    }
    let kind = Kind::of(hash).map_err(|why| Problem::Hash {
        line,
        name: name.into(),
        why,
    })?;
    let text = Arc::from(hash);
    Ok((name, Hashed { kind, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe";

    #[test]
    fn each_bad_line_is_named() {
        let text = format!(
            "# users\n\nada:{GOOD}\r\nbob:secret\nada:{GOOD}\nnobody\n:{GOOD}\n\
             eve:$apr1$Yh2bTvTY$0Trz9cuXLPDlKo3ghnBu70\n"
        );
        let problems = parse(&text).err().unwrap();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                ":4: the password of \"bob\" is no hash, or of a kind that is not known; write the \
                 line with `htpasswd -B FILE NAME`",
                ":5: the user is in line 3 already; take one of the lines out",
                ":6: there is no name and hash with a colon between them",
                ":7: there is no name and hash with a colon between them",
                ":8: the password of \"eve\" is hashed with MD5, which can be guessed in no time; \
                 write the line with `htpasswd -B FILE NAME`",
            ]
        );
        let users = parse(&format!("ada:{GOOD}:Ada L.\n")).ok().unwrap();
        assert_eq!(users.len(), 1);
        assert_eq!(*users[0].1.text, *GOOD);
        assert!(matches!(
            parse("# none\n").err().unwrap()[..],
            [Problem::NoUser]
        ));
    }
}
