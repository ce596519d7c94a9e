//! A `server` block and where it listens.

use super::addresses::{self, Addresses};
use super::condition;
use super::report::{Outcome, Report};
use crate::nginx::Directive;

/// A server with its listeners.
#[derive(Debug)]
pub(super) struct Server<'t> {
    pub(super) directive: &'t Directive,
    pub(super) tls: Addresses,
    pub(super) plain: Addresses,
    /// Whether each `listen` is an address that is known.
    pub(super) has_only_addresses: bool,
}

impl<'t> Server<'t> {
    pub(super) fn of(directive: &'t Directive, report: &mut Report) -> Self {
        let mut server = Self {
            directive,
            tls: Addresses::new(),
            plain: Addresses::new(),
            has_only_addresses: true,
        };
        let on = |d: &Directive| d.name == "ssl" && d.arg(0) == "on";
        let all_tls = directive.inner().iter().any(on);
        for listen in server.listens() {
            let Some(address) = addresses::address(listen) else {
                server.has_only_addresses = false;
                report.note(listen, Outcome::NeedsYou, "not moved: no address and port");
                continue;
            };
            let is_tls = all_tls || listen.texts().contains(&"ssl");
            let text = match is_tls {
                true => "listen.https",
                false => "listen.http, which redirects to https",
            };
            report.note(listen, Outcome::Moved, text);
            let list = if is_tls {
                &mut server.tls
            } else {
                &mut server.plain
            };
            list.insert(address);
        }
        server
    }

    pub(super) fn listens(&self) -> impl Iterator<Item = &'t Directive> + use<'t> {
        self.directive.inner().iter().filter(|d| d.name == "listen")
    }

    pub(super) fn names(&self) -> Vec<&'t str> {
        let names = self
            .directive
            .inner()
            .iter()
            .filter(|d| d.name == "server_name");
        names.flat_map(Directive::texts).collect()
    }

    /// Whether requests by plain HTTP are only sent to https.
    pub(super) fn only_redirects(&self) -> bool {
        let block = self.directive.inner();
        let is_redirect = |d: &Directive| {
            condition::redirect(d).is_some_and(|(_, to)| {
                condition::leads_to_https(&to) || names_itself(&to, &self.names())
            })
        };
        let is_rewrite = |d: &Directive| {
            d.name == "rewrite" && d.arg(1).starts_with("https://") && d.arg(0).starts_with('^')
        };
        let at_server = block.iter().any(|d| is_redirect(d) || is_rewrite(d));
        let in_if = block.iter().filter(|d| d.name == "if");
        let in_if = in_if.flat_map(|d| d.inner()).any(is_redirect);
        let locations: Vec<&Directive> = block.iter().filter(|d| d.name == "location").collect();
        let is_harmless = |d: &&Directive| {
            let is_challenge = d.texts().concat().contains("well-known");
            is_challenge || d.inner().iter().any(|d| is_redirect(d) || is_rewrite(d))
        };
        let in_location = locations.iter().any(|d| d.inner().iter().any(is_redirect));
        (at_server || in_if || in_location) && locations.iter().all(is_harmless)
    }
}

/// `https://media.example.com$request_uri` in the server of that name.
fn names_itself(to: &str, names: &[&str]) -> bool {
    let host = to
        .strip_prefix("https://")
        .and_then(|rest| rest.split(['/', '$']).next());
    host.is_some_and(|host| names.contains(&host))
}
