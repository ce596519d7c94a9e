//! What a gateway hands over to the process that replaces it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};

use super::handed::{Early, Late, Sessions, Update};
use super::running::Running;
use super::status::STATUS;
use crate::auth;
use crate::clock;
use crate::serve::shared::SharedState;
use crate::serve::snapshot::Snapshot;
use crate::signalling::owners::{Handed, Owners};
use crate::upgrade::HandedSocket;
use crate::worker::{Command, Commander, SharedSocket};

/// Everything that it takes to hand a gateway over, while the gateway goes on.
#[derive(Debug)]
pub struct HandOver {
    workers: Vec<Commander>,
    status: Option<OwnedFd>,
    early: Early,
    snapshot: Arc<Snapshot>,
    shared: Arc<SharedState>,
    changes: mpsc::UnboundedReceiver<Sessions>,
    sender: mpsc::UnboundedSender<Sessions>,
}

impl Running {
    /// What is handed over to another process.
    ///
    /// # Errors
    /// That a socket cannot be duplicated.
    pub fn hand_over(&self) -> io::Result<HandOver> {
        let status = self.status.as_ref();
        let status = status.map(|status| status.share()).transpose()?;
        let (sender, changes) = mpsc::unbounded_channel();
        Ok(HandOver {
            workers: self
                .workers
                .iter()
                .map(|worker| worker.commander())
                .collect(),
            status: status.flatten(),
            early: Early {
                tickets: self.tickets.hand_over(),
                tagger: self.shared.tagger.hand_over(),
                keys: self.key_tasks.hand_over(),
            },
            snapshot: self.board.snapshot(),
            shared: Arc::clone(&self.shared),
            changes,
            sender,
        })
    }

    /// The sessions that are still used, by upstream.
    pub fn used_sessions(&self) -> Vec<Sessions> {
        by_upstream(&self.board.snapshot(), Owners::used)
    }
}

impl HandOver {
    /// What the new process needs first.
    pub fn early(&self) -> &Early {
        &self.early
    }

    /// What it needs last. From now on, changes are noted.
    pub async fn late(&self) -> Late {
        for upstream in &self.snapshot.upstreams {
            if let Some(owners) = &upstream.owners {
                let (sender, name) = (self.sender.clone(), upstream.spec.name.to_string());
                owners.write_changes(move |change| {
                    // The new process may be gone.
                    let _ = sender.send(Sessions {
                        upstream: name.as_str().into(),
                        sessions: vec![change],
                    });
                });
            }
        }
        let tokens = self.ask(Command::Tokens).await;
        Late {
            sessions: by_upstream(&self.snapshot, Owners::hand_over),
            tokens: auth::merge(tokens.into_iter().flatten()),
            failures: self.shared.auth_failures.hand_over(),
            challenges: self.shared.challenges.hand_over(),
        }
    }

    /// The sessions that change since [`HandOver::late`].
    pub fn changes(self) -> mpsc::UnboundedReceiver<Sessions> {
        self.changes
    }

    /// What this process learns of sessions from the one that it has replaced itself, and passes
    /// on.
    pub fn passed_on(&self) -> mpsc::UnboundedSender<Sessions> {
        self.sender.clone()
    }

    /// The next change that the new process has to know of.
    pub async fn next_update(&mut self) -> Update {
        let challenges = &self.shared.challenges;
        tokio::select! {
            // This value has a sender too, so that the channel stays open.
            Some(sessions) = self.changes.recv() => Update::Sessions(sessions),
            () = challenges.changed() => Update::Challenges(challenges.hand_over()),
        }
    }

    /// The workers accept nothing for now: the new process does.
    pub fn pause(&self) {
        for worker in &self.workers {
            worker.send(Command::Pause);
        }
    }

    /// They accept again: the new process has ended.
    pub fn resume(&self) {
        for worker in &self.workers {
            worker.send(Command::Resume);
        }
    }

    /// Duplicates of all listening sockets.
    ///
    /// # Errors
    /// That one cannot be duplicated, or that a worker has stopped.
    pub async fn sockets(&mut self) -> io::Result<Vec<HandedSocket>> {
        let mut all = Vec::new();
        for shared in self.ask(Command::Share).await {
            let shared: io::Result<Vec<SharedSocket>> =
                shared.ok_or_else(|| io::Error::other("a worker has stopped"))?;
            all.extend(shared?.into_iter().map(|shared| HandedSocket {
                name: shared.key.0.to_string(),
                socket: shared.socket,
            }));
        }
        all.extend(self.status.take().map(|socket| HandedSocket {
            name: STATUS.to_owned(),
            socket,
        }));
        Ok(all)
    }

    /// What each worker answers; `None` for one that has stopped.
    async fn ask<T>(&self, command: impl Fn(oneshot::Sender<T>) -> Command) -> Vec<Option<T>> {
        let mut all = Vec::new();
        for worker in &self.workers {
            let (reply, answer) = oneshot::channel();
            worker.send(command(reply));
            all.push(answer.await.ok());
        }
        all
    }
}

fn by_upstream(snapshot: &Snapshot, of: fn(&Owners, Instant) -> Vec<Handed>) -> Vec<Sessions> {
    let now = clock::monotonic();
    let upstreams = snapshot.upstreams.iter().filter_map(|upstream| {
        Some(Sessions {
            upstream: Box::from(&*upstream.spec.name),
            sessions: of(upstream.owners.as_ref()?, now),
        })
    });
    upstreams.collect()
}
