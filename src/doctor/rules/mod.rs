//! What is wrong with a machine: a function each for what belongs together.

mod certbot;
mod certificates;
mod coturn;
mod forward;
mod gateway;
mod haproxy;
mod janus;
mod janus_core;
mod janus_rooms;
mod jitsi;
mod kurento;
mod nginx;
mod peers;
mod ports;
mod prosody;
mod proxied;
mod strength;

use super::files::Files;
use super::finding::Findings;
use super::machine::Machine;

/// Looks at everything.
pub(super) fn run(machine: &Machine, files: &dyn Files) -> Findings {
    let mut findings = Findings::default();
    let found = &mut findings;
    janus::check(machine, found);
    janus_core::check(machine, found);
    janus_rooms::check(machine, found);
    kurento::check(machine, files, found);
    coturn::check(machine, found);
    peers::check(machine, found);
    prosody::check(machine, found);
    jitsi::check(machine, found);
    haproxy::check(machine, found);
    nginx::check(machine, found);
    proxied::check(machine, found);
    certificates::check(machine, files, found);
    certbot::check(machine, found);
    gateway::check(machine, found);
    ports::check(machine, found);
    findings.sort();
    findings
}
