//! Every file and folder that a configuration names.

use std::path::Path;

use super::Config;
use crate::deploy::{FileForm, Output, Reload};
use crate::exposure::{NamedFile, Use};
use crate::route::Target;
use crate::route::upstream::ServerAddr;
use crate::secret::SecretSource;
use crate::tls;
use crate::token::issuer::{IssuerSpec, KeySource};

impl Config {
    /// Every file and folder that it names, the file that it was read from among them, each by what
    /// it is. One may come more than once: a certificate and its key are often one file.
    pub fn files(&self) -> Vec<NamedFile> {
        let mut list = List(vec![named("this file", &self.file, Use::CONFIGURATION)]);
        list.of_tls(self);
        list.of_upstreams(self);
        self.issuers
            .iter()
            .for_each(|issuer| list.of_issuer(issuer));
        list.of_turns(self);
        list.of_acme(self);
        list.of_deployments(self);
        for route in self.routes.routes() {
            if let Target::Files(spec) = &route.target {
                list.add(
                    &format!("route {}: files", route.path),
                    &spec.root,
                    Use::CONTENT,
                );
            }
        }
        list.0
    }
}

fn named(key: &str, path: &Path, is: Use) -> NamedFile {
    NamedFile {
        key: key.to_owned(),
        path: path.to_owned(),
        is,
    }
}

struct List(Vec<NamedFile>);

impl List {
    fn add(&mut self, key: &str, path: &Path, is: Use) {
        self.0.push(named(key, path, is));
    }

    fn add_secret(&mut self, key: &str, source: &SecretSource) {
        if let Some(path) = source.file() {
            self.add(key, path, Use::SECRET);
        }
    }

    fn add_ca(&mut self, key: &str, file: Option<&Path>) {
        if let Some(path) = file {
            self.add(key, path, Use::CA);
        }
    }

    fn of_tls(&mut self, config: &Config) {
        for pair in &config.tls.certificates {
            self.add(
                &format!("{}.cert", pair.config_key),
                &pair.cert,
                Use::CERTIFICATE,
            );
            self.add(&format!("{}.key", pair.config_key), &pair.key, Use::KEY);
        }
        for key in tls::development_keys(&config.tls) {
            self.add("tls.self_signed", &key, Use::KEY);
        }
    }

    fn of_upstreams(&mut self, config: &Config) {
        for upstream in config.routes.upstreams() {
            let key = format!("upstreams.{}", upstream.name);
            self.add_ca(&format!("{key}.ca_file"), upstream.tls.ca_file.as_deref());
            for server in &upstream.servers {
                if let ServerAddr::Unix(path) = server {
                    self.add(&format!("{key}.servers"), path, Use::SOCKET);
                }
            }
        }
    }

    fn of_issuer(&mut self, issuer: &IssuerSpec) {
        let key = format!("issuers.{}", issuer.name);
        match &issuer.keys {
            KeySource::File(path) => self.add(&format!("{key}.key_file"), path, Use::PUBLIC_KEYS),
            KeySource::Secret { from, .. } => self.add_secret(&format!("{key}.secret_file"), from),
            KeySource::Jwks(place) | KeySource::Asap(place) => {
                self.add_ca(&format!("{key}.ca_file"), place.ca_file.as_deref());
            }
        }
        if let Some(path) = &issuer.revoked_file {
            self.add(&format!("{key}.revoked_file"), path, Use::REVOKED);
        }
    }

    fn of_turns(&mut self, config: &Config) {
        for turn in &config.turns {
            let key = format!("turn.{}", turn.name);
            for secret in std::iter::once(&turn.secrets.signing).chain(&turn.secrets.former) {
                self.add_secret(&format!("{key}.secret_file"), secret);
            }
            if let Some(path) = &turn.api_keys_file {
                self.add(&format!("{key}.api_keys_file"), path, Use::API_KEYS);
            }
        }
    }

    fn of_acme(&mut self, config: &Config) {
        let Some(acme) = &config.acme else { return };
        self.add("acme.store", &acme.store, Use::STORE);
        self.add_ca("acme.directory_ca", acme.directory_ca.as_deref());
        if let Some(account) = &acme.external_account {
            self.add_secret("acme.external_account.key_file", &account.key);
        }
    }

    fn of_deployments(&mut self, config: &Config) {
        for spec in &config.deploy {
            let key = &spec.config_key;
            for Output { path, form } in &spec.files {
                let (name, is) = match form {
                    FileForm::Chain => ("cert", Use::DEPLOYED),
                    FileForm::Key => ("key", Use::DEPLOYED_KEY),
                    FileForm::Combined => ("combined", Use::DEPLOYED_KEY),
                    FileForm::Pkcs12 { password } => {
                        self.add_secret(&format!("{key}.password_file"), password);
                        ("pkcs12", Use::DEPLOYED_KEY)
                    }
                };
                self.add(&format!("{key}.{name}"), path, is);
            }
            match &spec.reload {
                Some(Reload::Signal { pid_file, .. }) => {
                    self.add(&format!("{key}.reload.pid_file"), pid_file, Use::PID_FILE);
                }
                // Without a slash, the system looks for it in its own folders.
                Some(Reload::Command(argv)) => {
                    if let Some(program) = argv.first().filter(|program| program.contains('/')) {
                        self.add(
                            &format!("{key}.reload.command"),
                            Path::new(program),
                            Use::PROGRAM,
                        );
                    }
                }
                None => {}
            }
        }
    }
}
