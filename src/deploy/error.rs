//! Why a server does not have its certificate, in words for the operator.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use nix::errno::Errno;

use super::{Consumer, Place};
use crate::disk::Untrusted;
use crate::secret::NoSecret;

/// What to do where files cannot be given away.
const GROUP_FOLDER: &str = "take that key out and give the folder its group with the \
    set-group-id bit (install -d -g GROUP -m 2750, see docs/certificates.md#permissions)";

/// What a deployment failed of.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// `owner` is no user of this machine.
    #[error(
        "{key}: this machine has no user \"{name}\"; mend the name, or install what makes that user"
    )]
    NoUser {
        /// Where the configuration says so.
        key: String,
        /// Who.
        name: Box<str>,
    },
    /// `group` is none.
    #[error(
        "{key}: this machine has no group \"{name}\"; mend the name, or install what makes that \
            group"
    )]
    NoGroup {
        /// Where the configuration says so.
        key: String,
        /// Which.
        name: Box<str>,
    },
    /// Users or groups cannot be looked up at all.
    #[error("{key}: \"{name}\" cannot be looked up; write its number instead")]
    Lookup {
        /// Where the configuration says so.
        key: String,
        /// Who or which.
        name: Box<str>,
        /// Why not.
        #[source]
        cause: Errno,
    },
    /// Files cannot be given to that user or group.
    #[error(
        "{} cannot be given to \"{name}\" ({key}); only root can give files away: \
         {GROUP_FOLDER}, or run ianitor as root or with CAP_CHOWN",
        .path.display()
    )]
    NotGiven {
        /// What was to be given.
        path: PathBuf,
        /// Where the configuration says so.
        key: String,
        /// To whom.
        name: Box<str>,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The same, before there is a file.
    #[error(
        "{key}: this user cannot give files to \"{name}\"; {GROUP_FOLDER}, or run \
            ianitor as root or with CAP_CHOWN"
    )]
    MayNotGive {
        /// Where the configuration says so.
        key: String,
        /// To whom.
        name: Box<str>,
    },
    /// The folder of a file is not there.
    #[error("the folder {} is missing; make it, or mend the path", .0.display())]
    NoFolder(PathBuf),
    /// Another user could replace a file, a process or a program.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// There is neither a file nor a symbolic link, so nothing is replaced.
    #[error("{} is no file, so it is not replaced; move it away, or mend the path", .0.display())]
    NotAFile(PathBuf),
    /// What is there cannot be compared.
    #[error("{} cannot be read, so it is unknown whether it is up to date; let the user that runs \
        ianitor read it", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file cannot be written. What was there before is still there.
    #[error("{} cannot be written; {}", .0.display(), remedy(.1))]
    Write(PathBuf, #[source] io::Error),
    /// The password of a key store.
    #[error(transparent)]
    Password(#[from] NoSecret),
    /// A password that Java rejects.
    #[error("the password for {} is not plain ASCII, and Java accepts no other; write one of \
        letters and digits", .0.display())]
    PasswordNotAscii(PathBuf),
    /// What is in the store is no certificate with its key.
    #[error("the certificate in the store is damaged; order a new one: ianitor certs renew")]
    Damaged(#[source] rustls::pki_types::pem::Error),
    /// There is no certificate, or no key in PKCS#8.
    #[error("the certificate in the store is incomplete; order a new one: ianitor certs renew")]
    NotWhole,
    /// A key store could not be made.
    #[error("the key store {} could not be made", .0.display())]
    KeyStore(PathBuf, #[source] p12_keystore::error::Error),
    /// There is no signal of this name.
    #[error("there is no signal \"{0}\"; write one such as USR2 or HUP")]
    NoSignal(Box<str>),
    /// There is no pid file.
    #[error("the pid file {} cannot be read; does the server run, and does it write its number \
        there?", .0.display())]
    PidFile(PathBuf, #[source] io::Error),
    /// There is something else in it.
    #[error("the pid file {} has no number of a process; is it the right file?", .0.display())]
    NoPid(PathBuf),
    /// The pid file names this process.
    #[error("the pid file {} has the number of ianitor itself; is it the right \
        file?", .0.display())]
    OwnPid(PathBuf),
    /// The server has ended and left its pid file.
    #[error("the pid file {} is stale: no process has the number {pid}; start the \
        server", .path.display())]
    StalePid {
        /// The file.
        path: PathBuf,
        /// Its number.
        pid: i32,
    },
    /// Any user could choose the process.
    #[error(
        "the pid file {} can be written by other users, who could have any process signalled; \
            chmod 644 it, and set the \
         umask of what writes it",
        .0.display()
    )]
    OpenPidFile(PathBuf),
    /// Who wrote the pid file may not have that process signalled.
    #[error(
        "the user \"{writer}\" can change the pid file {}, and it names the process {pid} of \
            \"{user}\", so no signal is \
         sent; is it the right file? One that only root can write, in a folder that only root can \
         write, may name any \
         process",
        .path.display()
    )]
    ForeignProcess {
        /// The file.
        path: PathBuf,
        /// Who can change what it says.
        writer: String,
        /// Its number.
        pid: i32,
        /// Whose process that is.
        user: String,
    },
    /// The process belongs to another user.
    #[error(
        "the process {pid} of {} takes no signal from us; run ianitor as root or as the server's \
            user, or reload by a command",
        .path.display()
    )]
    NotSignalled {
        /// The file.
        path: PathBuf,
        /// Its number.
        pid: i32,
        /// Why not.
        #[source]
        cause: Errno,
    },
    /// The command could not be started.
    #[error("the reload command {program} cannot be started; {}", apart(.program))]
    NoCommand {
        /// What was to be run.
        program: String,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The command is not there.
    #[error(
        "the reload command {0} is not found; is it installed, and are program and arguments \
            apart: {APART}"
    )]
    NotFound(String),
    /// What is called like the command is no program of ours.
    #[error("the reload command {} is not a program that this user can start; correct its \
        mode, or name another", .0.display())]
    NotExecutable(PathBuf),
    /// The command failed.
    #[error("the reload command {program} failed ({status})")]
    CommandFailed {
        /// What was run.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        #[source]
        said: Said,
    },
    /// The command exceeded its time limit.
    #[error("the reload command {program} had not ended after {} s and was \
        stopped", .limit.as_secs())]
    CommandLate {
        /// What was run.
        program: String,
        /// How long it had.
        limit: Duration,
        /// The end of its output.
        #[source]
        said: Said,
    },
    /// Nothing answers at the server's address.
    #[error(
        "nothing answers at {place}, where the certificate was to be verified; does it run, and \
            is verify right?{}",
        at_its_start(*.to)
    )]
    Unreachable {
        /// Where it was asked.
        place: Place,
        /// What it is.
        to: Consumer,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The server answers, but not with TLS.
    #[error(
        "the server at {0} does not complete a TLS handshake; is verify its TLS port, and could \
            it load its files?"
    )]
    NoHandshake(Place, #[source] io::Error),
    /// The server still has another certificate.
    #[error("the server at {place} shows the certificate {shown}, not {wanted}; \
        {}", if *.was_notified {
        "does it read the files that are written here?"
    } else {
        "restart it, or write reload so that it is notified"
    })]
    NotServed {
        /// Where it was asked.
        place: Place,
        /// The serial of what it shows.
        shown: String,
        /// The serial of what it was given.
        wanted: String,
        /// Whether it could be notified.
        was_notified: bool,
    },
    /// Our own work was interrupted.
    #[error("the work was interrupted")]
    Interrupted,
}

/// The end of a command's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(pub(super) String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("it said nothing")
        } else {
            write!(f, "it said: {}", self.0)
        }
    }
}

impl std::error::Error for Said {}

/// What a server does at its start only.
fn at_its_start(server: Consumer) -> &'static str {
    match server {
        Consumer::Coturn => {
            " A coturn that found no certificate at its start opens no TLS port: restart it once"
        }
        _ => "",
    }
}

/// What to do about a program that cannot be started: its name may be a whole line.
fn apart(program: &str) -> String {
    match program.contains(char::is_whitespace) {
        true => format!("write program and arguments apart: {APART}"),
        false => "write its whole path".to_owned(),
    }
}

/// A command as it is to be written.
const APART: &str = "[\"systemctl\", \"reload\", \"coturn\"]";

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on that disk; the old file stays"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "mount that disk for writing, or let systemd do so with ReadWritePaths="
        }
        io::ErrorKind::PermissionDenied => "let the user that runs ianitor write in that folder",
        _ => "see to that folder and its disk; the old file stays",
    }
}
