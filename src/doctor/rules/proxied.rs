//! What proxies and the servers behind them have to agree on: time-outs, pings, and what is left
//! when a connection is lost.

use super::super::finding::{Findings, Fix};
use super::super::machine::{Janus, Machine};
use super::super::place::Place;
use super::super::tree::{Seen, Tree};
use super::forward::Forward;
use super::{haproxy, janus, nginx};

/// What clients of a protocol leave silent, and what has to be longer.
const MINUTE: u64 = 60_000;
/// The Java client of Kurento pings once in this time.
const KURENTO_PING: u64 = 240_000;

pub(super) fn forwards(machine: &Machine) -> Vec<Forward> {
    let of_haproxy = machine.haproxy.iter().flat_map(haproxy::forwards);
    of_haproxy.chain(nginx::forwards(machine)).collect()
}

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    let forwards = forwards(machine);
    for forward in &forwards {
        timeout(forward, found);
    }
    for janus in &machine.janus {
        websockets(janus, &forwards, found);
    }
}

fn timeout(forward: &Forward, found: &mut Findings) {
    let [request, tunnel] = forward.lines;
    let (is_short, why, line) = match forward.port {
        5280 => (
            forward.request.is_some_and(|it| it <= MINUTE),
            "gives up requests of BOSH just when Prosody would answer: those wait for 60 s",
            request,
        ),
        8888 => (
            forward.tunnel.is_some_and(|it| it < KURENTO_PING),
            "closes connections to Kurento between two pings: its Java client sends one in 240 s",
            tunnel,
        ),
        _ => return,
    };
    if is_short {
        let why = format!("{} {why}", forward.proxy);
        found.add("proxy-timeout", &forward.place, why, Fix::add(line));
    }
}

fn is_zero(core: Option<&Tree>, path: &[&str]) -> Option<Place> {
    let core = core?;
    match core.get(path) {
        Seen::Is(member) if member.node.number() == Some(0) => Some(member.place.clone()),
        Seen::Absent => Some(core.place_of(&path[..1])),
        _ => None,
    }
}

/// The WebSockets of Janus behind a proxy.
fn websockets(janus: &Janus, forwards: &[Forward], found: &mut Findings) {
    let file = janus.file("janus.transport.websockets");
    let is_websocket = |port: u16| {
        file.is_some() && janus::listeners(janus).any(|it| it.port == port && it.is_websocket())
    };
    let Some(forward) = forwards.iter().find(|forward| is_websocket(forward.port)) else {
        return;
    };
    let is_short = forward.tunnel.is_some_and(|tunnel| tunnel <= MINUTE);
    if let Some(place) = is_zero(file, &["general", "pingpong_trigger"]).filter(|_| is_short) {
        let why = format!(
            "{} closes WebSockets that are silent for a minute ({}), and Janus sends no pings",
            forward.proxy, forward.place
        );
        let fix = Fix::add_to("general", "pingpong_trigger = 25\npingpong_timeout = 10");
        found.add("janus-pingpong-off", &place, why, fix);
    }
    if let Some(place) = is_zero(janus.core(), &["general", "reclaim_session_timeout"]) {
        let why = format!(
            "every call ends when {} restarts: Janus destroys a session with its connection",
            forward.proxy
        );
        let fix = Fix::add_to("general", "reclaim_session_timeout = 20");
        found.add("janus-reclaim-zero", &place, why, fix);
    }
}
