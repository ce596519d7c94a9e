//! An upgrade in place, from the request to the new process that is ready.

use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use http::StatusCode;
use ianitor::control::{CallError, CallResult, Control, Reply};
use ianitor::gateway::{HandOver, Running, Sessions, Update};
use ianitor::listen;
use ianitor::telemetry::Chain;
use ianitor::upgrade::{HandedSocket, Program, Successor, UpgradeError};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a new process may take until it is ready, where the request does not say.
const WAIT: Duration = Duration::from_secs(60);

/// How long a new process has to live before this one gives up its listening sockets.
const SETTLING: Duration = Duration::from_secs(1);

/// The name of a control socket whose file the gateway removes at its end.
pub(super) const CONTROL: &str = "control";

/// The name of one whose file stays: systemd has made it.
const CONTROL_OF_OTHERS: &str = "control-of-others";

/// The first process of a container or a machine: the kernel kills all others when it ends.
const FIRST_PROCESS: u32 = 1;

/// The upgrade that is under way, if any.
pub(super) struct Upgrade {
    program: Program,
    /// Whether the configuration came from standard input, which the new process could not read.
    is_from_stdin: bool,
    under_way: Option<UnderWay>,
}

/// A new process that accepts connections.
pub(super) struct Replacement {
    pub(super) successor: Successor,
    /// What changes in this one since the new one knows of its sessions.
    pub(super) changes: mpsc::UnboundedReceiver<Sessions>,
}

struct UnderWay {
    work: Pin<Box<dyn Future<Output = Result<Replacement, UpgradeError>>>>,
    reply: Option<Reply>,
    /// For sessions of the process that this one has replaced.
    passed_on: Option<mpsc::UnboundedSender<Sessions>>,
}

impl Upgrade {
    /// None is under way; an upgrade will start this program.
    pub(super) fn of(program: Program, is_from_stdin: bool) -> Self {
        Self {
            program,
            is_from_stdin,
            under_way: None,
        }
    }

    /// Why a reload has to wait; nothing if there is no upgrade.
    pub(super) fn in_the_way(&self) -> Option<CallError> {
        let text = "an upgrade is in progress; try again when it has ended";
        let refused = CallError::new(StatusCode::CONFLICT, text);
        self.under_way.as_ref().map(|_| refused)
    }

    /// Starts the program anew. The request is answered when the new process is ready, or has
    /// failed.
    pub(super) fn begin(
        &mut self,
        running: &Running,
        control: &Control,
        wait: Option<Duration>,
        reply: Option<Reply>,
    ) {
        let refused = self.in_the_way().or_else(first_process);
        let refused = refused.or_else(|| self.is_from_stdin.then(from_stdin));
        if let Some(refused) = refused {
            tracing::error!(error = refused.error, "not upgraded");
            return answer(reply, Err(refused));
        }
        tracing::info!("upgrading: starting the new process");
        let handed = running.hand_over().and_then(|hand_over| {
            let control = share(control)?;
            Ok((hand_over, control))
        });
        let (program, wait) = (self.program.clone(), wait.unwrap_or(WAIT));
        self.under_way = Some(UnderWay {
            passed_on: handed.as_ref().ok().map(|handed| handed.0.passed_on()),
            work: Box::pin(upgrade(program, handed, wait)),
            reply,
        });
    }

    /// Passes on to the new process what the one says that this one has replaced.
    pub(super) fn pass_on(&self, update: Option<&Update>) {
        let to = self.under_way.as_ref();
        let to = to.and_then(|under_way| under_way.passed_on.as_ref());
        if let (Some(to), Some(Update::Sessions(sessions))) = (to, update) {
            // The upgrade may have failed just now.
            let _ = to.send(sessions.clone());
        }
    }

    /// Waits for the new process. While there is no upgrade, it never ends; after one that has
    /// failed, the gateway goes on.
    pub(super) async fn ready(&mut self) -> Option<Replacement> {
        let Some(UnderWay { work, .. }) = &mut self.under_way else {
            return std::future::pending().await;
        };
        let outcome = work.await;
        let reply = self.under_way.take().and_then(|upgrade| upgrade.reply);
        match outcome {
            Ok(new) => {
                let pids = json!({ "pid": new.successor.pid(), "old": std::process::id() });
                answer(reply, Ok(pids));
                Some(new)
            }
            Err(error) => {
                let text = Chain(&error).to_string();
                let error = "not upgraded; the old process goes on as it is";
                tracing::error!(problem = text.replace('\n', "; "), "{error}");
                let failure = CallError {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    error: error.to_owned(),
                    problems: text.lines().map(str::to_owned).collect(),
                };
                answer(reply, Err(failure));
                None
            }
        }
    }
}

fn answer(reply: Option<Reply>, answer: CallResult) {
    if let Some(reply) = reply {
        reply.send(answer);
    }
}

fn first_process() -> Option<CallError> {
    let text = "this is process 1, as in a container, and all other processes end with it, the \
        new one too; start another container in its place";
    (std::process::id() == FIRST_PROCESS).then(|| CallError::new(StatusCode::CONFLICT, text))
}

/// Why a configuration cannot be read again.
pub(super) fn from_stdin() -> CallError {
    let text = "the configuration came from standard input, which can be read only once; start the \
        gateway with the configuration in a file";
    CallError::new(StatusCode::CONFLICT, text)
}

fn share(control: &Control) -> io::Result<Option<HandedSocket>> {
    let name = match control.is_owned() {
        true => CONTROL,
        false => CONTROL_OF_OTHERS,
    };
    let socket = control.share()?;
    Ok(socket.map(|socket| HandedSocket {
        name: name.to_owned(),
        socket,
    }))
}

async fn upgrade(
    program: Program,
    handed: io::Result<(HandOver, Option<HandedSocket>)>,
    wait: Duration,
) -> Result<Replacement, UpgradeError> {
    let (mut hand_over, control) = handed.map_err(UpgradeError::HandOver)?;
    let sockets = match timeout(wait, hand_over.sockets()).await {
        Ok(sockets) => sockets.map_err(UpgradeError::HandOver)?,
        Err(_) => return Err(UpgradeError::HandOver(no_answer())),
    };
    let sockets = sockets.into_iter().chain(control).collect();
    let mut successor = Successor::start(&program, sockets, listen::UPGRADE)?;
    let ready = async {
        successor.prepare(hand_over.early()).await?;
        successor.commit(&hand_over.late().await).await
    };
    match timeout(wait, ready).await {
        Ok(outcome) => outcome?,
        Err(_) => return Err(UpgradeError::Late(wait)),
    }
    settle(&mut successor, &mut hand_over).await?;
    Ok(Replacement {
        successor,
        changes: hand_over.changes(),
    })
}

/// Lets the new process accept alone, and keeps the listening sockets for a moment: if it ends,
/// this one accepts again, also what is queued meanwhile.
async fn settle(successor: &mut Successor, hand_over: &mut HandOver) -> Result<(), UpgradeError> {
    hand_over.pause();
    let mut settled = pin!(tokio::time::sleep(SETTLING));
    loop {
        let update = tokio::select! {
            () = &mut settled => return Ok(()),
            status = successor.ended_by() => {
                hand_over.resume();
                return Err(status.map_or(UpgradeError::BrokeOff, UpgradeError::EndedAtOnce));
            }
            update = hand_over.next_update() => update,
        };
        successor.tell(&update).await;
    }
}

fn no_answer() -> io::Error {
    io::Error::other("a worker does not answer; if it has stalled, the log says where")
}
