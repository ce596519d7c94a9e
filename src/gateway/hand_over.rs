//! What a gateway hands over to the process that replaces it.

use std::io;
use std::os::fd::OwnedFd;

use tokio::sync::oneshot;

use super::handed::{Early, Late};
use super::running::Running;
use super::status::STATUS;
use crate::tls::Tickets;
use crate::upgrade::HandedSocket;
use crate::worker::{Command, Commander};

/// Everything that it takes to hand a gateway over, while the gateway goes on.
#[derive(Debug)]
pub struct HandOver {
    workers: Vec<Commander>,
    status: Option<OwnedFd>,
    tickets: Tickets,
}

impl Running {
    /// What is handed over to another process.
    ///
    /// # Errors
    /// That a socket cannot be duplicated.
    pub fn hand_over(&self) -> io::Result<HandOver> {
        let status = self.status.as_ref();
        let status = status.map(|status| status.share()).transpose()?;
        Ok(HandOver {
            workers: self
                .workers
                .iter()
                .map(|worker| worker.commander())
                .collect(),
            status: status.flatten(),
            tickets: self.tickets.clone(),
        })
    }
}

impl HandOver {
    /// What the new process needs first.
    pub fn early(&self) -> Early {
        Early {
            tickets: self.tickets.hand_over(),
        }
    }

    /// What it needs last.
    pub async fn late(&self) -> Late {
        Late {}
    }

    /// Duplicates of all listening sockets.
    ///
    /// # Errors
    /// That one cannot be duplicated, or that a worker has stopped.
    pub async fn sockets(&mut self) -> io::Result<Vec<HandedSocket>> {
        let stopped = || io::Error::other("a worker has stopped");
        let mut all = Vec::new();
        for worker in &self.workers {
            let (reply, shared) = oneshot::channel();
            if !worker.send(Command::Share(reply)) {
                return Err(stopped());
            }
            let shared = shared.await.map_err(|_| stopped())??;
            all.extend(shared.into_iter().map(|shared| HandedSocket {
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
}
