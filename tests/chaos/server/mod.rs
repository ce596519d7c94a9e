//! Servers behind the gateway. They run in this process and tell the ledger what they receive.

mod http;
mod janus;
mod outage;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::ledger::Ledger;
pub(crate) use outage::Outage;

/// What a server does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Healthy,
    /// It resets the connection instead of every third answer, or in the middle of it.
    ResetsEveryThird,
    /// It answers after ten seconds.
    Slow,
    /// It answers as Janus does, over REST and WebSockets.
    Janus,
}

/// A server. It listens until its runtime ends.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    manner: Manner,
    ledger: Arc<Ledger>,
    /// Counts answers, to reset every third.
    answers: AtomicUsize,
}

impl Server {
    /// Starts it on a free port of loopback, and says which.
    pub(crate) async fn start(name: &'static str, manner: Manner, ledger: &Arc<Ledger>) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Self {
            name,
            manner,
            ledger: Arc::clone(ledger),
            answers: AtomicUsize::new(0),
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    // The gateway closes connections as it likes.
                    let _ = server.serve(stream).await;
                });
            }
        });
        port
    }

    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        http::serve(self, stream).await
    }

    /// Whether this answer is one of those that it resets; it alternates between all and half of
    /// it.
    fn resets(&self) -> Option<bool> {
        if self.manner != Manner::ResetsEveryThird {
            return None;
        }
        let number = self.answers.fetch_add(1, Ordering::SeqCst);
        (number % 3 == 2).then_some(number.is_multiple_of(2))
    }

    fn delay(&self) -> Duration {
        match self.manner {
            Manner::Slow => Duration::from_secs(10),
            _ => Duration::ZERO,
        }
    }
}
