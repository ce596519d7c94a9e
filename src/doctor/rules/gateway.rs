//! `gateway.toml`: what `ianitor check` would report of the file itself.

use super::super::finding::{Findings, Fix};
use super::super::gather::place_of;
use super::super::machine::Machine;

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for gateway in &machine.gateways {
        let Err(report) = &gateway.config else {
            continue;
        };
        for problem in report.problems() {
            let place = place_of(&gateway.file, problem);
            let why = match problem.key.is_empty() {
                true => problem.text.clone(),
                false => format!("{}: {}", problem.key, problem.text),
            };
            let fix = Fix::Run(format!("ianitor check --config {}", gateway.file));
            found.add("gateway-invalid", &place, why, fix);
        }
    }
}
