//! Pebble: a CA that speaks ACME and forgets everything when it ends.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::dns::name_server;
use super::openssl::Ca;
use super::{Folder, Process, free_ports, until};

/// How it is to be.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where it looks for tokens and for handshakes.
    pub(crate) http: u16,
    pub(crate) tls: u16,
    /// How many seconds its certificates are good for.
    pub(crate) validity: u64,
    /// The id and the key of the only external account that it takes.
    pub(crate) external_account: Option<(&'static str, &'static str)>,
    /// Whether it takes its time as it does by default; it also finds names proved that were, half
    /// of the time.
    pub(crate) takes_its_time: bool,
}

/// The running CA. It refuses one good nonce of twenty, as it does by default.
#[derive(Debug)]
pub(crate) struct Pebble {
    pub(crate) process: Process,
    pub(crate) port: u16,
    management: u16,
    options: Options,
    /// Whom its API is trusted by.
    pub(crate) ca: PathBuf,
    starts: u32,
}

impl Pebble {
    pub(crate) fn start(folder: &Folder, options: Options) -> Self {
        let [port, management] = free_ports();
        Self::start_on(folder, [port, management], options)
    }

    /// The same on ports that others know already: its API, and what it tells about itself.
    pub(crate) fn start_on(
        folder: &Folder,
        [port, management]: [u16; 2],
        options: Options,
    ) -> Self {
        let ca = api_certificate(folder);
        let process = run(folder, "pebble-1", [port, management], &options);
        let mut pebble = Self {
            process,
            port,
            management,
            options,
            ca,
            starts: 1,
        };
        pebble.process.wait_for(port);
        pebble
    }

    /// A CA in place of the one that was: with the same address, another key, and no memory.
    pub(crate) fn start_again(&mut self, folder: &Folder) {
        self.process.kill();
        self.starts += 1;
        until("the port is free again", || {
            TcpListener::bind(("127.0.0.1", self.port)).is_ok()
        });
        let ports = [self.port, self.management];
        self.process = run(
            folder,
            &format!("pebble-{}", self.starts),
            ports,
            &self.options,
        );
        self.process.wait_for(self.port);
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.port)
    }

    /// The root of the certificates that it gives now, in a file.
    pub(crate) fn root(&self, folder: &Folder) -> PathBuf {
        let url = format!("https://localhost:{}/roots/0", self.management);
        let answer = super::Clients { ca: &self.ca }.curl(&["--ipv4", &url]);
        assert_eq!(answer.status, 200, "{answer:?}");
        folder.write(&format!("root-{}.pem", self.starts), &answer.body)
    }

    /// Accounts that it has registered since its start.
    pub(crate) fn accounts(&self) -> usize {
        self.counted("accounts in memory")
    }

    /// Orders that it has taken since its start.
    pub(crate) fn orders(&self) -> usize {
        self.counted("orders in the db")
    }

    /// Certificates that it has given since its start.
    pub(crate) fn certificates(&self) -> usize {
        self.process
            .said()
            .matches("Issued certificate serial")
            .count()
    }

    /// Whether it has taken a certificate back.
    pub(crate) fn has_revoked(&self, serial: &str) -> bool {
        let url = format!(
            "https://localhost:{}/cert-status-by-serial/{serial}",
            self.management
        );
        super::Clients { ca: &self.ca }
            .curl(&["--ipv4", &url])
            .json()["Status"]
            == "Revoked"
    }

    /// It writes a line with the new number for each.
    fn counted(&self, of: &str) -> usize {
        self.process
            .said()
            .lines()
            .filter(|line| line.contains("There are now") && line.ends_with(of))
            .count()
    }
}

impl Options {
    /// It looks at these ports, does not wait, and gives certificates for a month.
    pub(crate) fn at([http, tls]: [u16; 2]) -> Self {
        Self {
            http,
            tls,
            validity: 30 * 86_400,
            external_account: None,
            takes_its_time: false,
        }
    }
}

/// A CA of its own for the API, which is that of all Pebbles and proxies of a test.
pub(crate) fn api_certificate(folder: &Folder) -> PathBuf {
    let ca = folder.join("api-ca.pem");
    if !ca.exists() {
        Ca::new(folder, "api-ca").issue(folder, "api", "localhost", 30);
    }
    ca
}

fn run(folder: &Folder, name: &str, ports: [u16; 2], options: &Options) -> Process {
    let file = folder.write(
        &format!("{name}.json"),
        &configuration(folder, ports, options),
    );
    Process::start(folder, name, "pebble", |command| {
        command
            .args([
                "-strict",
                "-dnsserver",
                &name_server().to_string(),
                "-config",
            ])
            .arg(file);
        adjust(command, options);
    })
}

fn adjust(command: &mut Command, options: &Options) {
    if !options.takes_its_time {
        command
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0");
    }
}

fn configuration(folder: &Folder, [port, management]: [u16; 2], options: &Options) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    let keys = options.external_account.map(|(id, key)| json!({ id: key }));
    let pebble = json!({
        "listenAddress": format!("127.0.0.1:{port}"),
        "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": file("api.pem"),
        "privateKey": file("api.key"),
        "httpPort": options.http,
        "tlsPort": options.tls,
        "externalAccountBindingRequired": keys.is_some(),
        "externalAccountMACKeys": keys.unwrap_or_else(|| json!({})),
        "certificateValidityPeriod": options.validity,
    });
    json!({ "pebble": pebble }).to_string()
}

/// The number of the first certificate in a PEM file, as Pebble and the gateway write it.
pub(crate) fn serial_of(file: &Path) -> String {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let leaf = CertificateDer::pem_file_iter(file)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    ianitor::tls::leaf_facts(&leaf).unwrap().serial
}
