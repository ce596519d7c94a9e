//! Reads a configuration and the files that it names, as a start would.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Uid, User, geteuid};

use ianitor::clock;
use ianitor::config::{self, Config, ConfigError};
use ianitor::deploy;
use ianitor::exposure;
use ianitor::files;
use ianitor::gateway::{unreached_certificates, upstream_files};
use ianitor::host::HostPattern;
use ianitor::jwks::Client;
use ianitor::route::upstream::ServerAddr;
use ianitor::store::folder::Folder;
use ianitor::telemetry::Chain;
use ianitor::tls::{self, CertTable, ClientAuthority, HostCoverage, Mode};
use ianitor::token;
use ianitor::turn;

/// A configuration that can be used, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The configuration.
    pub(super) config: Config,
    /// What is accepted but probably not intended, a line each.
    pub(crate) warnings: Vec<String>,
    /// The certificates, a line each.
    pub(super) certificates: String,
    /// Which certificates of servers are accepted, a line each.
    pub(super) trusted: String,
    /// What this user cannot find out; empty in most cases.
    pub(super) unseen: String,
}

/// Checks a configuration and the files that it names: certificates, CAs, keys of issuers, secrets
/// of TURN servers, the certificate store, and the folders that certificates are deployed to.
///
/// # Errors
/// Everything that would prevent a start, except addresses that are already in use.
pub(crate) fn check(path: &Path) -> Result<Checked, Unusable> {
    let loaded = config::load(path)?;
    let (config, mut found) = (loaded.config, Found::default());
    let table = found.certificates(&config);
    found.client_auth(&config);
    found.cas(&config);
    found.issuers(&config);
    found.credentials(&config);
    found.turns(&config);
    found.orders(&config);
    found.deployments(&config);
    found.control(&config);
    found.add(config.log.audit.look().err());
    found.add(files::overlaps(&config.routes, &config.files()));
    let file = path.display().to_string();
    let Some(table) = table.filter(|_| found.problems.is_empty()) else {
        let places = &loaded.places;
        let problems = found.problems.into_iter().map(|problem| {
            let located = places.located(&problem);
            located.unwrap_or_else(|| format!("{file}: {problem}"))
        });
        return Err(Unusable::Files(problems.collect()));
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
    let trusted = trusted(&config);
    let unseen = advice_for_root(&config, path, geteuid()).unwrap_or_default();
    Ok(Checked {
        config,
        warnings,
        certificates: certificates(&table),
        trusted,
        unseen,
    })
}

/// What is wrong with the files that a configuration names, a line each.
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
        let loaded = CertTable::load(&config.tls, clock::wall(), Mode::Read);
        let (table, notices) = loaded.map_err(|errors| self.add(errors)).ok()?;
        if !config.tls.default && config.listen.plain.is_empty() {
            let unserved = config
                .routes
                .hosts()
                .filter(|host| !will_serve(&table, config, host));
            self.warnings
                .extend(unserved.map(|host| table.unserved(host)));
        }
        self.warnings
            .extend(notices.iter().map(ToString::to_string));
        self.warnings.extend(unreached_certificates(&table, config));
        Some(table)
    }

    /// What certificates of clients are judged by.
    fn client_auth(&mut self, config: &Config) {
        let Some(spec) = &config.tls.client_auth else {
            return;
        };
        match ClientAuthority::load(spec, clock::wall()) {
            Ok((_, warnings)) => self
                .warnings
                .extend(warnings.iter().map(ToString::to_string)),
            Err(errors) => self.add(errors),
        }
    }

    /// The CA files of upstreams and of key servers.
    fn cas(&mut self, config: &Config) {
        for upstream in config
            .routes
            .upstreams()
            .iter()
            .filter(|upstream| upstream.servers.iter().any(ServerAddr::is_tls))
        {
            let (key, tls) = (format!("upstreams.{}", upstream.name), &upstream.tls);
            self.add(tls::upstream_config(upstream_files(tls), &key).err());
        }
        for issuer in &config.issuers {
            let client = issuer
                .keys
                .endpoint()
                .map(|place| Client::new(&issuer.name, place));
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

    /// The secrets that go into messages to upstreams.
    fn credentials(&mut self, config: &Config) {
        for upstream in config.routes.upstreams() {
            self.add(upstream.credentials().err().into_iter().flatten());
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

    /// An unusable CA file prevents a start; the other problems only prevent orders, so that they
    /// are warnings.
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
                let message = Chain(&error).to_string();
                // Some errors begin with the key already.
                self.warnings.push(match message.starts_with(key.as_str()) {
                    true => message,
                    false => format!("{key}: {message}"),
                });
            }
        }
    }

    /// A gateway starts without a socket at the default path, and perhaps its folder is made by
    /// then.
    fn control(&mut self, config: &Config) {
        let Err(error) = config.control.look() else {
            return;
        };
        let text = format!("listen.control: {}", Chain(&error));
        match config.control.is_default() || error.is_no_folder() {
            true => self.warnings.push(text),
            false => self.problems.push(text),
        }
    }
}

/// Advice for root. Root may write everywhere, so that this check says nothing about the rights of
/// the gateway's own user, which probably owns the store.
pub(super) fn advice_for_root(config: &Config, file: &Path, user: Uid) -> Option<String> {
    let acme = config.acme.as_ref().filter(|_| user.is_root())?;
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
        "checked as root, who may write everywhere; to check whether the gateway's own user may \
         write where it has to:\n  sudo -u {user} ianitor check --config {file}\n"
    ))
}

fn will_serve(table: &CertTable, config: &Config, host: &HostPattern) -> bool {
    let is_self_signed = || config.tls.self_signed.iter().any(|name| host.matches(name));
    table.coverage(host, clock::wall()) != HostCoverage::Unserved || is_self_signed()
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
    // With tls.self_signed alone there may be none yet.
    let title = if out.is_empty() { "" } else { "certificates\n" };
    format!("{title}{out}")
}

/// What the files and pins accept that servers are verified with.
fn trusted(config: &Config) -> String {
    let upstreams = config.routes.upstreams().iter().map(|upstream| {
        let key = format!("upstreams.{}", upstream.name);
        let tls = &upstream.tls;
        (key, tls.ca_file.as_deref(), &*tls.pins)
    });
    let issuers = config.issuers.iter().map(|issuer| {
        let place = issuer.keys.endpoint();
        let ca_file = place.and_then(|place| place.ca_file.as_deref());
        (format!("issuers.{}", issuer.name), ca_file, &[][..])
    });
    let mut out = String::new();
    for (key, ca_file, pins) in upstreams.chain(issuers) {
        if let Some((path, accepts)) = ca_file.and_then(|path| Some((path, tls::accepts(path)?))) {
            let _ = writeln!(out, "  {key}.ca_file  {}  {accepts}", path.display());
        }
        for pin in pins {
            let _ = writeln!(out, "  {key}.pin  {pin}  no other key is accepted");
        }
    }
    let title = if out.is_empty() {
        ""
    } else {
        "trusted servers\n"
    };
    format!("{title}{out}")
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The files that it names: certificates and their keys, CAs, keys of issuers, secrets. A line
    /// for each problem.
    #[error("{}", .0.join("\n"))]
    Files(Vec<String>),
}
