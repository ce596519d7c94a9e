//! Reads a configuration and the files that it names, as a start would.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::SystemTime;

use nix::unistd::{Uid, User, geteuid};

use ianitor::config::{self, Config, Failure};
use ianitor::deploy;
use ianitor::exposure;
use ianitor::files;
use ianitor::host::HostPattern;
use ianitor::jwks::{self, Client};
use ianitor::route::upstream::ServerAddr;
use ianitor::store::folder::Folder;
use ianitor::telemetry::{Chain, Visible};
use ianitor::tls::{self, CertTable, HostCoverage, LoadError, Mode};
use ianitor::token;
use ianitor::token::issuer::{IssuerSpec, Place};
use ianitor::turn;

/// What a good configuration has to show.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The configuration.
    pub(crate) config: Config,
    /// What is taken but hardly meant, a line each.
    pub(crate) warnings: Vec<String>,
    /// The certificates, a line each.
    pub(crate) certificates: String,
    /// What could not be found out by whoever checks, a line; nothing in most cases.
    pub(crate) unseen: String,
}

/// Checks a file and the files that it names: certificates, CAs, keys of issuers, the secrets of
/// TURN servers, the store of ordered certificates, and the folders of those who get them.
///
/// # Errors
/// Everything that would keep the gateway from starting with it, but for addresses that are taken.
pub(crate) fn check(path: &Path) -> Result<Checked, Unfit> {
    let loaded = config::load(path)?;
    let (config, mut found) = (loaded.config, Found::default());
    let table = found.certificates(&config);
    found.cas(&config);
    found.issuers(&config);
    found.turns(&config);
    found.orders(&config);
    found.deployments(&config);
    found.add(files::overlaps(&config.routes, &config.files()));
    let file = path.display().to_string();
    let Some(table) = table.filter(|_| found.problems.is_empty()) else {
        return Err(Unfit::Files {
            file,
            problems: found.problems,
        });
    };
    found.warnings.extend(files::missing(&config.routes));
    found.warnings.extend(exposure::warnings(&config.files()));
    let warnings = loaded.warnings.to_string();
    let of_files = found
        .warnings
        .iter()
        .map(|warning| format!("{file}: {warning}"));
    let warnings = warnings
        .lines()
        .map(str::to_owned)
        .chain(of_files)
        .collect();
    let unseen = as_root(&config, path, geteuid()).unwrap_or_default();
    Ok(Checked {
        config,
        warnings,
        certificates: certificates(&table),
        unseen,
    })
}

/// What is wrong with the files that a configuration names, a line each, whichever it is.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Found {
    fn add<E: std::error::Error + 'static>(&mut self, errors: impl IntoIterator<Item = E>) {
        self.problems
            .extend(errors.into_iter().map(|error| Chain(&error).to_string()));
    }

    pub(super) fn certificates(&mut self, config: &Config) -> Option<CertTable> {
        let loaded = CertTable::load(&config.tls, SystemTime::now(), Mode::Read);
        let (table, notices) = loaded.map_err(|errors| self.add(errors)).ok()?;
        if !config.tls.default {
            let unserved = config
                .routes
                .hosts()
                .filter(|host| !will_serve(&table, config, host));
            self.warnings
                .extend(unserved.map(|host| table.unserved(host)));
        }
        self.warnings
            .extend(notices.iter().map(ToString::to_string));
        Some(table)
    }

    /// Of upstreams, and of servers that keys are fetched from.
    fn cas(&mut self, config: &Config) {
        for upstream in config
            .routes
            .upstreams()
            .iter()
            .filter(|upstream| upstream.servers.iter().any(ServerAddr::is_tls))
        {
            let key = format!("upstreams.{}.ca_file", upstream.name);
            self.add(tls::client_config(upstream.tls.ca_file.as_deref(), &key).err());
        }
        for issuer in &config.issuers {
            let client = issuer.keys.place().map(|place| key_client(issuer, place));
            self.add(client.and_then(Result::err));
        }
    }

    fn issuers(&mut self, config: &Config) {
        match token::load::load_all(&config.issuers) {
            Ok(issuers) => {
                let weak = issuers
                    .iter()
                    .filter_map(|issuer| token::load::weak(issuer));
                self.warnings.extend(weak.map(|weak| weak.to_string()));
            }
            Err(errors) => self.add(errors),
        }
    }

    fn turns(&mut self, config: &Config) {
        for spec in &config.turns {
            match turn::load::load(spec) {
                Ok((_, warnings)) => self
                    .warnings
                    .extend(warnings.iter().map(ToString::to_string)),
                Err(errors) => self.add(errors),
            }
        }
    }

    /// Only a CA that cannot be trusted keeps the gateway from starting; the rest keeps
    /// certificates from coming.
    fn orders(&mut self, config: &Config) {
        let Some(acme) = &config.acme else { return };
        let ca = acme.directory_ca.as_deref();
        self.add(ca.and_then(|file| tls::client_config(Some(file), "acme.directory_ca").err()));
        if let Err(error) = Folder::new(&acme.store).look() {
            self.warnings.push(format!("acme.store: {}", Chain(&error)));
        }
        let no_key = acme
            .external_account
            .as_ref()
            .and_then(|account| account.key.read().err());
        self.warnings
            .extend(no_key.map(|error| format!("acme.external_account: {}", Chain(&error))));
    }

    fn deployments(&mut self, config: &Config) {
        for spec in &config.deploy {
            let key = &spec.config_key;
            for error in deploy::look(spec) {
                let said = Chain(&error).to_string();
                // Some name the very key.
                let is_named = said.starts_with(key.as_str());
                self.warnings.push(if is_named {
                    said
                } else {
                    format!("{key}: {said}")
                });
            }
        }
    }
}

/// Nothing is closed to root, while the gateway writes as a user of its own; perhaps the one whose
/// the store is.
pub(super) fn as_root(config: &Config, file: &Path, who: Uid) -> Option<String> {
    let acme = config.acme.as_ref().filter(|_| who.is_root())?;
    let there = acme
        .store
        .ancestors()
        .find_map(|folder| fs::metadata(folder).ok());
    let owner = there
        .map(|there| Uid::from_raw(there.uid()))
        .filter(|owner| !owner.is_root());
    let user = owner
        .and_then(|owner| User::from_uid(owner).ok().flatten())
        .map_or("USER".to_owned(), |user| user.name);
    let file = file.display();
    Some(format!(
        "checked as root, who may write everywhere; whether the gateway's own user may write what it has to:\n  \
         sudo -u {user} ianitor check --config {file}\n"
    ))
}

fn key_client(issuer: &IssuerSpec, place: &Place) -> Result<Client, LoadError> {
    Client::new(place, &format!("issuers.{}.ca_file", issuer.name))
}

fn will_serve(table: &CertTable, config: &Config, host: &HostPattern) -> bool {
    let is_to_be_made = || config.tls.self_signed.iter().any(|name| host.matches(name));
    table.standing(host, SystemTime::now()) != HostCoverage::Unserved || is_to_be_made()
}

fn certificates(table: &CertTable) -> String {
    let mut out = String::new();
    for entry in table.entries() {
        let names: Vec<String> = entry.names.iter().map(ToString::to_string).collect();
        let until = tls::Date(entry.not_after);
        let _ = writeln!(
            out,
            "  {}  until {until}  {}",
            names.join(" "),
            entry.file.display()
        );
    }
    // Those of tls.self_signed may still have to be made.
    let title = if out.is_empty() { "" } else { "certificates\n" };
    format!("{title}{out}")
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// The file.
    #[error(transparent)]
    Config(#[from] Failure),
    /// Files that it names: certificates and their keys, CAs, keys of issuers, secrets.
    #[error("{}", problems.iter().map(|problem| format!("{file}: {problem}")).collect::<Vec<_>>().join("\n"))]
    Files {
        /// The configuration file.
        file: String,
        /// What is wrong, a line each.
        problems: Vec<String>,
    },
}

/// Fetches the keys of every issuer that publishes them and says, a line each, what is there. The
/// second value is how many could not be had.
pub(crate) async fn ask_issuers(config: &Config) -> (String, usize) {
    let (mut out, mut silent) = (String::new(), 0);
    for issuer in &config.issuers {
        let Some(place) = issuer.keys.place() else {
            continue;
        };
        let result = match key_client(issuer, place) {
            Ok(client) => jwks::ask(issuer, &client)
                .await
                .map_err(|error| Visible(Chain(&error)).to_string()),
            Err(error) => Err(Chain(&error).to_string()),
        };
        silent += usize::from(result.is_err());
        let result = result.unwrap_or_else(|error| error);
        let _ = writeln!(out, "  {}  {}  {result}", issuer.name, place.url);
    }
    let title = if out.is_empty() { "" } else { "issuers\n" };
    (format!("{title}{out}"), silent)
}
