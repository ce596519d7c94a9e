//! The gateway as it ships: the binary, with a file and a log.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;

use super::metrics::Metrics;
use super::wire::Dial;
use super::{Clients, Folder, Process, free_ports, until};

/// The running binary.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) https: u16,
    status: Option<u16>,
    pub(crate) ca: PathBuf,
}

impl Gateway {
    /// Starts it with a whole file, which listens for TLS on this port of 127.0.0.1.
    pub(crate) fn start_file(folder: &Folder, https: u16, text: &str) -> Self {
        Self::start_file_by(folder, https, text, &[])
    }

    /// The same by programs that become it: each is given the next as its arguments.
    fn start_file_by(folder: &Folder, https: u16, text: &str, by: &[&str]) -> Self {
        let file = folder.write("gateway.toml", text);
        let words: Vec<&str> = by
            .iter()
            .copied()
            .chain([env!("CARGO_BIN_EXE_ianitor"), "run", "--config"])
            .collect();
        let adjust = |command: &mut Command| _ = command.args(&words[1..]).arg(file);
        let mut process = match by {
            [] => Process::start(folder, "gateway", words[0], adjust),
            _ => Process::start_piped(folder, "gateway", words[0], adjust),
        };
        process.wait_for(https);
        // Its port is open before its certificates are made.
        until("the gateway serves", || {
            process.said().contains("listening")
        });
        Self {
            process,
            https,
            status: None,
            ca: folder.join("certs/ca.pem"),
        }
    }

    /// Starts it with TLS for `localhost` on a free port of loopback, lines of `[listen]` and any
    /// tables. It writes its log as JSON.
    pub(crate) fn start(folder: &Folder, listen: &str, tables: &str) -> Self {
        let [https] = free_ports();
        Self::start_on(
            folder,
            https,
            listen,
            "self_signed = [\"localhost\"]",
            tables,
        )
    }

    /// The same on a port that others know already, and with lines of `[tls]`.
    pub(crate) fn start_on(
        folder: &Folder,
        https: u16,
        listen: &str,
        tls: &str,
        tables: &str,
    ) -> Self {
        Self::start_by(folder, https, listen, tls, tables, &[])
    }

    /// The same by programs that become it.
    pub(crate) fn start_by(
        folder: &Folder,
        https: u16,
        listen: &str,
        tls: &str,
        tables: &str,
        by: &[&str],
    ) -> Self {
        let listen = format!("workers = 2\n{listen}");
        Self::start_logging(
            folder,
            https,
            &listen,
            "",
            &format!("[tls]\n{tls}\n{tables}"),
            by,
        )
    }

    /// The same for `localhost` on a free port, and with lines of `[log]`.
    pub(crate) fn start_with_log(folder: &Folder, log: &str, tables: &str) -> Self {
        let [https] = free_ports();
        let tables = format!("[tls]\nself_signed = [\"localhost\"]\n{tables}");
        Self::start_logging(folder, https, "workers = 2", log, &tables, &[])
    }

    fn start_logging(
        folder: &Folder,
        https: u16,
        listen: &str,
        log: &str,
        tables: &str,
        by: &[&str],
    ) -> Self {
        let [status] = free_ports();
        let text = format!(
            "[listen]\nhttps = [\"127.0.0.1:{https}\"]\nstatus = \"127.0.0.1:{status}\"\n{listen}\n\
             [log]\nformat = \"json\"\n{log}\n{tables}"
        );
        Self {
            status: Some(status),
            ..Self::start_file_by(folder, https, &text, by)
        }
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

    /// Clients of this test's own, to be adjusted.
    pub(crate) fn dial(&self) -> Dial {
        self.dial_trusting(&self.ca)
    }

    /// The same, which trust another CA.
    pub(crate) fn dial_trusting(&self, ca: &Path) -> Dial {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(ca).unwrap())
            .unwrap();
        Dial::new((Ipv4Addr::LOCALHOST, self.https).into(), roots)
    }

    /// Its lines in the log, of events and accesses alike, that hold a text.
    pub(crate) fn lines(&self, with: &str) -> Vec<String> {
        self.process
            .said()
            .lines()
            .filter(|line| line.contains(with))
            .map(str::to_owned)
            .collect()
    }

    /// Its access log.
    pub(crate) fn accesses(&self) -> Vec<Value> {
        let said = self.process.said();
        // The last line may be half there.
        let lines = said
            .split_inclusive('\n')
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| {
                ["request", "tunnel"]
                    .iter()
                    .any(|kind| line["kind"] == *kind)
            })
            .collect()
    }

    /// Its access log, once it has so many lines.
    #[track_caller]
    pub(crate) fn has_logged(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} lines of the access log"), || {
            self.accesses().len() >= count
        });
        let lines = self.accesses();
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    /// What it counts.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics::parse(&self.asks("/metrics").1)
    }

    /// What its status listener says.
    pub(crate) fn asks(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.status.unwrap())).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    /// Waits until a sum of its metrics has a value.
    #[track_caller]
    pub(crate) fn counts(&self, name: &str, labels: &[(&str, &str)], value: u64) {
        until(&format!("{name}{labels:?} is {value}"), || {
            self.metrics().sum(name, labels) == value
        });
    }
}

/// A command about the file of a test's gateway.
pub(crate) fn ianitor(folder: &Folder, args: &[&str]) -> Output {
    let file = folder.join("gateway.toml");
    Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(args)
        .arg("--config")
        .arg(file)
        .output()
        .unwrap()
}

/// The same for one that must go well, and what it says.
#[track_caller]
pub(crate) fn ianitor_does(folder: &Folder, args: &[&str]) -> String {
    let output = ianitor(folder, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
