//! The new process, as the old one sees it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::{Command as StdCommand, ExitStatus};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use serde::Serialize;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::error::UpgradeError;
use super::program::Program;
use super::{Answer, Hello, frame};
use crate::systemd;

/// The first descriptor of sd_listen_fds(3).
const FIRST: i32 = 3;

/// How long a process that says that it has failed may take to end.
const END: Duration = Duration::from_secs(2);

/// Variables that are for this process alone, and would mislead the new one.
const OWN_VARIABLES: [&str; 2] = ["LISTEN_PID", "LISTEN_FDS_FIRST_FD"];

/// A socket that is handed over.
#[derive(Debug)]
pub struct HandedSocket {
    /// Its name in `LISTEN_FDNAMES`.
    pub name: String,
    /// A duplicate.
    pub socket: OwnedFd,
}

/// The new process. If this is dropped before it is ready, the process is killed.
#[derive(Debug)]
pub struct Successor {
    child: Child,
    channel: UnixStream,
    /// Whether it understands the state of this one.
    is_understood: bool,
    /// Whether it accepts connections.
    is_ready: bool,
    has_ended: bool,
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_ready {
            // It may have ended by itself.
            let _ = self.child.start_kill();
        }
    }
}

impl Successor {
    /// Starts the program with these sockets; `channel` is the name of the channel.
    ///
    /// # Errors
    /// That it cannot be executed.
    pub fn start(
        program: &Program,
        mut sockets: Vec<HandedSocket>,
        channel: &str,
    ) -> Result<Self, UpgradeError> {
        let path = program.find()?;
        let (ours, theirs) = StdStream::pair().map_err(UpgradeError::HandOver)?;
        ours.set_nonblocking(true).map_err(UpgradeError::HandOver)?;
        let ours = UnixStream::from_std(ours).map_err(UpgradeError::HandOver)?;
        sockets.push(HandedSocket {
            name: channel.to_owned(),
            socket: theirs.into(),
        });
        let mut command = StdCommand::new(&path);
        std::os::unix::process::CommandExt::arg0(&mut command, program.name());
        command.args(program.arguments());
        let child = pass(command, sockets)?
            .spawn()
            .map_err(|error| UpgradeError::Start(path, error))?;
        Ok(Self {
            child,
            channel: ours,
            is_understood: false,
            is_ready: false,
            has_ended: false,
        })
    }

    /// Its id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Greets it, sends what it needs for its configuration, and waits until that can be put into
    /// force.
    ///
    /// # Errors
    /// Why it cannot, or that the process has ended.
    pub async fn prepare(&mut self, early: &impl Serialize) -> Result<(), UpgradeError> {
        let greeted = async {
            frame::send(&mut self.channel, &Hello::own()).await?;
            frame::receive::<Hello>(&mut self.channel).await
        };
        let hello = match greeted.await {
            Ok(hello) => hello,
            Err(_) => return Err(self.ended().await),
        };
        self.is_understood = hello.is_understood();
        if !self.is_understood {
            tracing::warn!(
                version = hello.version,
                "the new version does not understand what this one knows: it starts without \
                 sessions, tickets and tokens"
            );
        }
        self.exchange(early).await
    }

    /// Sends what it needs to serve clients of this process, and waits until it accepts
    /// connections.
    ///
    /// # Errors
    /// As [`Successor::prepare`].
    pub async fn commit(&mut self, late: &impl Serialize) -> Result<(), UpgradeError> {
        self.exchange(late).await?;
        self.is_ready = true;
        Ok(())
    }

    /// Sends a document, if it is understood, and waits for the answer.
    async fn exchange(&mut self, document: &impl Serialize) -> Result<(), UpgradeError> {
        if self.is_understood {
            // If it has failed already, its answer says why.
            let sent = frame::send(&mut self.channel, document).await;
            if sent.is_err_and(|error| error.kind() == io::ErrorKind::InvalidData) {
                tracing::warn!("there are too many sessions and tokens to hand them over");
                let _ = frame::send(&mut self.channel, &serde_json::json!({})).await;
            }
        }
        match frame::receive::<Answer>(&mut self.channel).await {
            Ok(Answer::Prepared | Answer::Ready) => Ok(()),
            Ok(Answer::Failed { problems }) => {
                self.end().await;
                Err(UpgradeError::Reported(problems))
            }
            Err(_) => Err(self.ended().await),
        }
    }

    /// Tells it of a change while this process drains, if it is still there and understands it.
    /// One that does not read for long receives nothing more.
    pub async fn tell(&mut self, update: &impl Serialize) {
        if self.is_understood {
            let sent = timeout(END, frame::send(&mut self.channel, update)).await;
            self.is_understood = matches!(&sent, Ok(Ok(())));
            // If it has ended, that is logged already.
            if sent.is_err() {
                tracing::warn!(
                    "the new process does not read: it does not learn of sessions that are \
                     created or end in this one from now on"
                );
            }
        }
    }

    /// The channel is closed: why.
    async fn ended(&mut self) -> UpgradeError {
        match timeout(END, self.child.wait()).await {
            Ok(Ok(status)) => UpgradeError::Ended(status),
            Ok(Err(_)) | Err(_) => {
                self.kill().await;
                UpgradeError::BrokeOff
            }
        }
    }

    /// Waits until it has ended; one that does not end is killed.
    async fn end(&mut self) {
        if timeout(END, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills it: it has no connections yet.
    async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "the new process could not be killed");
        }
    }

    /// Waits until it has ended, and returns how.
    ///
    /// # Errors
    /// That the system does not say how.
    pub async fn ended_by(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.has_ended = true;
        status
    }

    /// Whether [`Successor::wait`] has seen its end.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Resolves once, when it has ended.
    pub async fn wait(&mut self) {
        if self.has_ended {
            return std::future::pending().await;
        }
        let status = self.child.wait().await;
        (self.has_ended, self.is_understood) = (true, false);
        if let Ok(status) = status {
            tracing::info!(%status, "the process that has replaced this one has ended");
        }
    }
}

/// A command whose process gets these sockets as its descriptors from 3 on.
fn pass(mut command: StdCommand, sockets: Vec<HandedSocket>) -> Result<Command, UpgradeError> {
    let names: Vec<&str> = sockets.iter().map(|socket| &*socket.name).collect();
    command
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"));
    for variable in OWN_VARIABLES {
        command.env_remove(variable);
    }
    systemd::prepare_successor(&mut command);
    let mappings = (FIRST..).zip(sockets).map(|(child_fd, socket)| FdMapping {
        parent_fd: socket.socket,
        child_fd,
    });
    let mapped = command.fd_mappings(mappings.collect());
    mapped.map_err(|error| UpgradeError::HandOver(io::Error::other(error)))?;
    Ok(Command::from(command))
}
