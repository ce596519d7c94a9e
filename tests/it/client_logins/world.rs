//! A gateway that asks for certificates on one of two names, and a CA.

use rcgen::{CertificateParams, KeyPair};

use crate::harness::ca::{Ca, named};
use crate::harness::{Config, Dial, TestGateway, Upstream};

pub(crate) struct World {
    pub(crate) ca: Ca,
    pub(crate) app: Upstream,
    pub(crate) gateway: TestGateway,
    /// The upstream by its URL, for other configurations.
    config: Config,
}

impl World {
    /// With these lines of `client_certificate`, and perhaps tables behind it.
    pub(crate) fn new(rules: &str) -> Self {
        Self::with(Upstream::ok(), "", rules)
    }

    /// With another upstream, and lines of `[tls]`, in which `CA` is the CA's folder.
    pub(crate) fn with(app: Upstream, tls: &str, rules: &str) -> Self {
        Self::with_listen(app, "https = [\"127.0.0.1:0\"]\nworkers = 2", tls, rules)
    }

    pub(crate) fn with_listen(app: Upstream, listen: &str, tls: &str, rules: &str) -> Self {
        let ca = Ca::new();
        ca.issue("ada", "ada");
        ca.revoke(&[], std::time::Duration::from_secs(3600));
        server_certificate(&ca);
        let folder = ca.path().display();
        let tls = tls.replace("CA", &folder.to_string());
        let at = |name: &str| format!("{:?}", ca.at(name));
        let config = Config::new()
            .listen(listen)
            .tls(&format!(
                "certificates = [{{ cert = {}, key = {} }}]\nclient_ca = {}\n{tls}",
                at("site.pem"),
                at("site.key"),
                at("ca.pem"),
            ))
            .upstream("app", &app.url())
            .route_with("/", "app", "policy = \"team\"\nhost = \"app.test\"")
            .route_with("/open", "app", "policy = \"open\"\nhost = \"app.test\"")
            .route_with("/", "app", "policy = \"open\"\nhost = \"open.test\"");
        let gateway = TestGateway::start(&team(&config, rules));
        Self {
            ca,
            app,
            gateway,
            config,
        }
    }

    /// Reloads with other lines of `client_certificate`.
    pub(crate) fn reload(&mut self, rules: &str) {
        self.gateway.reload(&team(&self.config, rules));
    }

    /// Reloads with a policy that keeps WebSockets whose certificate has expired.
    pub(crate) fn reload_keeping(&mut self) {
        let policy = "[policies.team]\non_expiry = \"keep\"\nclient_certificate = {}";
        let config = self.config.clone().table(policy);
        self.gateway.reload(&config);
    }

    /// Reloads without a policy that asks for certificates.
    pub(crate) fn reload_open(&mut self) {
        let policy = "[policies.team]\nallow = [\"127.0.0.1\"]";
        let config = self.config.clone().table(policy);
        self.gateway.reload(&config);
    }

    pub(crate) fn dial(&self, name: &str) -> Dial {
        self.gateway.dial_blindly().name(name)
    }

    /// Writes a certificate of `ada` with changes.
    pub(crate) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = named("ada");
        change(&mut params);
        self.ca.issue_as(name, &params);
    }

    pub(crate) fn showing(&self, dial: Dial, name: &str) -> Dial {
        let read = |ending: &str| self.ca.read(&format!("{name}.{ending}"));
        dial.showing(&read("pem"), &read("key"))
    }
}

fn team(config: &Config, rules: &str) -> Config {
    let policy = "[policies.team]\non_expiry = \"close\"\n";
    // Keys before any header are inline, so that tables may follow.
    let (keys, tables) = rules.split_once("\n[").unwrap_or((rules, ""));
    let tables = match tables {
        "" => String::new(),
        tables => format!("\n[{tables}"),
    };
    config.clone().table(&format!(
        "{policy}client_certificate = {{ {keys} }}{tables}"
    ))
}

/// A certificate for both names.
fn server_certificate(ca: &Ca) {
    let names = vec!["app.test".to_owned(), "open.test".to_owned()];
    let params = CertificateParams::new(names).unwrap();
    let key = KeyPair::generate().unwrap();
    ca.write("site.pem", &params.self_signed(&key).unwrap().pem());
    ca.write("site.key", &key.serialize_pem());
}

/// A GET over HTTP/1.1.
pub(crate) fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// The reason in a line of the access log.
pub(crate) fn reason(line: &str) -> &str {
    let rest = line.split_once(" reason=").map_or("", |(_, rest)| rest);
    rest.split(' ').next().unwrap_or_default()
}
