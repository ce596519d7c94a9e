//! The gateway as it ships: the binary, with a file and a log.

use std::path::PathBuf;

use super::{Clients, Folder, Process, free_ports, until};

/// The running binary.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) https: u16,
    pub(crate) ca: PathBuf,
}

impl Gateway {
    /// Starts it with a whole file, which listens for TLS on this port of 127.0.0.1.
    pub(crate) fn start_file(folder: &Folder, https: u16, text: &str) -> Self {
        let file = folder.write("gateway.toml", text);
        let mut process = Process::start(folder, "gateway", env!("CARGO_BIN_EXE_ianitor"), |command| {
            command.args(["run", "--config"]).arg(file);
        });
        process.wait_for(https);
        // The port is there before the certificates are.
        until("the gateway listens", || process.said().contains("listening"));
        Self { process, https, ca: folder.join("certs/ca.pem") }
    }

    /// Starts it with TLS for `localhost` on a free port of loopback, lines of `[listen]` and any tables.
    pub(crate) fn start(folder: &Folder, listen: &str, tables: &str) -> Self {
        let [https] = free_ports();
        let text = format!(
            "[listen]\nhttps = [\"127.0.0.1:{https}\"]\n{listen}\n[tls]\nself_signed = [\"localhost\"]\n{tables}"
        );
        Self::start_file(folder, https, &text)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.https)
    }

    pub(crate) fn websocket_url(&self, path: &str) -> String {
        format!("wss://localhost:{}{path}", self.https)
    }

    /// Clients that trust it.
    pub(crate) fn clients(&self) -> Clients<'_> {
        Clients { ca: &self.ca }
    }

    /// Its lines in the log, of events and accesses alike, that hold a text.
    pub(crate) fn lines(&self, with: &str) -> Vec<String> {
        self.process.said().lines().filter(|line| line.contains(with)).map(str::to_owned).collect()
    }
}
