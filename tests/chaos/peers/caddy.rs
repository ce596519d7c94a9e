//! Caddy. It has no upgrade in place: a new binary comes with a restart.

use std::process::Command;

use super::Trial;
use super::place::{Place, Processes, program, version};

const FILE: &str = "{
	admin localhost:{ADMIN}
	auto_https off
	log {
		level ERROR
	}
}
https://localhost:{PORT} {
	bind 127.0.0.1
	tls {CERT} {KEY}
	reverse_proxy 127.0.0.1:{SERVER}
}
";

pub(super) const TRIALS: [Trial; 2] = [
    Trial {
        gateway: "Caddy",
        what: "reload",
        loses_nothing: false,
        start,
        act: reload,
        version: caddy_version,
    },
    Trial {
        gateway: "Caddy",
        what: "restart",
        loses_nothing: false,
        start,
        act: |place, processes| {
            processes.end();
            run(place, processes);
        },
        version: caddy_version,
    },
];

fn caddy_version() -> String {
    version(&program("caddy"), "version")
}

fn start(place: &Place) -> Processes {
    place.folder.write("Caddyfile", &place.fill(FILE));
    let mut processes = Processes::default();
    run(place, &mut processes);
    processes
}

fn run(place: &Place, processes: &mut Processes) {
    let words = [
        "run",
        "--config",
        "{FOLDER}Caddyfile",
        "--adapter",
        "caddyfile",
    ];
    processes.start(place, &program("caddy"), &words);
}

/// With a file that differs: it ignores others.
fn reload(place: &Place, _: &mut Processes) {
    let text = place
        .fill(FILE)
        .replace("auto_https off\n", "auto_https off\n\tgrace_period 30s\n");
    let file = place.folder.write("Caddyfile", &text);
    let output = Command::new(program("caddy"))
        .args(["reload", "--adapter", "caddyfile", "--config"])
        .arg(file)
        .args(["--address", &format!("localhost:{}", place.admin)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
