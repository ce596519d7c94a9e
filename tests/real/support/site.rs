//! A site whose certificates come from a CA: its listeners, its file, its store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::pebble::{Options, api_certificate, serial_of};
use super::wire::Dial;
use super::{Folder, Gateway, free_ports, until};

/// Where a CA looks, and where certificates are kept.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) https: u16,
    pub(crate) http: u16,
    pub(crate) store: PathBuf,
}

/// What its file says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File<'a> {
    pub(crate) directory: &'a str,
    /// The elements of `acme.certificates`.
    pub(crate) certificates: &'a str,
    /// More lines of `[acme]`.
    pub(crate) acme: &'a str,
    /// The tables after it.
    pub(crate) tables: &'a str,
}

/// Something to be served, where it does not matter what.
pub(crate) const PAGE: &str =
    "[[routes]]\npath = \"/\"\nredirect = \"https://example.com\"\npolicy = \"open\"\n";

impl Site {
    /// On free ports, with a store in the test's folder.
    pub(crate) fn new(folder: &Folder) -> Self {
        let [https, http] = free_ports();
        Self {
            https,
            http,
            store: folder.join("acme"),
        }
    }

    /// A Pebble that looks at its listeners.
    pub(crate) fn looked_at(&self) -> Options {
        Options::at([self.http, self.https])
    }

    /// Starts a gateway with a page.
    pub(crate) fn start(
        &self,
        folder: &Folder,
        directory: &str,
        certificates: &str,
        acme: &str,
    ) -> Gateway {
        self.start_with(
            folder,
            File {
                directory,
                certificates,
                acme,
                tables: PAGE,
            },
        )
    }

    pub(crate) fn start_with(&self, folder: &Folder, file: File<'_>) -> Gateway {
        self.start_by(folder, file, &[])
    }

    /// The same by programs that become the gateway.
    pub(crate) fn start_by(&self, folder: &Folder, file: File<'_>, by: &[&str]) -> Gateway {
        let (listen, tables) = self.parts(folder, file);
        Gateway::start_by(folder, self.https, &listen, "", &tables, by)
    }

    /// Lines of `[listen]`, and the tables.
    fn parts(&self, folder: &Folder, file: File<'_>) -> (String, String) {
        let File {
            directory,
            certificates,
            acme,
            tables,
        } = file;
        let (ca, store) = (api_certificate(folder), self.store.display());
        let listen = format!("http = [\"127.0.0.1:{}\"]", self.http);
        let tables = format!(
            "[acme]\ndirectory = \"{directory}\"\ndirectory_ca = \"{}\"\nstore = \"{store}\"\n\
             certificates = [{certificates}]\n{acme}\n{tables}",
            ca.display()
        );
        (listen, tables)
    }

    /// The serial of what is served for a name, as somebody sees it who trusts one root and
    /// verifies.
    pub(crate) fn served(&self, root: &Path, name: &str) -> io::Result<String> {
        let stream = self.dial(root).name(name).tls(&["http/1.1"])?;
        let leaf = stream.look(|session| session.peer_certificates().unwrap()[0].clone());
        Ok(ianitor::tls::leaf_facts(&leaf).unwrap().serial)
    }

    pub(crate) fn dial(&self, root: &Path) -> Dial {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(root).unwrap())
            .unwrap();
        Dial::new(([127, 0, 0, 1], self.https).into(), roots)
    }

    /// Waits until a name is served with a certificate of a root, and says which.
    #[track_caller]
    pub(crate) fn comes(&self, gateway: &Gateway, root: &Path, name: &str) -> String {
        self.comes_another(gateway, root, name, "")
    }

    /// The same for another one than this.
    #[track_caller]
    pub(crate) fn comes_another(
        &self,
        gateway: &Gateway,
        root: &Path,
        name: &str,
        than: &str,
    ) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        // The store is asked first: a handshake that fails is a line in the log.
        let has_come = || !self.versions(name).is_empty() && self.kept(name) != than;
        let mut last = String::new();
        while !has_come()
            || self.served(root, name).map(|serial| last = serial).is_err()
            || last != self.kept(name)
        {
            assert!(
                Instant::now() < deadline,
                "no certificate for {name}:\n{}",
                gateway.process.said()
            );
            thread::sleep(Duration::from_millis(50));
        }
        last
    }

    /// Folders with versions of a certificate, the newest last. Its name is that of its first host,
    /// with a kind of key where that is not the usual one.
    pub(crate) fn versions(&self, host: &str) -> Vec<PathBuf> {
        let of_host = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix(host)
                .is_some_and(|kind| ["", ".ecdsa-p384", ".rsa-2048"].contains(&kind))
        };
        let is_version = |path: &PathBuf| {
            path.file_name().is_some_and(|name| {
                name.to_string_lossy()
                    .bytes()
                    .all(|byte| byte.is_ascii_digit())
            })
        };
        let folder = entries(&self.store.join("certificates"))
            .into_iter()
            .find(of_host);
        let mut all: Vec<_> = folder
            .iter()
            .flat_map(|folder| entries(folder))
            .filter(is_version)
            .collect();
        all.sort();
        all
    }

    /// The serial of the newest certificate in the store.
    pub(crate) fn kept(&self, name: &str) -> String {
        serial_of(&self.versions(name).last().unwrap().join("fullchain.pem"))
    }

    /// What the store says of what goes on with a certificate, once it says what is expected.
    #[track_caller]
    pub(crate) fn goes_on(
        &self,
        name: &str,
        is_so: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let file = self
            .store
            .join("certificates")
            .join(name)
            .join("progress.json");
        let mut last = serde_json::Value::Null;
        until(&format!("{} is as expected", file.display()), || {
            let text = fs::read(&file).unwrap_or_default();
            last = serde_json::from_slice(&text).unwrap_or_default();
            is_so(&last)
        });
        last
    }
}

/// What is in a folder, if there is one.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Elements of `acme.certificates` with one host each.
pub(crate) fn hosts(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("{{ hosts = [\"{name}\"] }}"))
        .collect::<Vec<_>>()
        .join(", ")
}
