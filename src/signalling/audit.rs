//! The lines of the audit log, and which messages have one.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use super::Protocol;
use super::document::{Object, Value, push_quoted};
use super::janus::plugins;
use super::record::{MessageClass, Outcome, Record};
use super::rules::{Facts, Room, Word};

/// The longest field in bytes, before escaping.
const FIELD: usize = 256;

/// The members of a request that say whom or what it is about.
const TARGETS: [&str; 7] = [
    "id",
    "username",
    "user_id",
    "publisher_id",
    "stream_id",
    "host",
    "address",
];

/// Where a message came from, and where it goes.
#[derive(Clone, Copy)]
pub struct Origin<'o> {
    /// When it was judged.
    pub time: SystemTime,
    /// The client's address.
    pub client: &'o dyn fmt::Display,
    /// The issuer and subject of its token, as in the access log.
    pub user: Option<&'o str>,
    /// The host that was requested.
    pub host: &'o dyn fmt::Display,
    /// The path of the route.
    pub route: &'o str,
    /// The name of the upstream.
    pub upstream: &'o str,
    /// How it came.
    pub transport: Transport,
    /// The id of the request, or of the WebSocket's handshake.
    pub request: &'o dyn fmt::Display,
    /// A keyed hash of an id: who knows the id of a session at Janus may use the session.
    pub hash: &'o dyn Fn(&str) -> String,
}

/// How a message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// By WebSocket.
    WebSocket,
    /// By a request of its own.
    Rest,
}

impl Record<'_> {
    /// Whether the message has a line: what was refused, the admin API, requests to plugins that
    /// callers do not need, and what is about other clients' objects at Kurento.
    pub fn is_audited(&self) -> bool {
        if matches!(self.outcome, Outcome::Refused { .. }) || self.protocol == Protocol::JanusAdmin
        {
            return true;
        }
        if self.protocol == Protocol::Kurento {
            return self.class == MessageClass::Operate;
        }
        self.class == MessageClass::Message && self.facts.is_some_and(is_privileged)
    }

    /// The line, in JSON.
    pub fn audit_line(&self, origin: &Origin<'_>) -> String {
        let mut line = Line::new(origin.time);
        line.outcome(&self.outcome);
        line.origin(origin);
        for claim in ["iss", "sub", "jti"] {
            line.text(claim, self.claims.and_then(|claims| claims.text(claim)));
        }
        let protocol = match self.protocol {
            Protocol::Janus => "janus",
            Protocol::JanusAdmin => "janus-admin",
            Protocol::Kurento => "kurento",
        };
        line.text("protocol", Some(protocol));
        line.facts(self.facts);
        line.target(self);
        for (name, id) in [("session", self.session), ("handle", self.handle)] {
            let hash = id.map(|id| (origin.hash)(&id.text()));
            line.text(name, hash.as_deref());
        }
        line.end()
    }
}

fn is_privileged(facts: &Facts<'_>) -> bool {
    let plugin = plugin(facts);
    let request = facts.request.as_ref();
    plugin.is_some_and(|plugin| request.is_some_and(|request| plugin.is_privileged(request)))
}

fn plugin(facts: &Facts<'_>) -> Option<&'static plugins::Plugin> {
    let name = facts.plugin.as_ref()?;
    plugins::PLUGINS.iter().find(|plugin| name.is(plugin.name))
}

/// A line in the making.
struct Line(String);

impl Line {
    fn new(time: SystemTime) -> Self {
        let mut line = Self(String::with_capacity(640));
        // Writing to a string cannot fail.
        let time = humantime::format_rfc3339_millis(time);
        let _ = write!(
            line.0,
            r#"{{"time":"{time}","level":"INFO","kind":"message""#
        );
        line
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        let _ = write!(self.0, r#","{name}":"#);
    }

    fn text(&mut self, name: &str, text: Option<&str>) {
        self.name(name);
        match text {
            Some(text) => push_cut(&mut self.0, text),
            None => self.0.push_str("null"),
        }
    }

    fn shown(&mut self, name: &str, value: Option<&dyn fmt::Display>) {
        let text = value.map(ToString::to_string);
        self.text(name, text.as_deref());
    }

    fn outcome(&mut self, outcome: &Outcome<'_>) {
        let (outcome, rule, reason, detail) = match *outcome {
            Outcome::Allowed(rule) => ("allowed", rule.map(|rule| &*rule.name), None, None),
            Outcome::Refused {
                rule,
                reason,
                detail,
                ..
            } => ("refused", rule, Some(reason), detail),
        };
        self.text("outcome", Some(outcome));
        self.text("rule", rule);
        self.text("reason", reason);
        self.shown("detail", detail);
    }

    fn origin(&mut self, origin: &Origin<'_>) {
        self.shown("client", Some(origin.client));
        self.text("user", origin.user);
        self.shown("host", Some(origin.host));
        self.text("route", Some(origin.route));
        self.text("upstream", Some(origin.upstream));
        let transport = match origin.transport {
            Transport::WebSocket => "ws",
            Transport::Rest => "rest",
        };
        self.text("transport", Some(transport));
        self.shown("id", Some(origin.request));
    }

    fn facts(&mut self, facts: Option<&Facts<'_>>) {
        let name = |word: Option<&Word<'_>>| word.map(|word| word.name().into_owned());
        let words = [
            ("verb", facts.map(|facts| &facts.verb)),
            ("plugin", facts.and_then(|facts| facts.plugin.as_ref())),
            ("request", facts.and_then(|facts| facts.request.as_ref())),
        ];
        for (key, word) in words {
            self.text(key, name(word).as_deref());
        }
        self.name("room");
        match facts.and_then(|facts| facts.room) {
            Some(Room::Number(number)) => {
                let _ = write!(self.0, "{number}");
            }
            Some(Room::Text(text)) => push_cut(&mut self.0, &text.unescaped()),
            Some(Room::Kept(text)) => push_cut(&mut self.0, text),
            None => self.0.push_str("null"),
        }
    }

    /// Whom or what a message is about.
    fn target(&mut self, record: &Record<'_>) {
        self.name("target");
        let parameters = record
            .facts
            .and_then(|facts| Some((facts.parameters?, plugin(facts))));
        match (record.outcome, parameters) {
            (Outcome::Refused { uri: Some(uri), .. }, _) => {
                self.0.push_str(r#"{"uri":"#);
                push_cut(&mut self.0, &without_user(uri));
                self.0.push('}');
            }
            (_, Some((parameters, plugin))) if record.protocol != Protocol::Kurento => {
                let room = plugin.and_then(|plugin| plugin.room);
                self.members(parameters, room);
            }
            _ => self.0.push_str("null"),
        }
    }

    /// The members that say whom or what a request is about, without that of its room.
    fn members(&mut self, parameters: Object<'_>, room: Option<&str>) {
        let mut has_any = false;
        for member in parameters.members() {
            let mut names = TARGETS.iter().filter(|name| Some(**name) != room);
            let (Some(name), Some(value)) = (
                names.find(|name| member.name.is(name)),
                scalar(member.value),
            ) else {
                continue;
            };
            self.0.push(if has_any { ',' } else { '{' });
            has_any = true;
            let _ = write!(self.0, r#""{name}":"#);
            match value {
                Scalar::Number(number) => {
                    let _ = write!(self.0, "{number}");
                }
                Scalar::Text(text) => push_cut(&mut self.0, &text),
            }
        }
        self.0.push_str(if has_any { "}" } else { "null" });
    }
}

enum Scalar {
    Number(i64),
    Text(String),
}

fn scalar(value: Value<'_>) -> Option<Scalar> {
    let text = || value.text().map(|text| text.unescaped().into_owned());
    let number = value.integer().map(Scalar::Number);
    number.or_else(|| text().map(Scalar::Text))
}

/// A URI that a client has sent, without the user name, the password and the query: these can be
/// secrets. It may be written in any way.
fn without_user(uri: &str) -> Cow<'_, str> {
    let (address, query) = match uri.find(['?', '#']) {
        Some(at) => (&uri[..at], "?…"),
        None => (uri, ""),
    };
    let scheme = address.find("//").map_or(0, |at| at + 2);
    let end = address[scheme..].find(['/', '\\']);
    let authority = &address[scheme..end.map_or(address.len(), |at| scheme + at)];
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let has_password = port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()));
    // A password may have a slash in it, and a path an `@`.
    let within = match has_password {
        true => &address[scheme..],
        false => authority,
    };
    match within.rfind('@') {
        Some(at) => {
            let rest = &address[scheme + at..];
            format!("{}…{rest}{query}", &address[..scheme]).into()
        }
        None if query.is_empty() => address.into(),
        None => format!("{address}{query}").into(),
    }
}

/// A text in quotes, cut where it gets long.
fn push_cut(out: &mut String, text: &str) {
    if text.len() <= FIELD {
        return push_quoted(out, text);
    }
    let fits = (0..=FIELD).rev().find(|at| text.is_char_boundary(*at));
    let cut = format!("{}…", &text[..fits.unwrap_or_default()]);
    push_quoted(out, &cut);
}

#[cfg(test)]
mod tests;
