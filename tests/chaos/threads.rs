//! Two threads with a runtime each: clients must not wait for servers.

use std::thread;

use tokio::runtime::{Builder, Handle};

/// The runtimes. They end with the process.
#[derive(Clone, Debug)]
pub(crate) struct Threads {
    pub(crate) clients: Handle,
    pub(crate) servers: Handle,
}

impl Threads {
    pub(crate) fn start() -> Self {
        Self {
            clients: runtime("clients"),
            servers: runtime("servers"),
        }
    }
}

fn runtime(name: &str) -> Handle {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .unwrap();
    handle
}
