//! What holds for a location: the directives of its own block, and those that it inherits.

use std::collections::BTreeMap;

use super::access::{self, Access, Rule};
use super::condition::{self, Condition};
use super::known;
use super::report::{Outcome, Report};
use crate::nginx::Directive;

/// The inherited settings at one place of the source.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'t> {
    rules: Vec<Rule>,
    satisfy_any: bool,
    /// What asks for a name and password, or another service.
    logins: Vec<&'t Directive>,
    /// Limits that have no counterpart; each closes what it is about.
    pub(super) limits: Vec<&'t Directive>,
    /// Addresses are those that clients write themselves, or of a proxy in front.
    pub(super) addresses_unknown: bool,
    pub(super) root: Option<&'t Directive>,
    pub(super) index: Option<&'t Directive>,
    pub(super) set_headers: Vec<&'t Directive>,
    pub(super) add_headers: Vec<&'t Directive>,
    pub(super) hide_headers: Vec<&'t Directive>,
    pub(super) body: Option<&'t Directive>,
    pub(super) read_timeout: Option<&'t Directive>,
    pub(super) requests: Vec<&'t Directive>,
    pub(super) ca_file: Option<&'t Directive>,
    pub(super) server_name: Option<&'t Directive>,
    /// Variables with one constant value; `None` if they have others.
    pub(super) variables: BTreeMap<String, Option<String>>,
}

/// Which kind of block it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Http,
    Server,
    Location,
}

/// Directives of a block that only its own reader understands.
const READ_ELSEWHERE: [&str; 18] = [
    "http",
    "server",
    "location",
    "stream",
    "upstream",
    "map",
    "include",
    "events",
    "server_name",
    "listen",
    "ssl",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_protocols",
    "ssl_client_certificate",
    "limit_req_zone",
    "limit_req_status",
    "break",
];

impl<'t> Scope<'t> {
    /// The scope of a block below this one.
    pub(super) fn enter(&self, block: &'t [Directive], level: Level, report: &mut Report) -> Self {
        let mut inner = self.clone();
        inner.read_access(block, report);
        inner.read_conditions(block, level, report);
        inner.read_settings(block);
        inner.read_variables(block);
        inner
    }

    /// Who may pass, without the limits of a target.
    pub(super) fn access(&self) -> Access {
        if let Some(limit) = self.limits.first() {
            return Access::closed_by(limit);
        }
        let mut by_address = access::of_rules(&self.rules);
        if self.addresses_unknown
            && let Access::Addresses { .. } = by_address
        {
            by_address = Access::Closed(access::Why::AsBefore);
        }
        match (self.logins.first(), self.satisfy_any, &by_address) {
            (None, _, _) => by_address,
            // Addresses that needed no password.
            (Some(_), true, Access::Addresses { .. }) => by_address,
            (Some(login), _, _) => Access::closed_by(login),
        }
    }

    fn read_access(&mut self, block: &'t [Directive], report: &mut Report) {
        let is_rule = |d: &&Directive| matches!(d.name.as_str(), "allow" | "deny");
        let rules: Vec<&Directive> = block.iter().filter(is_rule).collect();
        if !rules.is_empty() {
            self.rules = rules.into_iter().map(Rule::of).collect();
        }
        for directive in block {
            match directive.name.as_str() {
                "satisfy" => {
                    self.satisfy_any = directive.arg(0) == "any";
                    report.note(directive, Outcome::Moved, "in the policy");
                }
                "allow" | "deny" => {
                    let text = match access::Rule::of(directive).who {
                        access::Who::Unknown => {
                            "not understood, and left out: no further client passes"
                        }
                        _ => "in the policy of the route",
                    };
                    report.note(directive, Outcome::Moved, text);
                }
                "auth_basic" | "auth_request" => {
                    let same = block.iter().filter(|d| d.name == directive.name);
                    self.read_login(directive, same.count() == 1, report);
                }
                "auth_basic_user_file" | "auth_request_set" => {
                    let text = "not moved, as what it belongs to";
                    report.note(directive, Outcome::NeedsYou, text);
                }
                "internal" | "limit_except" => {
                    self.limit(directive, report);
                }
                "ssl_verify_client" if directive.arg(0) != "off" => self.limit(directive, report),
                "ssl_verify_client" => {
                    report.note(directive, Outcome::NotNeeded, "no certificate is asked for");
                }
                "if" | "rewrite" | "return" => {}
                name if known::find(name).is_none() && !is_translated(name) => {
                    self.limit(directive, report);
                }
                _ => {}
            }
        }
    }

    fn read_conditions(&mut self, block: &'t [Directive], level: Level, report: &mut Report) {
        for directive in block.iter().filter(|d| d.name == "if") {
            match condition::of(directive) {
                Condition::ToHttps => {
                    let text = "listen.http redirects every request to https";
                    report.note_all(directive, Outcome::NotNeeded, text);
                }
                Condition::Harmless => {
                    let text = "not moved: there are no conditions";
                    report.note_all(directive, Outcome::NeedsYou, text);
                }
                Condition::HostRedirect { .. } if level == Level::Server => {}
                _ => self.limit(directive, report),
            }
        }
    }

    /// Reads what asks for a login. NGINX refuses two of one name in a block, so that `off` has to
    /// be alone to count.
    fn read_login(&mut self, directive: &'t Directive, is_alone: bool, report: &mut Report) {
        if is_alone {
            self.logins.retain(|login| login.name != directive.name);
        }
        if directive.arg(0) == "off" && !is_alone {
            let text = "not moved: NGINX refuses two of one name; the other one counts";
            report.note(directive, Outcome::WasWrong, text);
            return;
        }
        if directive.arg(0) == "off" {
            report.note(directive, Outcome::Moved, "nothing is asked for");
            return;
        }
        self.logins.push(directive);
        let until = match self.satisfy_any {
            true => "only the addresses of allow pass, until you write",
            false => "the routes are closed until you write",
        };
        let with = match directive.name.as_str() {
            "auth_basic" => "basic",
            _ => "forward_auth",
        };
        let text = format!("not moved: {until} their policy, with {with}");
        report.note(directive, Outcome::NeedsYou, text);
    }

    /// Closes what is in this scope.
    pub(super) fn limit(&mut self, directive: &'t Directive, report: &mut Report) {
        self.limits.push(directive);
        let text = match directive.name.as_str() {
            "internal" => "the path is closed: requests from outside were 404",
            "ssl_verify_client" => {
                "not moved: the routes are closed until you write their policy, with \
                 client_certificate, and client_ca in [tls]"
            }
            name if is_translated(name) => {
                "not moved: its routes are closed until you write their policy"
            }
            _ => {
                "not known, so it may limit access: its routes are closed until you write their \
                 policy"
            }
        };
        report.note_all(directive, Outcome::NeedsYou, text);
    }

    fn read_settings(&mut self, block: &'t [Directive]) {
        self.replace("proxy_set_header", block, |scope| &mut scope.set_headers);
        self.replace("add_header", block, |scope| &mut scope.add_headers);
        self.replace("proxy_hide_header", block, |scope| &mut scope.hide_headers);
        self.replace("limit_req", block, |scope| &mut scope.requests);
        for directive in block {
            let setting = match directive.name.as_str() {
                "root" | "alias" => &mut self.root,
                "index" => &mut self.index,
                "client_max_body_size" => &mut self.body,
                "proxy_read_timeout" => &mut self.read_timeout,
                "proxy_ssl_trusted_certificate" => &mut self.ca_file,
                "proxy_ssl_name" => &mut self.server_name,
                _ => continue,
            };
            *setting = Some(directive);
        }
    }

    /// Those of a block replace all that are inherited.
    fn replace(
        &mut self,
        name: &str,
        block: &'t [Directive],
        list: impl Fn(&mut Self) -> &mut Vec<&'t Directive>,
    ) {
        let found: Vec<&Directive> = block.iter().filter(|d| d.name == name).collect();
        if !found.is_empty() {
            *list(self) = found;
        }
    }

    fn read_variables(&mut self, block: &[Directive]) {
        let mut here: BTreeMap<&str, usize> = BTreeMap::new();
        for set in block.iter().filter(|d| d.name == "set") {
            *here.entry(set.arg(0)).or_default() += 1;
        }
        for set in block.iter().filter(|d| d.name == "set") {
            let is_one = here.get(set.arg(0)) == Some(&1);
            let value = self.expand(set.arg(1)).filter(|_| is_one);
            let name = set.arg(0).trim_start_matches('$').to_owned();
            self.variables.insert(name, value);
        }
        for inner in block.iter().filter(|d| d.name == "if") {
            for set in inner.inner().iter().filter(|d| d.name == "set") {
                let name = set.arg(0).trim_start_matches('$').to_owned();
                self.variables.insert(name, None);
            }
        }
    }

    /// The text with the values of its variables; `None` if one has no constant value.
    pub(super) fn expand(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let braced = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (name, behind) = braced.unwrap_or_else(|| {
                let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
                rest.split_at(rest.bytes().take_while(is_name).count())
            });
            out.push_str(self.variables.get(name)?.as_deref()?);
            rest = behind;
        }
        out.push_str(rest);
        Some(out)
    }
}

fn is_translated(name: &str) -> bool {
    READ_ELSEWHERE.contains(&name) || known::is_directive(name)
}
