//! Reads the secrets and API keys of `[turn]` from files and the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Turn, TurnSpec};
use crate::policy::ApiKeys;
use crate::secret::{NoSecret, Secret, SecretSource};

/// Why credentials cannot be made. Displayed after the key that names the file.
#[derive(Debug, thiserror::Error)]
#[error("turn.{turn}.{key}: {problem}")]
pub struct LoadError {
    turn: Arc<str>,
    key: &'static str,
    problem: Problem,
}

/// The cause. The message begins with the file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The secret is empty.
    #[error("{}", crate::secret::chain(.0))]
    Secret(NoSecret),
    /// Keys are compared as text.
    #[error("{} is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// A key that no request could contain.
    #[error("{} has no key; write one on each line, or take api_keys_file out", .0.display())]
    NoKeys(PathBuf),
    /// Janus' query has at most 511 bytes and contains the key twice.
    #[error(
        "{}:{line} is a key of {length} bytes, of which Janus would send a part; take one of {} or \
         fewer",
        .path.display(),
        LONGEST_KEY
    )]
    LongKey {
        /// The file.
        path: PathBuf,
        /// The line number, from 1.
        line: usize,
        /// The length of the key in bytes.
        length: usize,
    },
}

/// The longest API key in bytes, so that two of them and a name fit into the query of Janus.
const LONGEST_KEY: usize = 128;

/// Secrets and keys with fewer bytes than this cause a warning, because the holder of a credential
/// can try to guess the secret.
pub const STRONG_SECRET: usize = 16;

/// A problem that does not prevent a start. Displayed after the key that names the file.
#[derive(Debug, thiserror::Error)]
#[error("turn.{turn}.{key}: {flaw}")]
pub struct Warning {
    turn: Arc<str>,
    key: &'static str,
    flaw: Flaw,
}

#[derive(Debug, thiserror::Error)]
enum Flaw {
    #[error("both files have the same secret; the new one goes into the first")]
    SameSecret,
    #[error(
        "the secret has {0} bytes, which can be guessed from one credential; \
         `openssl rand -hex 32` makes a strong one"
    )]
    ShortSecret(usize),
    #[error(
        "{}:{line} is a key of {length} bytes, and can be guessed; \
         `openssl rand -hex 32` makes a strong one", .path.display()
    )]
    ShortKey {
        path: PathBuf,
        line: usize,
        length: usize,
    },
}

/// The result, with warnings.
type Read<T> = Result<(T, Vec<Flaw>), Problem>;

/// Reads the secrets and the API keys.
///
/// # Errors
/// Every problem.
pub fn load(spec: &Arc<TurnSpec>) -> Result<(Turn, Vec<Warning>), Vec<LoadError>> {
    let key = match &spec.secrets.signing {
        SecretSource::File(_) => "secret_file",
        SecretSource::Env(_) => "secret_env",
        SecretSource::Inline(_) => "secret",
    };
    let error = |key, problem| LoadError {
        turn: Arc::clone(&spec.name),
        key,
        problem,
    };
    let warning = |key| {
        move |flaw| Warning {
            turn: Arc::clone(&spec.name),
            key,
            flaw,
        }
    };
    match (
        secrets(spec),
        spec.api_keys_file.as_deref().map(api_keys).transpose(),
    ) {
        (Ok((signing, flaws)), Ok(api_keys)) => {
            let (api_keys, of_keys) = api_keys.unzip();
            let of_keys = of_keys.into_iter().flatten().map(warning("api_keys_file"));
            let warnings = flaws.into_iter().map(warning(key)).chain(of_keys).collect();
            Ok((Turn::new(Arc::clone(spec), &signing, api_keys), warnings))
        }
        (secrets, api_keys) => {
            let secrets = secrets.err().map(|problem| error(key, problem));
            let api_keys = api_keys
                .err()
                .map(|problem| error("api_keys_file", problem));
            Err(secrets.into_iter().chain(api_keys).collect())
        }
    }
}

/// Reads the secret that signs.
fn secrets(spec: &TurnSpec) -> Read<Secret<Vec<u8>>> {
    let signing = spec.secrets.signing.read().map_err(Problem::Secret)?;
    let mut flaws = Vec::new();
    if let Some(former) = &spec.secrets.former
        && former.read().map_err(Problem::Secret)? == signing
    {
        flaws.push(Flaw::SameSecret);
    }
    let length = signing.reveal().len();
    if length < STRONG_SECRET {
        flaws.push(Flaw::ShortSecret(length));
    }
    Ok((signing, flaws))
}

/// Parses one key per line, without empty lines and lines that begin with `#`.
fn api_keys(path: &Path) -> Read<ApiKeys> {
    let bytes = match SecretSource::File(path.to_owned()).read() {
        Err(NoSecret::Empty(_)) => return Err(Problem::NoKeys(path.to_owned())),
        read => read.map_err(Problem::Secret)?,
    };
    let text =
        std::str::from_utf8(bytes.reveal()).map_err(|_| Problem::NotUtf8(path.to_owned()))?;
    let keys: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, key)| !key.is_empty() && !key.starts_with('#'))
        .collect();
    if let Some((line, key)) = keys.iter().find(|(_, key)| key.len() > LONGEST_KEY) {
        return Err(Problem::LongKey {
            path: path.to_owned(),
            line: *line,
            length: key.len(),
        });
    }
    let short = keys.iter().filter(|(_, key)| key.len() < STRONG_SECRET);
    let flaws = short
        .map(|(line, key)| Flaw::ShortKey {
            path: path.to_owned(),
            line: *line,
            length: key.len(),
        })
        .collect();
    let keys = ApiKeys::new(keys.into_iter().map(|(_, key)| key))
        .ok_or_else(|| Problem::NoKeys(path.to_owned()))?;
    Ok((keys, flaws))
}
