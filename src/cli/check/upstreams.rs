//! Asks the servers of upstreams whether they answer, and whether they are what the configuration
//! says.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use http::StatusCode;

use super::credentials;
use super::findings::{Finding, Findings};
use ianitor::clock;
use ianitor::config::Config;
use ianitor::gateway::upstream_files;
use ianitor::health::{Api, AskedServer, NoAnswer, Routed, Seen, recognize};
use ianitor::proxy::connect::ConnectError;
use ianitor::resolve::Resolver;
use ianitor::route::UpstreamId;
use ianitor::route::upstream::{Protocol, ServerAddr, UpstreamSpec};
use ianitor::signalling::RejectedKey;
use ianitor::telemetry::Chain;
use ianitor::tls::{self, LoadError};

/// The time limit for one answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How many servers are asked at once: with many of them, those that do not answer would otherwise
/// take minutes.
const AT_ONCE: usize = 32;

/// The time limit for all questions to one server.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks every server of every upstream. A server that does not answer, or is something other than
/// the upstream's `protocol` says, is a problem.
pub(super) async fn ask_upstreams(config: &Config) -> Findings {
    let mut questions = Vec::new();
    for (at, upstream) in config.routes.upstreams().iter().enumerate() {
        let routed = Arc::new(Routed::to(&config.routes, UpstreamId(at)));
        let servers = upstream.servers.iter().zip(upstream.server_names());
        for (at, (server, name)) in servers.enumerate() {
            let routed = Arc::clone(&routed);
            questions.push(async move {
                let kind = if upstream.is_backup(at) {
                    "backup "
                } else {
                    ""
                };
                let target = format!("{}  {kind}{name}", upstream.name);
                (target, ask(upstream, server, &routed).await)
            });
        }
    }
    let mut answers = stream::iter(questions).buffered(AT_ONCE);
    let mut found = Findings::default();
    while let Some((target, verdict)) = answers.next().await {
        found.add(target, &verdict);
    }
    found.titled("upstreams")
}

/// The server, with the CA that is trusted for it.
fn asked_server(
    upstream: &UpstreamSpec,
    addr: &ServerAddr,
    routed: &Routed,
) -> Result<AskedServer, LoadError> {
    let tls = &upstream.tls;
    let config = match addr.is_tls() {
        true => {
            let key = format!("upstreams.{}", upstream.name);
            Some(tls::upstream_config(upstream_files(tls), &key)?)
        }
        false => None,
    };
    let (resolver, host) = (Resolver::system(), routed.host.as_ref());
    Ok(AskedServer::new(
        addr,
        (tls, config.as_ref()),
        host,
        &resolver,
        TIMEOUT,
    ))
}

/// Describes the server, and says whether it is as it should be.
async fn ask(upstream: &UpstreamSpec, addr: &ServerAddr, routed: &Routed) -> Finding {
    let server = match asked_server(upstream, addr, routed) {
        Ok(server) => server,
        Err(error) => return Finding::problem(format_args!("cannot be asked: {}", Chain(&error))),
    };
    let began = clock::monotonic();
    let status = match server.get("/").await {
        Ok(answer) => answer.status,
        Err(error) => return Finding::problem(no_answer(addr, &error)),
    };
    let millis = began.elapsed().as_millis();
    let answers = answers(addr, status, millis);
    let seen =
        tokio::time::timeout(LIMIT, recognize(&server, upstream.protocol, &routed.paths)).await;
    match seen.unwrap_or(Err(NoAnswer::Timeout)) {
        Ok(Some(seen)) => match credentials::rejected(&server, upstream, &seen.place).await {
            Some(RejectedKey { key, setting }) => Finding::problem(format_args!(
                "{seen}; it rejects the secret of upstreams.{}.{key}; write {setting} of Janus \
                 into that file",
                upstream.name,
            )),
            None => judge(upstream.protocol, &seen, millis),
        },
        Ok(None) if upstream.protocol == Protocol::Whip => {
            whip(&server, &routed.paths, answers).await
        }
        Ok(None) => match unrecognized(upstream.protocol) {
            None => Finding::ok(answers),
            Some(text) => Finding::problem(format_args!("{answers}, but not as {text}")),
        },
        // The application has answered once; some of its paths may be slow on purpose.
        Err(_) if upstream.protocol == Protocol::Http => Finding::ok(answers),
        Err(error) => Finding::problem(format_args!("{answers}, then {}", no_answer(addr, &error))),
    }
}

/// What a server of WHIP or WHEP says without an offer, which would begin a stream.
async fn whip(server: &AskedServer, paths: &[String], answers: String) -> Finding {
    for path in paths {
        let path = if path.is_empty() { "/" } else { path };
        match server.takes_sdp(path).await {
            Ok(true) => {
                let takes = format_args!("{answers}, and takes offers of WHIP or WHEP at {path}");
                return Finding::ok(takes);
            }
            Ok(false) | Err(NoAnswer::Closed(_)) => {}
            Err(_) => break,
        }
    }
    Finding::ok(format_args!(
        "{answers}; whether it speaks WHIP or WHEP, only an offer would tell"
    ))
}

/// What a status means. Any is an answer: Janus' REST port has 404 for a plain request, its
/// WebSocket port 403, and Kurento 426.
fn answers(addr: &ServerAddr, status: StatusCode, millis: u128) -> String {
    let code = status.as_u16();
    let may_want_tls = status == StatusCode::BAD_REQUEST && !addr.is_tls();
    if status.is_server_error() {
        format!("answers, but with the error HTTP {code} ({millis} ms); see its log")
    } else if let (true, ServerAddr::Tcp { host, port, .. }) = (may_want_tls, addr) {
        // This is how servers answer on a TLS port to what is not TLS.
        format!(
            "answers (HTTP {code} to a plain request for /, {millis} ms); if it speaks TLS, write \
             \"https://{host}:{port}\""
        )
    } else if status.is_client_error() {
        format!("answers (HTTP {code} to a plain request for /, which is no fault; {millis} ms)")
    } else {
        format!("answers (HTTP {code}, {millis} ms)")
    }
}

/// Why there is no answer, and what to do.
fn no_answer(addr: &ServerAddr, error: &NoAnswer) -> String {
    match error {
        NoAnswer::Timeout => format!(
            "does not answer within {} s; is it overloaded, or does a firewall drop what is sent?",
            TIMEOUT.as_secs()
        ),
        NoAnswer::Unreachable(error) => {
            let advice = unreachable_advice(addr, error);
            format!("cannot be reached, {}; {advice}", Chain(error))
        }
        NoAnswer::Closed(error) => {
            let tls = match addr {
                ServerAddr::Tcp {
                    tls: false,
                    host,
                    port,
                } => {
                    format!(", or does it speak TLS, for which you write \"https://{host}:{port}\"")
                }
                _ => String::new(),
            };
            let why = Chain(&**error);
            format!("does not answer by HTTP, {why}; is it the right port{tls}?")
        }
    }
}

fn unreachable_advice(addr: &ServerAddr, error: &ConnectError) -> String {
    if error.is_distrust() {
        return "write the certificate or the file of its CA as ca_file, its pin as pin, or its \
                name in the certificate as server_name"
            .to_owned();
    }
    match addr {
        ServerAddr::Tcp {
            tls: true,
            host,
            port,
        } if error.is_not_tls() => {
            format!("if it speaks no TLS there, write \"http://{host}:{port}\"")
        }
        ServerAddr::Tcp { tls: true, .. } if error.is_timeout() => {
            "is the address right, and does it speak TLS there?".to_owned()
        }
        _ if error.is_timeout() => {
            "is the address right, and does a firewall let it through?".to_owned()
        }
        _ => "start the server, or correct its address".to_owned(),
    }
}

/// Compares what was recognized with what is declared.
fn judge(declared: Protocol, seen: &Seen, millis: u128) -> Finding {
    let (api, protocol) = (seen.api, seen.api.protocol());
    let is_it = protocol == declared || (api == Api::SomeJanus && declared == Protocol::JanusAdmin);
    if is_it && seen.accepts_sessions == Some(false) {
        return Finding::problem(format_args!(
            "{seen} ({millis} ms); its admin API ends that with accept_new_sessions"
        ));
    }
    if is_it {
        return Finding::ok(format_args!("{seen} ({millis} ms)"));
    }
    let advice = match protocol.is_control() {
        true => " and a policy that admits only its operators",
        false => "",
    };
    let (is, said) = (protocol.name(), declared.name());
    let text = format!(
        "this is {} ({seen}), while the upstream has protocol \"{said}\"; write protocol = \
         \"{is}\"{advice}",
        api.port()
    );
    // Forwarded as plain HTTP, Janus works; the gateway only does not understand its messages.
    match declared == Protocol::Http && !protocol.is_control() {
        true => Finding::ok(text),
        false => Finding::problem(text),
    }
}

/// What a server is not whose answers are of no API; `None` if it may be anything.
fn unrecognized(declared: Protocol) -> Option<&'static str> {
    match declared {
        Protocol::Http | Protocol::Whip => None,
        Protocol::Janus => Some(
            "the Janus API: the routes reach neither /info or /janus/info nor a WebSocket with \
             janus-protocol; see the port, the paths, and base_path of Janus",
        ),
        Protocol::JanusAdmin => Some(
            "Janus' admin API: the routes reach neither /info or /admin/info nor a WebSocket with \
             janus-admin-protocol; see the port, the paths, and admin_base_path of Janus",
        ),
        Protocol::Jitsi => Some(
            "Prosody: the routes reach neither a page of its BOSH or WebSocket nor a WebSocket \
             with the subprotocol xmpp; see the port, the paths, and whether bosh and websocket \
             are among its modules",
        ),
        Protocol::Kurento => Some(
            "Kurento: no WebSocket that the routes reach answers a ping; see the port and the path",
        ),
    }
}
