//! Asks the servers that TLS is passed through to which certificate they show.

use std::io;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncWriteExt as _;

use super::findings::{Finding, Findings};
use ianitor::clock;
use ianitor::config::Config;
use ianitor::host::{HostName, HostPattern};
use ianitor::proxy::connect::Connector;
use ianitor::resolve::Resolver;
use ianitor::route::passthrough::Passthrough;
use ianitor::route::upstream::UpstreamTls;
use ianitor::telemetry::Chain;
use ianitor::tls::Date;
use ianitor::tls::look::{self, shown_leaf};

/// The time limit for one handshake.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A PROXY header without a client, as balancers send it for checks (PROXY protocol 2.2: LOCAL).
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

/// Connects to every server of `[[passthrough]]`, as a client of its name does. A server that does
/// not answer by TLS is a problem. Its certificate is described and not judged: clients may trust
/// another CA.
pub(super) async fn ask_passthrough(config: &Config) -> Findings {
    let mut found = Findings::default();
    for entry in &config.passthrough {
        let verdict = match ask(entry).await {
            Ok(leaf) => Finding::ok(described(entry, &leaf)),
            Err(why) => Finding::problem(why),
        };
        found.add(format_args!("{}  {}", entry.sni, entry.to), &verdict);
    }
    found.titled("passthrough")
}

async fn ask(entry: &Passthrough) -> Result<CertificateDer<'static>, String> {
    let (tls, resolver) = (UpstreamTls::default(), Resolver::system());
    let connector = Connector::new(entry.to.clone(), &tls, None, &resolver);
    let mut stream = connector.connect().await.map_err(|error| {
        let error = Chain(&error);
        format!("cannot be reached, {error}; start the server, or correct passthrough.to")
    })?;
    let handshake = async {
        if entry.proxy_protocol {
            stream.write_all(LOCAL).await?;
        }
        shown_leaf(stream, server_name(&entry.sni)?).await
    };
    let shown = tokio::time::timeout(TIMEOUT, handshake).await;
    shown
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|error| {
            let hint = match entry.proxy_protocol {
                true => "is it the TLS port, and does it expect a PROXY header?",
                false => "is it the TLS port, and does it expect no PROXY header?",
            };
            format!("does not answer by TLS, {}; {hint}", Chain(&error))
        })
}

/// A name that the entry is for.
fn server_name(sni: &HostPattern) -> io::Result<ServerName<'static>> {
    let name = match sni {
        HostPattern::Exact(name) => name.as_str().to_owned(),
        HostPattern::Wildcard(parent) => format!("check.{}", parent.as_str()),
    };
    ServerName::try_from(name).map_err(io::Error::other)
}

fn described(entry: &Passthrough, leaf: &CertificateDer<'_>) -> String {
    let Ok(leaf) = look::description(leaf) else {
        return "answers by TLS, with a certificate that names no host".to_owned();
    };
    let is_for = |name: &HostName| leaf.names.iter().any(|pattern| pattern.matches(name));
    let covers = match &entry.sni {
        HostPattern::Exact(name) => is_for(name),
        wildcard => leaf.names.contains(wildcard),
    };
    let names: Vec<String> = leaf.names.iter().map(ToString::to_string).collect();
    let (names, end) = (names.join(" "), Date(leaf.not_after));
    let has_expired = leaf.not_after < clock::wall();
    let verb = if has_expired { "expired on" } else { "until" };
    let but = match covers {
        true => String::new(),
        false => format!("; clients of {} may reject that name", entry.sni),
    };
    format!("answers by TLS, with a certificate for {names}, {verb} {end}{but}")
}
