//! TURN credentials as files and the environment complete them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Turn, TurnSpec};
use crate::policy::ApiKeys;
use crate::secret::{NoSecret, SecretSource};

/// What keeps credentials from being made. Shown with the key that named the file.
#[derive(Debug, thiserror::Error)]
#[error("turn.{turn}.{key}: {problem}")]
pub struct LoadError {
    turn: Arc<str>,
    key: &'static str,
    problem: Problem,
}

/// What is wrong; the sentence begins with the file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// There is no secret.
    #[error("{}", crate::secret::chain(.0))]
    Secret(NoSecret),
    /// Keys are compared as text.
    #[error("{} is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// Nobody would ever be let in by it.
    #[error("{} has no key; write one on each line, or take api_keys_file out", .0.display())]
    NoKeys(PathBuf),
    /// The query of Janus has 511 bytes, and the key is in it twice.
    #[error("{}:{line} is a key of {length} bytes, of which Janus would send a part; take one of {} or fewer", .path.display(), LONGEST_KEY)]
    LongKey {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// Of the key.
        length: usize,
    },
}

/// The longest API key in bytes, so that two of them and a name fit into the query of Janus.
const LONGEST_KEY: usize = 128;

/// Below this many bytes a secret is worth a warning: every credential lets its holder try to guess it. So is a key.
const STRONG_SECRET: usize = 16;

const WEAK: &str = "the secret shared with the TURN server is short, and whoever has one credential can try to guess it; \
                    `openssl rand -hex 32` makes a strong one";

const WEAK_KEY: &str = "an API key is short, and whoever guesses it has credentials without end; `openssl rand -hex 32` \
                        makes a strong one";

/// Reads the secrets and the API keys.
///
/// # Errors
/// What is in the way.
pub fn load(spec: &Arc<TurnSpec>) -> Result<Turn, LoadError> {
    let error = |key| move |problem| LoadError { turn: Arc::clone(&spec.name), key, problem };
    let key = match &spec.secrets.signing {
        SecretSource::File(_) => "secret_file",
        SecretSource::Env(_) => "secret_env",
        SecretSource::Inline(_) => "secret",
    };
    let read = |source: &SecretSource| source.read().map_err(Problem::Secret).map_err(error(key));
    let signing = read(&spec.secrets.signing)?;
    if let Some(former) = &spec.secrets.former
        && read(former)? == signing
    {
        tracing::warn!(turn = %spec.name, "both files of secret_file have the same secret; the new one goes into the first");
    }
    if signing.reveal().len() < STRONG_SECRET {
        tracing::warn!(turn = %spec.name, bytes = signing.reveal().len(), "{WEAK}");
    }
    let api_keys = spec.api_keys_file.as_deref().map(api_keys).transpose().map_err(error("api_keys_file"))?;
    Ok(Turn::new(Arc::clone(spec), &signing, api_keys))
}

/// One key on each line; empty lines, and those that begin with `#`, are not keys.
fn api_keys(path: &Path) -> Result<ApiKeys, Problem> {
    let bytes = match SecretSource::File(path.to_owned()).read() {
        Err(NoSecret::Empty(_)) => return Err(Problem::NoKeys(path.to_owned())),
        read => read.map_err(Problem::Secret)?,
    };
    let text = std::str::from_utf8(bytes.reveal()).map_err(|_| Problem::NotUtf8(path.to_owned()))?;
    let keys: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, key)| !key.is_empty() && !key.starts_with('#'))
        .collect();
    if let Some((line, key)) = keys.iter().find(|(_, key)| key.len() > LONGEST_KEY) {
        return Err(Problem::LongKey { path: path.to_owned(), line: *line, length: key.len() });
    }
    for (line, key) in keys.iter().filter(|(_, key)| key.len() < STRONG_SECRET) {
        tracing::warn!(file = %path.display(), line, bytes = key.len(), "{WEAK_KEY}");
    }
    ApiKeys::new(keys.into_iter().map(|(_, key)| key)).ok_or_else(|| Problem::NoKeys(path.to_owned()))
}
