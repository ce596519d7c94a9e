//! Asks the servers of upstreams whether they are there, and whether they are what the
//! configuration says they are.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::probe::{self, Server, Silent};
use super::recognize::{Api, Seen, recognize};
use ianitor::config::Config;
use ianitor::route::upstream::{Protocol, ServerAddr, UpstreamSpec};
use ianitor::route::{Forward, Route, Target, UpstreamId};
use ianitor::telemetry::{Chain, Visible};

/// For all questions to one server by which it may be recognized.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks every server of every upstream and says, a line each, which answer and what they are. The
/// second value is how many do not answer, or are something else than the upstream's `protocol`
/// says.
pub(crate) async fn ask_upstreams(config: &Config) -> (String, usize) {
    let mut out = String::from("upstreams\n");
    let mut mismatch = 0;
    for (at, upstream) in config.routes.upstreams().iter().enumerate() {
        let ways = Ways::to(config, UpstreamId(at));
        for server in &upstream.servers {
            let (text, is_right) = ask(upstream, server, &ways).await;
            mismatch += usize::from(!is_right);
            // Writing to a String does not fail.
            let _ = writeln!(out, "  {}  {server}  {text}", upstream.name);
        }
    }
    (out, mismatch)
}

/// What the routes to an upstream make of their requests.
struct Ways {
    /// Where they lead to, without a slash at the end.
    paths: Vec<String>,
    /// What the server is told that it is called.
    host: Option<HeaderValue>,
}

impl Ways {
    fn to(config: &Config, upstream: UpstreamId) -> Self {
        let forward = |route: &Route| match &route.target {
            Target::Forward(forward) if forward.upstream == upstream => {
                Some((route.path.clone(), forward.clone()))
            }
            _ => None,
        };
        let ways: Vec<(_, Forward)> = config.routes.routes().iter().filter_map(forward).collect();
        let mut paths: Vec<String> = Vec::new();
        for (path, forward) in &ways {
            let path = forward.path.to_upstream(path.as_str());
            let path = path.trim_end_matches('/').to_owned();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            paths.push(String::new());
        }
        let host = ways
            .into_iter()
            .find_map(|(_, forward)| forward.host)
            .map(|host| host.value);
        Self { paths, host }
    }
}

/// The result in words, and whether it is as it should be.
async fn ask(upstream: &UpstreamSpec, addr: &ServerAddr, ways: &Ways) -> (String, bool) {
    let server = match Server::new(upstream, addr, ways.host.as_ref()) {
        Ok(server) => server,
        Err(error) => {
            return (
                format!("cannot be asked: {}", Visible(Chain(&error))),
                false,
            );
        }
    };
    let began = Instant::now();
    // Any status is an answer: 404 of Janus' REST port, 403 of its WebSocket port, 426 of Kurento.
    let status = match server.get("/").await {
        Ok(answer) => answer.status,
        Err(silent) => return (silence(&silent), false),
    };
    let answers = format!(
        "answers (HTTP {}, {} ms)",
        status.as_u16(),
        began.elapsed().as_millis()
    );
    let seen =
        tokio::time::timeout(LIMIT, recognize(&server, upstream.protocol, &ways.paths)).await;
    match seen.unwrap_or(Err(Silent::Late)) {
        Ok(seen) => {
            let (verdict, is_right) = judge(upstream.protocol, seen.as_ref());
            (answers + &verdict, is_right)
        }
        // An application may have paths that wait, and it has answered.
        Err(_) if upstream.protocol == Protocol::Http => (answers, true),
        Err(silent) => (format!("{answers}, then {}", silence(&silent)), false),
    }
}

fn silence(silent: &Silent) -> String {
    match silent {
        Silent::Late => format!("does not answer in time ({} s)", probe::TIMEOUT.as_secs()),
        Silent::Away(error) | Silent::Closed(error) => {
            format!("does not answer: {}", Visible(Chain(&**error)))
        }
    }
}

/// What was seen beside what is declared: goes on from "answers".
fn judge(declared: Protocol, seen: Option<&Seen>) -> (String, bool) {
    let Some(seen) = seen else {
        return unrecognized(declared);
    };
    let Seen {
        api,
        place,
        version,
    } = seen;
    let version = version
        .as_ref()
        .map(|version| format!(", version {}", Visible(version)))
        .unwrap_or_default();
    let what = format!("{} {place}{version}", api.name());
    let protocol = api.protocol();
    let is_it =
        protocol == declared || (*api == Api::SomeJanus && declared == Protocol::JanusAdmin);
    if is_it {
        return (format!(": {what}"), true);
    }
    // Forwarded as HTTP like any other, Janus works; only nothing of what it says is understood.
    let is_harmless = declared == Protocol::Http && !protocol.is_control();
    let advice = match protocol.is_control() {
        true => " and a policy that lets in only those who run it",
        false => "",
    };
    let (is, said) = (protocol.name(), declared.name());
    (
        format!(
            ": this is {what}, while the upstream has protocol \"{said}\"; write protocol = \"{is}\"{advice}"
        ),
        is_harmless,
    )
}

fn unrecognized(declared: Protocol) -> (String, bool) {
    let text = match declared {
        Protocol::Http => return (String::new(), true),
        Protocol::Janus => {
            ", but not as the Janus API: where the routes lead to there is neither /info or /janus/info nor a WebSocket \
             with janus-protocol; see the port, the paths, and base_path of Janus"
        }
        Protocol::JanusAdmin => {
            ", but not as Janus' admin API: where the routes lead to there is neither /info or /admin/info nor a \
             WebSocket with janus-admin-protocol; see the port, the paths, and admin_base_path of Janus"
        }
        Protocol::Kurento => {
            ", but not as Kurento: where the routes lead to no WebSocket answers a ping; see the port and the path"
        }
    };
    (text.to_owned(), false)
}
