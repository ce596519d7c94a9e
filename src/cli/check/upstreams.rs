//! Asks the servers of upstreams whether they answer, and whether they are what the configuration
//! says.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;

use super::findings::Findings;
use super::probe::{self, NoAnswer, Server};
use super::recognize::{Api, Seen, recognize};
use ianitor::clock;
use ianitor::config::Config;
use ianitor::route::upstream::{Protocol, ServerAddr, UpstreamSpec};
use ianitor::route::{Forward, Route, Target, UpstreamId};
use ianitor::telemetry::{Chain, Visible};

/// The time limit for all questions to one server.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks every server of every upstream. A server that does not answer, or is something other than
/// the upstream's `protocol` says, is a problem.
pub(super) async fn ask_upstreams(config: &Config) -> Findings {
    let mut found = Findings::default();
    for (at, upstream) in config.routes.upstreams().iter().enumerate() {
        let routed = Routed::to(config, UpstreamId(at));
        for server in &upstream.servers {
            let (text, is_right) = ask(upstream, server, &routed).await;
            found.problems += usize::from(!is_right);
            // Writing to a String does not fail.
            let _ = writeln!(found.text, "  {}  {server}  {text}", upstream.name);
        }
    }
    let text = format!("upstreams\n{}", found.text);
    Findings { text, ..found }
}

/// How the routes to an upstream address it.
struct Routed {
    /// The paths that they lead to, without a slash at the end.
    paths: Vec<String>,
    /// The `Host` that they set.
    host: Option<HeaderValue>,
}

impl Routed {
    fn to(config: &Config, upstream: UpstreamId) -> Self {
        let forward = |route: &Route| match &route.target {
            Target::Forward(forward) if forward.upstreams().any(|id| id == upstream) => {
                Some((route.path.clone(), forward.clone()))
            }
            _ => None,
        };
        let routes: Vec<(_, Forward)> = config.routes.routes().iter().filter_map(forward).collect();
        let mut paths: Vec<String> = Vec::new();
        for (path, forward) in &routes {
            let path = forward.path.to_upstream(path.as_str());
            let path = path.trim_end_matches('/').to_owned();
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        if paths.is_empty() {
            paths.push(String::new());
        }
        let host = routes
            .into_iter()
            .find_map(|(_, forward)| forward.host)
            .map(|host| host.value);
        Self { paths, host }
    }
}

/// Describes the server, and says whether it is as it should be.
async fn ask(upstream: &UpstreamSpec, addr: &ServerAddr, routed: &Routed) -> (String, bool) {
    let server = match Server::new(upstream, addr, routed.host.as_ref()) {
        Ok(server) => server,
        Err(error) => {
            return (
                format!("cannot be asked: {}", Visible(Chain(&error))),
                false,
            );
        }
    };
    let began = clock::monotonic();
    // Any status is an answer: Janus' REST port gives 404, its WebSocket port 403, Kurento 426.
    let status = match server.get("/").await {
        Ok(answer) => answer.status,
        Err(error) => return (no_answer(&error), false),
    };
    let answers = format!(
        "answers (HTTP {}, {} ms)",
        status.as_u16(),
        began.elapsed().as_millis()
    );
    let seen =
        tokio::time::timeout(LIMIT, recognize(&server, upstream.protocol, &routed.paths)).await;
    match seen.unwrap_or(Err(NoAnswer::Timeout)) {
        Ok(seen) => {
            let (verdict, is_right) = judge(upstream.protocol, seen.as_ref());
            (answers + &verdict, is_right)
        }
        // The application has answered once; some of its paths may be slow on purpose.
        Err(_) if upstream.protocol == Protocol::Http => (answers, true),
        Err(error) => (format!("{answers}, then {}", no_answer(&error)), false),
    }
}

fn no_answer(error: &NoAnswer) -> String {
    match error {
        NoAnswer::Timeout => format!("does not answer in time ({} s)", probe::TIMEOUT.as_secs()),
        NoAnswer::Unreachable(error) | NoAnswer::Closed(error) => {
            format!("does not answer: {}", Visible(Chain(&**error)))
        }
    }
}

/// Compares what was recognized with what is declared. The text continues "answers".
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
    // Forwarded as plain HTTP, Janus works; the gateway only does not understand its messages.
    let is_harmless = declared == Protocol::Http && !protocol.is_control();
    let advice = match protocol.is_control() {
        true => " and a policy that admits only its operators",
        false => "",
    };
    let (is, said) = (protocol.name(), declared.name());
    (
        format!(
            ": this is {what}, while the upstream has protocol \"{said}\"; \
             write protocol = \"{is}\"{advice}"
        ),
        is_harmless,
    )
}

fn unrecognized(declared: Protocol) -> (String, bool) {
    let text = match declared {
        Protocol::Http => return (String::new(), true),
        Protocol::Janus => {
            ", but not as the Janus API: the routes reach neither /info or /janus/info nor a \
             WebSocket with janus-protocol; see the port, the paths, and base_path of Janus"
        }
        Protocol::JanusAdmin => {
            ", but not as Janus' admin API: the routes reach neither /info or /admin/info nor a \
             WebSocket with janus-admin-protocol; see the port, the paths, and admin_base_path of \
             Janus"
        }
        Protocol::Kurento => {
            ", but not as Kurento: no WebSocket that the routes reach answers a ping; see the port \
             and the path"
        }
    };
    (text.to_owned(), false)
}
