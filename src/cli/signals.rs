//! The signals that `ianitor run` handles.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that reload, upgrade or stop the gateway, and those that would end the process by
/// default.
pub(super) struct Signals {
    pub(super) hangup: Signal,
    pub(super) upgrade: Signal,
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
    pub(super) ignored: Ignored,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            ignored: Ignored::new()?,
        })
    }

    /// Waits for a signal that stops the gateway. `successor` is the process that has replaced
    /// this one.
    pub(super) async fn stop(&mut self, successor: Option<u32>) {
        loop {
            let signal = tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => "SIGHUP",
                _ = self.upgrade.recv() => "SIGUSR2",
                () = self.ignored.log_next() => continue,
            };
            match successor {
                Some(pid) => tracing::warn!(
                    "{signal} is ignored: this process has been replaced; process {pid} takes it"
                ),
                None => tracing::warn!("{signal} is ignored: this process is draining"),
            }
        }
    }
}

/// Signals that mean something to other servers and nothing here. By default they would end the
/// process, with all its connections.
pub(super) struct Ignored {
    user1: Signal,
    quit: Signal,
}

impl Ignored {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            user1: signal(SignalKind::user_defined1())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for one of the signals, and logs what to do instead.
    pub(super) async fn log_next(&mut self) {
        let (signal, advice) = tokio::select! {
            _ = self.user1.recv() => (
                "SIGUSR1",
                "there are no log files to reopen: logs go to standard output and standard error",
            ),
            _ = self.quit.recv() => ("SIGQUIT", "SIGTERM stops the gateway"),
        };
        tracing::warn!(advice, "{signal} is ignored");
    }
}
