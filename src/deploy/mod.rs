//! Deploys the certificates that were ordered here to other servers on this machine: writes the
//! files in the form that each server reads, notifies the server, and verifies what it serves.
//!
//! [`Hub`] has one task for each `[[deploy]]`, so that no server delays another:
//!
//! ```text
//! Hub::put ─▶ task: files (forms · access) ─▶ reload: signal or command ─▶ verify by TLS ─▶ next
//!               └─ failed: waits longer and longer, then looks again at all of it
//! ```
//!
//! While it waits for the next certificate, a task checks every few minutes whether the files have
//! changed (`stamp`), and after each reload of the configuration it checks everything.
//!
//! Each attempt compares and does only what is missing, so no progress has to be stored. One thing
//! is: a marker file beside the files says that the server has not been notified of them yet, since
//! the gateway may end before it has.

mod access;
mod command;
mod error;
mod files;
mod forms;
mod hub;
mod look;
mod reload;
mod signal;
mod stamp;
mod state;
mod status;
mod target;
mod task;
#[cfg(test)]
mod tests;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::exposure::{NamedFile, Use};
use crate::host::HostName;
use crate::secret::SecretSource;
use crate::store::Name;

pub use error::DeployError;
pub use hub::Hub;
pub use look::look;
pub use state::{DeployState, served, state};
pub use status::DeployStatus;
pub use verify::shown;

/// One of `[[deploy]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploySpec {
    /// The certificate.
    pub certificate: Name,
    /// The kind of server.
    pub to: Consumer,
    /// The files to write; at least one.
    pub files: Vec<Output>,
    /// The owner of the files: a user's name or number.
    pub owner: Option<Box<str>>,
    /// Their group: its name or number.
    pub group: Option<Box<str>>,
    /// Their permissions.
    pub mode: u32,
    /// How the server is notified.
    pub reload: Option<Reload>,
    /// Where to connect by TLS to see which certificate it serves.
    pub verify: Option<Place>,
    /// The certificate store. Its owner is the gateway's user, even if root runs this command.
    pub store: PathBuf,
    /// Its place in the configuration: `deploy[0]`.
    pub config_key: String,
}

impl DeploySpec {
    /// The default permissions: there is a private key in the files.
    pub const MODE: u32 = 0o600;

    /// The files that it names.
    pub fn files(&self) -> Vec<NamedFile> {
        let named =
            |key, path: &Path, is| NamedFile::new(format!("{}.{key}", self.config_key), path, is);
        let mut files = Vec::new();
        for Output { path, form } in &self.files {
            let (key, is) = match form {
                FileForm::Chain => ("cert", Use::DEPLOYED),
                FileForm::Key => ("key", Use::DEPLOYED_KEY),
                FileForm::Combined => ("combined", Use::DEPLOYED_KEY),
                FileForm::Pkcs12 { password } => {
                    let password = password.file();
                    files.extend(password.map(|path| named("password_file", path, Use::SECRET)));
                    ("pkcs12", Use::DEPLOYED_KEY)
                }
            };
            files.push(named(key, path, is));
        }
        files.extend(match &self.reload {
            Some(Reload::Signal { pid_file, .. }) => {
                Some(named("reload.pid_file", pid_file, Use::PID_FILE))
            }
            // Without a slash, the system looks for the program in its own folders.
            Some(Reload::Command(argv)) => argv
                .first()
                .filter(|program| program.contains('/'))
                .map(|program| named("reload.command", Path::new(program), Use::PROGRAM)),
            None => None,
        });
        files
    }
}

/// An address to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name or an address.
    pub host: HostName,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consumer {
    /// Reads a chain and a key, again on SIGUSR2.
    Coturn,
    /// Reads one file with leaf, chain and key, again at the connection after the next.
    Kurento,
    /// Reads a chain and a key at its start only.
    Janus,
    /// Reads a chain and a key, again on SIGHUP.
    Prosody,
    /// Any other.
    Files,
}

impl Consumer {
    /// As written in `gateway.toml`.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("coturn", Self::Coturn),
        ("kurento", Self::Kurento),
        ("janus", Self::Janus),
        ("prosody", Self::Prosody),
        ("files", Self::Files),
    ];

    /// As written in `gateway.toml`.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub form: FileForm,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// The server's certificate and then its issuers, PEM.
    Chain,
    /// The private key, PEM.
    Key,
    /// Leaf, chain, key, PEM: the order of OpenSSL's `use_certificate_chain_file`.
    Combined,
    /// PKCS#12, locked by a password.
    Pkcs12 {
        /// Where the password is.
        password: SecretSource,
    },
}

/// How a server is notified of a new certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// By a signal to the process whose number is in a file.
    Signal {
        /// Its name without `SIG`: `USR2`.
        signal: Box<str>,
        /// The file.
        pid_file: PathBuf,
    },
    /// By running a program with arguments; no shell.
    Command(Vec<String>),
}
