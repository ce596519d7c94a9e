//! Certificates: files, or certbot's, which the gateway orders itself.

use super::context::Context;
use super::model::Gateway;
use super::report::{Outcome, Report};
use crate::nginx::Directive;

const CERTBOT: &str = "/etc/letsencrypt/";

const ARCHIVE: &str = "a file in archive is not renewed: it goes stale at the next renewal";

/// The name in `live` of a file in `archive`: `archive/a/key3.pem` is `live/a/key.pem`.
fn live(path: &str) -> String {
    let below = path
        .strip_prefix(CERTBOT)
        .and_then(|rest| rest.strip_prefix("archive/"));
    match below.and_then(|rest| rest.strip_suffix(".pem")) {
        Some(rest) => {
            let rest = rest.trim_end_matches(|c: char| c.is_ascii_digit());
            format!("{CERTBOT}live/{rest}.pem")
        }
        None => path.to_owned(),
    }
}

/// The certificates of a server, and the versions of TLS.
pub(super) fn read(
    block: &[Directive],
    hosts: &[String],
    gateway: &mut Gateway,
    ctx: &mut Context<'_>,
) {
    let certs = block.iter().filter(|d| d.name == "ssl_certificate");
    let mut keys = block.iter().filter(|d| d.name == "ssl_certificate_key");
    for cert in certs {
        let key = keys.next();
        let names: Vec<String> = hosts
            .iter()
            .filter(|host| may_be_ordered(host))
            .cloned()
            .collect();
        let path = cert.arg(0);
        if path.starts_with(CERTBOT) && names.len() == hosts.len() && !names.is_empty() {
            from_certbot(cert, key, names, gateway, ctx.report);
            continue;
        }
        let Some(key) = key else {
            let text = "not moved: it has no ssl_certificate_key";
            ctx.report.note(cert, Outcome::NeedsYou, text);
            continue;
        };
        let pair = (ctx.absolute(&live(path)), ctx.absolute(&live(key.arg(0))));
        if live(path) != path {
            ctx.report.note(cert, Outcome::WasWrong, ARCHIVE);
        }
        if !gateway.certificates.contains(&pair) {
            gateway.certificates.push(pair);
        }
        let (outcome, text) = match path.starts_with(CERTBOT) {
            true => (
                Outcome::NeedsYou,
                "[tls] certificates: the gateway's user has to be allowed to read it",
            ),
            false => (Outcome::Moved, "[tls] certificates"),
        };
        ctx.report.note(cert, outcome, text);
        ctx.report.note(key, Outcome::Moved, "[tls] certificates");
    }
    for protocols in block.iter().filter(|d| d.name == "ssl_protocols") {
        versions(protocols, gateway, ctx.report);
    }
}

fn from_certbot(
    cert: &Directive,
    key: Option<&Directive>,
    names: Vec<String>,
    gateway: &mut Gateway,
    report: &mut Report,
) {
    let listed = names.join(", ");
    if cert.arg(0).contains("/archive/") {
        report.note(cert, Outcome::WasWrong, ARCHIVE);
    }
    let text = format!(
        "[acme] orders it for {listed}, and using it accepts the CA's terms; afterwards \
         `certbot delete` it, or it is renewed in vain"
    );
    for directive in [Some(cert), key].into_iter().flatten() {
        report.note(directive, Outcome::MovedBetter, text.clone());
    }
    if !gateway.acme.contains(&names) {
        gateway.acme.push(names);
    }
}

/// Whether a public CA gives a certificate for it without DNS.
fn may_be_ordered(host: &str) -> bool {
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    host.contains('.') && !host.starts_with("*.") && !is_address
}

fn versions(protocols: &Directive, gateway: &mut Gateway, report: &mut Report) {
    let words = protocols.texts();
    let old = words
        .iter()
        .any(|word| matches!(*word, "TLSv1" | "TLSv1.1" | "SSLv3" | "SSLv2"));
    if words == ["TLSv1.3"] && gateway.min_version.is_none() {
        gateway.min_version = Some("1.3");
    } else {
        gateway.min_version = Some("1.2");
    }
    let (outcome, text) = match old {
        true => (
            Outcome::NeedsYou,
            "TLS 1.2 is the oldest: clients that speak only TLS 1.0 or 1.1 cannot connect",
        ),
        false => (Outcome::Moved, "tls.min_version"),
    };
    report.note(protocols, outcome, text);
}

/// Files that certbot puts somewhere for the CA.
pub(super) fn note_challenges(server: &Directive, report: &mut Report) {
    for location in server.inner().iter().filter(|d| d.name == "location") {
        if location.texts().concat().contains("well-known") {
            let text = "the gateway answers the CA itself where [acme] orders; certbot with \
                        --webroot needs operating.md";
            report.note_all(location, Outcome::NotNeeded, text);
        }
    }
}
