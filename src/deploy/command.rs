//! Runs a program that reloads a server: no shell, no input, few variables, a time limit.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::FusedFuture as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use parking_lot::Mutex;
use rustix::fs::Access;
use rustix::io::Errno;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::error::{DeployError, Said};
use super::target::untrusted;
use super::{DeploySpec, FileForm};
use crate::disk::{Dir, Trust, has_rights};
use crate::store::Stored;
use crate::telemetry::escape::steers;

/// How long a command may take: a server that ends its calls before it restarts needs a while.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// How long the output is read after the command has ended: a server that it has started may keep
/// the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How many bytes of the output are kept, and how many lines of them are reported.
const KEPT: usize = 4096;
const LINES: usize = 5;

/// The variables that a command inherits; the others may hold secrets of the gateway.
const INHERITED: [&str; 3] = ["PATH", "HOME", "LANG"];

/// What the system uses where there is no `PATH`.
pub(super) const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A variable of the environment.
pub(super) type Variable = (&'static str, OsString);

/// The variables that describe the certificate and the files.
pub(super) fn variables(spec: &DeploySpec, cert: &Stored) -> Vec<Variable> {
    let mut variables: Vec<Variable> = vec![
        ("IANITOR_CERTIFICATE", spec.certificate.as_str().into()),
        ("IANITOR_HOSTS", cert.bundle.meta.hosts.join(" ").into()),
    ];
    variables.extend(spec.files.iter().map(|output| {
        let name = match output.form {
            FileForm::Chain => "IANITOR_CERT",
            FileForm::Key => "IANITOR_KEY",
            FileForm::Combined => "IANITOR_COMBINED",
            FileForm::Pkcs12 { .. } => "IANITOR_PKCS12",
        };
        (name, output.path.clone().into_os_string())
    }));
    variables
}

/// Finds the program of a command, as the system would look for it.
///
/// If this process has elevated rights, only root or its own user may be able to change the
/// program.
pub(super) fn find(argv: &[String], path: &OsStr) -> Result<PathBuf, DeployError> {
    let Some(program) = argv.first() else {
        return Ok(PathBuf::new());
    };
    let places: Vec<PathBuf> = match program.contains('/') {
        true => vec![program.into()],
        false => std::env::split_paths(path)
            .map(|folder| folder.join(program))
            .collect(),
    };
    let may_run =
        |place: &&PathBuf| place.is_file() && rustix::fs::access(&**place, Access::EXEC_OK).is_ok();
    if let Some(place) = places.iter().find(may_run) {
        return is_trusted(place).map(|()| place.clone());
    }
    let there = places
        .into_iter()
        .find(|place| fs::symlink_metadata(place).is_ok());
    Err(there.map_or_else(
        || DeployError::NotFound(program.clone()),
        DeployError::NotExecutable,
    ))
}

fn is_trusted(program: &Path) -> Result<(), DeployError> {
    let trust = Trust::by_rights(None);
    let look = || {
        let (dir, name) = Dir::of_file(program, &trust)?;
        trust.program(&dir.path().join(&name), &dir.look(&name)?)
    };
    look().map_err(|cause| {
        untrusted(cause, |cause| DeployError::NoCommand {
            program: program.display().to_string(),
            cause,
        })
    })
}

/// The program to run: with elevated rights the file that was checked, else what the system finds.
fn program(argv: &[String]) -> Result<PathBuf, DeployError> {
    let named = argv.first().cloned().unwrap_or_default();
    if !has_rights() {
        return Ok(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    find(argv, &path).map_err(|error| match error {
        DeployError::NotFound(program) => DeployError::NoCommand {
            program,
            cause: Errno::NOENT.into(),
        },
        DeployError::NotExecutable(_) => DeployError::NoCommand {
            program: named,
            cause: Errno::ACCESS.into(),
        },
        error => error,
    })
}

/// Runs a command to its end.
pub(super) async fn run(
    argv: &[String],
    variables: &[Variable],
    limit: Duration,
) -> Result<(), DeployError> {
    let place = program(argv)?;
    let program = argv.first().cloned().unwrap_or_default();
    let (mut child, output) = match start(&place, argv, variables) {
        Ok(started) => started,
        Err(cause) => return Err(DeployError::NoCommand { program, cause }),
    };
    let tail = Tail::default();
    match to_the_end(&mut child.0, output, &tail, limit).await {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(DeployError::CommandFailed {
            program,
            status,
            said: tail.said(),
        }),
        Ok(None) => Err(DeployError::CommandLate {
            program,
            limit,
            said: tail.said(),
        }),
        Err(cause) => Err(DeployError::NoCommand { program, cause }),
    }
}

/// Starts a command. Both outputs go into one pipe, so that their lines stay in order.
fn start(
    place: &Path,
    argv: &[String],
    variables: &[Variable],
) -> io::Result<(Started, pipe::Receiver)> {
    // The configuration has rejected an empty list.
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let (reader, writer) = io::pipe()?;
    let output = pipe::Receiver::from_owned_fd(reader.into())?;
    let inherited = INHERITED
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    // Our copies of the writing end are closed with this value, so the output ends when the command
    // closes its own.
    let mut command = Command::new(place);
    command
        .arg0(program)
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .envs(variables.iter().cloned());
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    // A process group of its own, so that its children are killed with it after the time limit.
    Ok((
        Started(command.process_group(0).kill_on_drop(true).spawn()?),
        output,
    ))
}

/// Waits for the end; `None` if the command was killed after the time limit.
async fn to_the_end(
    child: &mut Child,
    output: pipe::Receiver,
    tail: &Tail,
    limit: Duration,
) -> io::Result<Option<ExitStatus>> {
    let listening = tail.listen(output).fuse();
    tokio::pin!(listening);
    let ending = async {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                () = &mut listening => {}
            }
        }
    };
    let ended = timeout(limit, ending).await.ok().transpose()?;
    if ended.is_none() {
        end(child).await;
    }
    if !listening.is_terminated() {
        let _ = timeout(LAST_WORDS, listening).await;
    }
    Ok(ended)
}

/// Kills a command with its children.
async fn end(child: &mut Child) {
    end_group(child);
    let _ = child.kill().await;
}

/// Does nothing once the command has been waited for: its number may belong to another process.
fn end_group(child: &Child) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // Nothing can be done about an error.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// A command that is killed with its children when this is dropped: the next one must not run
/// beside it.
#[derive(Debug)]
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        end_group(&self.0);
    }
}

/// The last bytes of an output.
#[derive(Debug, Default)]
struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    async fn listen(&self, mut output: pipe::Receiver) {
        let mut part = [0; 1024];
        while let Ok(read @ 1..) = output.read(&mut part).await {
            let mut kept = self.0.lock();
            kept.extend(&part[..read]);
            let excess = kept.len().saturating_sub(KEPT);
            kept.drain(..excess);
        }
    }

    /// The last lines, joined.
    fn said(&self) -> Said {
        let bytes: Vec<u8> = self.0.lock().iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
        Said(
            last.chars()
                .map(|c| if steers(c) { ' ' } else { c })
                .collect(),
        )
    }
}
