//! Reads Janus' secrets from files.

use std::path::{Path, PathBuf};

use super::secret::{Credentials, TokenSigner};
use crate::secret::{NoSecret, Secret, SecretSource};

/// The files of an upstream with secrets that go into its messages.
#[derive(Clone, Copy, Debug)]
pub struct CredentialFiles<'f> {
    /// The name of the upstream in `gateway.toml`.
    pub upstream: &'f str,
    /// `api_secret`, or `admin_secret` of the admin API.
    pub secret_file: Option<&'f Path>,
    /// `token_auth_secret`.
    pub token_auth_secret_file: Option<&'f Path>,
}

/// Why a secret cannot be used. Displayed after the key that names the file.
#[derive(Debug, thiserror::Error)]
#[error("upstreams.{upstream}.{key}: {problem}")]
pub struct LoadError {
    upstream: Box<str>,
    key: &'static str,
    problem: BadSecret,
}

/// The cause. The message begins with the file.
#[derive(Debug, thiserror::Error)]
pub enum BadSecret {
    /// The file cannot be read, or is empty.
    #[error("{}", crate::secret::chain(.0))]
    None(NoSecret),
    /// Messages are JSON, which is UTF-8.
    #[error("{} is not UTF-8, which messages of Janus are; save the secret as text", .0.display())]
    NotUtf8(PathBuf),
    /// Janus' configuration cannot have these in a secret, so that it is probably another file.
    #[error(
        "{} has a line break, a tab or another control character in it; put the secret there, on \
         one line and alone",
        .0.display()
    )]
    Control(PathBuf),
    /// White space at an end is not seen in an editor.
    #[error(
        "{} begins or ends with a space; take it out, as Janus would compare it with the secret",
        .0.display()
    )]
    Space(PathBuf),
}

impl<'f> CredentialFiles<'f> {
    /// The files that there are, each with its key.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &'f Path)> + use<'f> {
        let all = [
            ("secret_file", self.secret_file),
            ("token_auth_secret_file", self.token_auth_secret_file),
        ];
        let all = all.into_iter();
        all.filter_map(|(key, path)| Some((key, path?)))
    }

    /// Reads them.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn load(&self) -> Result<Credentials, Vec<LoadError>> {
        let read = |key, path: Option<&Path>| {
            let secret = path.map(secret).transpose();
            secret.map_err(|problem| LoadError {
                upstream: self.upstream.into(),
                key,
                problem,
            })
        };
        let secret = read("secret_file", self.secret_file);
        let token_secret = read("token_auth_secret_file", self.token_auth_secret_file);
        match (secret, token_secret) {
            (Ok(secret), Ok(token_secret)) => Ok(Credentials {
                secret,
                signer: token_secret.as_ref().map(TokenSigner::new),
            }),
            (secret, token_secret) => {
                Err(secret.err().into_iter().chain(token_secret.err()).collect())
            }
        }
    }
}

/// Reads a secret. A newline at its end is not part of it.
fn secret(path: &Path) -> Result<Secret<Box<str>>, BadSecret> {
    let bytes = SecretSource::File(path.to_owned()).read();
    let bytes = bytes.map_err(BadSecret::None)?;
    let text =
        std::str::from_utf8(bytes.reveal()).map_err(|_| BadSecret::NotUtf8(path.to_owned()))?;
    if text.chars().any(char::is_control) {
        return Err(BadSecret::Control(path.to_owned()));
    }
    if text.trim() != text {
        return Err(BadSecret::Space(path.to_owned()));
    }
    Ok(Secret::new(text.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(text: &[u8]) -> Result<Credentials, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, text).unwrap();
        let files = CredentialFiles {
            upstream: "janus",
            secret_file: Some(&path),
            token_auth_secret_file: None,
        };
        files.load().map_err(|errors| {
            let text = errors[0].to_string();
            text.replace(&path.display().to_string(), "FILE")
        })
    }

    #[test]
    fn a_secret_has_several_words_and_no_newline_at_its_end() {
        for text in [
            "correct horse battery",
            "correct horse battery\n",
            "correct horse battery\r\n",
        ] {
            let secret = load(text.as_bytes()).unwrap().secret.unwrap();
            assert_eq!(&**secret.reveal(), "correct horse battery");
        }
    }

    #[test]
    fn what_no_secret_can_be_is_an_error_that_does_not_show_it() {
        for (text, want) in [
            (
                &b""[..],
                "upstreams.janus.secret_file: FILE is empty; put the secret there",
            ),
            (
                b"\n",
                "upstreams.janus.secret_file: FILE is empty; put the secret there",
            ),
            (b"caf\xe9", "is not UTF-8"),
            (b"s3cret\nanother", "control character"),
            (b"s3cret\n\n", "control character"),
            (b"s3\tcret", "control character"),
            (b"s3cret \n", "ends with a space"),
        ] {
            let got = load(text).unwrap_err();
            assert!(got.contains(want) && !got.contains("s3"), "{got}");
        }
    }

    #[test]
    fn every_file_that_cannot_be_used_is_reported() {
        let missing = Path::new("/nonexistent/secret");
        let files = CredentialFiles {
            upstream: "janus",
            secret_file: Some(missing),
            token_auth_secret_file: Some(missing),
        };
        let errors = files.load().unwrap_err();
        assert_eq!(errors.len(), 2);
        let second = errors[1].to_string();
        assert!(second.starts_with("upstreams.janus.token_auth_secret_file: /nonexistent/secret"));
    }
}
