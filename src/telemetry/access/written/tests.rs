use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::Uri;
use serde_json::json;

use super::super::end::End;
use super::*;
use crate::telemetry::escape;

/// What is in a line, before anything is redacted or escaped.
struct Facts {
    at: SystemTime,
    target: &'static str,
    host: Option<String>,
    agent: Option<String>,
    client: &'static str,
    http: Option<(Method, Version)>,
    line: Line,
}

impl Facts {
    /// A request as most are.
    fn new() -> Self {
        Self {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_007),
            target: "/janus/1?token=a",
            host: Some("localhost".into()),
            agent: Some("curl/8.9".into()),
            client: "192.0.2.1",
            http: Some((Method::GET, Version::HTTP_11)),
            line: Line {
                status: 200,
                route: Some("/janus".into()),
                upstream: Some("janus".into()),
                end: End::Done,
                received: 1,
                sent: 2,
                took: Duration::from_micros(1234),
                ..Line::default()
            },
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut facts = Self::new();
        change(&mut facts);
        facts
    }

    fn head(&self) -> Head {
        let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
        let (host, agent) = (bytes(&self.host), bytes(&self.agent));
        let mut head = match &self.http {
            Some((method, version)) => {
                let target = Uri::from_static(self.target);
                Head::of_request(
                    (method, *version),
                    &target,
                    host.as_deref(),
                    agent.as_deref(),
                )
            }
            None => match &self.host {
                Some(host) => Head::of_host(host),
                None => Head::unknown(),
            },
        };
        head.at = self.at;
        head
    }

    fn written(&self, format: LogFormat) -> String {
        let mut out = Vec::new();
        Written {
            id: id(),
            client: self.client(),
            head: &self.head(),
            line: &self.line,
        }
        .write(format, &mut Times::new(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn client(&self) -> ClientAddr {
        ClientAddr::new(self.client.parse().unwrap())
    }
}

fn id() -> RequestId {
    RequestId::new(0x0123_4567_89ab_cdef)
}

/// The same lines by the formatters of the standard library and of serde_json.
mod by_formatters {
    use super::*;

    fn shown(text: Option<&String>) -> String {
        text.map_or("-".into(), |text| escape::field(text))
    }

    fn path(facts: &Facts) -> String {
        let head = facts.head();
        serde_json::from_slice(head.target()).unwrap()
    }

    fn kind(facts: &Facts) -> &'static str {
        if facts.line.tunnel {
            "tunnel"
        } else {
            "request"
        }
    }

    fn millis(facts: &Facts) -> f64 {
        (facts.line.took.as_secs_f64() * 10_000.0).round() / 10.0
    }

    fn user(facts: &Facts) -> Option<String> {
        let user = facts.line.user.as_ref();
        user.map(|user| escape::field(&user.to_string()))
    }

    fn time(facts: &Facts) -> String {
        humantime::format_rfc3339_millis(facts.at).to_string()
    }

    pub(super) fn text(facts: &Facts) -> String {
        let Facts { http, line, .. } = facts;
        let mut out = format!(
            "{} {} client={} method={} host={} path={}",
            time(facts),
            kind(facts),
            facts.client(),
            http.as_ref().map_or("-", |(method, _)| method.as_str()),
            json!(shown(facts.host.as_ref())),
            json!(path(facts)),
        );
        match http {
            Some((_, version)) => write!(out, " http={version:?}").unwrap(),
            None => out.push_str(" http=-"),
        }
        write!(out, " status={}", line.status).unwrap();
        for (name, value) in [("route", &line.route), ("upstream", &line.upstream)] {
            if let Some(value) = value {
                write!(out, " {name}={value}").unwrap();
            }
        }
        if let Some(user) = user(facts) {
            write!(out, " user={}", json!(user)).unwrap();
        }
        let (received, sent, end) = (line.received, line.sent, line.end.name());
        let ms = millis(facts);
        write!(out, " in={received} out={sent} ms={ms} end={end}").unwrap();
        if let Some(reason) = line.reason {
            write!(out, " reason={}", reason.replace(' ', "_")).unwrap();
        }
        if let Some(detail) = &line.detail {
            write!(out, " detail={}", json!(escape::field(detail))).unwrap();
        }
        let agent = json!(shown(facts.agent.as_ref()));
        write!(out, " agent={agent} id={}", id()).unwrap();
        escape::json(&out).into_owned() + "\n"
    }

    pub(super) fn json(facts: &Facts) -> String {
        let Facts { http, line, .. } = facts;
        let value = json!({
            "time": time(facts),
            "level": "INFO",
            "kind": kind(facts),
            "client": facts.client().to_string(),
            "method": http.as_ref().map(|(method, _)| method.as_str()),
            "host": shown(facts.host.as_ref()),
            "path": path(facts),
            "http": http.as_ref().map(|(_, version)| format!("{version:?}")),
            "status": line.status,
            "route": line.route.as_deref(),
            "upstream": line.upstream.as_deref(),
            "user": user(facts),
            "in": line.received,
            "out": line.sent,
            "ms": millis(facts),
            "end": line.end.name(),
            "reason": line.reason.map(|reason| reason.replace(' ', "_")),
            "detail": line.detail.as_deref().map(escape::field),
            "agent": shown(facts.agent.as_ref()),
            "id": id().to_string(),
        });
        escape::json(&value.to_string()).into_owned() + "\n"
    }
}

/// Texts that have to be escaped, or cut, or nearly.
fn difficult_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        "-",
        "plain",
        "a\"b\\c",
        "x\" end=done \u{fffd}",
        "\x1b[2J\u{9b}\u{202e}\u{2028}\r\n\t\0\x7f",
        "Zoë 東京 🙂",
    ]
    .map(String::from)
    .to_vec();
    for unit in ["x", "\"", "東", "\u{202e}"] {
        for len in [510, 511, 512, 513, 514, 3000] {
            texts.push(unit.repeat(len));
        }
    }
    texts
}

fn exchanges() -> Vec<Facts> {
    let mut all = vec![
        Facts::new(),
        Facts::with(|facts| facts.line = Line::default()),
        Facts::with(|facts| (facts.http, facts.target) = (None, "/-")),
        Facts::with(|facts| facts.line.tunnel = true),
        Facts::with(|facts| (facts.host, facts.agent) = (None, None)),
        Facts::with(|facts| facts.line.reason = Some("upstream refused it")),
        Facts::with(|facts| (facts.line.received, facts.line.sent) = (0, u64::MAX)),
        Facts::with(|facts| facts.line.status = u16::MAX),
    ];
    for client in ["10.20.30.255", "::1", "2001:db8::7:0:1", "::ffff:192.0.2.9"] {
        all.push(Facts::with(|facts| facts.client = client));
    }
    for version in [Version::HTTP_10, Version::HTTP_2] {
        all.push(Facts::with(|facts| {
            facts.http = Some((Method::OPTIONS, version))
        }));
    }
    for millis in [0, 1, 10, 999, 86_399_999, 253_402_300_799_999] {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        all.push(Facts::with(|facts| facts.at = at));
    }
    for nanos in [
        0,
        1,
        49_999,
        50_000,
        50_001,
        99_999,
        1_000_000,
        9_950_000,
        31_536_000_123_456,
    ] {
        all.push(Facts::with(|facts| {
            facts.line.took = Duration::from_nanos(nanos)
        }));
    }
    all.extend(End::ALL.map(|end| Facts::with(|facts| facts.line.end = end)));
    for text in difficult_texts() {
        all.push(Facts::with(|facts| facts.host = Some(text.clone())));
        all.push(Facts::with(|facts| facts.agent = Some(text.clone())));
        all.push(Facts::with(|facts| {
            facts.line.detail = Some(text.clone().into())
        }));
        all.push(Facts::with(|facts| {
            facts.line.user = Some(Rc::new(text.clone()))
        }));
        all.push(Facts::with(|facts| {
            facts.line.route = Some(text.clone().into())
        }));
        all.push(Facts::with(|facts| facts.line.upstream = Some(text.into())));
    }
    all
}

#[test]
fn lines_are_those_of_the_formatters() {
    for facts in exchanges() {
        let known = facts.http.is_some();
        let facts = Facts {
            agent: facts.agent.filter(|_| known),
            ..facts
        };
        assert_eq!(facts.written(LogFormat::Text), by_formatters::text(&facts));
        assert_eq!(facts.written(LogFormat::Json), by_formatters::json(&facts));
    }
}

#[test]
fn every_millisecond_has_its_digits() {
    let mut times = Times::new();
    for millis in (0..2_000).chain([1_799_999_999_999, 1_800_000_000_000, 1_799_999_999_999]) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let mut out = Vec::new();
        times.write(at, &mut out);
        let want = humantime::format_rfc3339_millis(at).to_string();
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}

#[test]
fn a_time_that_no_clock_shows_is_written() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
    for (at, want) in [
        (before, "1970-01-01T00:00:00.000Z"),
        (late, "9999-12-31T23:59:59.000Z"),
    ] {
        let mut out = Vec::new();
        Times::new().write(at, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}

#[test]
fn a_text_line_cannot_be_forged() {
    let facts = Facts::with(|facts| {
        facts.agent = Some("x\" end=done \u{fffd}".into());
        facts.line.reason = Some("upstream_refused");
    });
    let text = facts.written(LogFormat::Text);
    assert!(text.starts_with(
        "2027-01-15T08:00:00.007Z request client=192.0.2.1 method=GET host=\"localhost\""
    ));
    let fields = " path=\"/janus/1?token=*\" http=HTTP/1.1 status=200 route=/janus upstream=janus \
                  in=1 out=2 ms=1.2 end=done reason=upstream_refused ";
    assert!(text.contains(fields), "{text}");
    assert!(text.contains(r#"agent="x\" end=done "#), "{text}");
    assert_eq!(text.matches('\n').count(), 1);
}

#[test]
fn json_lines_have_the_same_facts() {
    let facts = Facts::with(|facts| facts.line.reason = Some("upstream_refused"));
    let value: serde_json::Value = serde_json::from_str(&facts.written(LogFormat::Json)).unwrap();
    assert_eq!(value["path"], "/janus/1?token=*");
    assert_eq!(value["status"], 200);
    assert_eq!(value["reason"], "upstream_refused");
    assert_eq!(value["upstream"], "janus");
}
