//! The task that measures how much memory the process has.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::overload::{self, Memory, MemoryChange};
use crate::telemetry::summed;

/// How often memory is measured while there is a limit.
const INTERVAL: Duration = Duration::from_secs(1);

/// The task. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct MemoryWatch {
    _stop: oneshot::Sender<()>,
}

impl MemoryWatch {
    /// Starts the task on the current runtime. Without one, and without a limit, there is none.
    ///
    /// # Errors
    /// If there is a limit and no current runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends when `_stop` is dropped"
    )]
    pub(super) fn start(memory: &Arc<Memory>) -> io::Result<Option<Self>> {
        let runtime = match Handle::try_current() {
            Ok(runtime) => runtime,
            Err(_) if memory.limit().is_none() => return Ok(None),
            Err(error) => return Err(io::Error::other(error)),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let memory = Arc::clone(memory);
        runtime.spawn(async move {
            tokio::select! {
                () = watch(&memory) => {}
                _ = stopped => {}
            }
        });
        Ok(Some(Self { _stop: stop }))
    }
}

async fn watch(memory: &Memory) {
    loop {
        look(memory);
        if memory.limit().is_some() {
            let _ = tokio::time::timeout(INTERVAL, memory.changed()).await;
        } else {
            memory.changed().await;
        }
    }
}

fn look(memory: &Memory) {
    let limit = memory.limit();
    let resident = match limit.map(|_| overload::resident()) {
        Some(Ok(resident)) => resident,
        Some(Err(error)) => {
            let error = error.to_string();
            return summed("memory", "", move |times| {
                tracing::error!(times, error, "cannot measure memory for limits.memory");
            });
        }
        None => 0,
    };
    match memory.note(resident) {
        Some(MemoryChange::Begins) => tracing::warn!(
            resident,
            limit,
            "limits.memory is nearly reached: new connections are rejected and idle ones closed \
             until less than 80 % of it is used; requests and WebSockets go on"
        ),
        Some(MemoryChange::Ends) => tracing::info!(
            resident,
            limit,
            "less than 80 % of limits.memory is used: new connections are accepted again"
        ),
        None => {}
    }
}
