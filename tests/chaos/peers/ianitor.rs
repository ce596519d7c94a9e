//! This gateway.

use std::fs;
use std::process::Command;

use super::super::gateway::original;
use super::Trial;
use super::place::{Place, Processes, version};

const FILE: &str = r#"[listen]
https = ["127.0.0.1:{PORT}"]
workers = 2
[log]
access = false
[limits]
# A restart waits for it; the others stop at once.
drain = "1s"
[tls]
certificates = [{ cert = "{CERT}", key = "{KEY}" }]
[upstreams.app]
servers = ["http://127.0.0.1:{SERVER}"]
[[routes]]
path = "/"
upstream = "app"
policy = "open"
"#;

pub(super) const TRIALS: [Trial; 3] = [
    Trial {
        gateway: "ianitor",
        what: "reload",
        loses_nothing: true,
        start,
        act: reload,
        version: ianitor_version,
    },
    Trial {
        gateway: "ianitor",
        what: "upgrade",
        loses_nothing: true,
        start,
        act: |place, _| command(place, "upgrade"),
        version: ianitor_version,
    },
    Trial {
        gateway: "ianitor",
        what: "restart",
        loses_nothing: false,
        start,
        act: |place, processes| {
            processes.end();
            run(place, processes);
        },
        version: ianitor_version,
    },
];

fn ianitor_version() -> String {
    version(&original().to_string_lossy(), "version")
}

fn start(place: &Place) -> Processes {
    place.folder.write("gateway.toml", &place.fill(FILE));
    fs::copy(original(), place.folder.join("ianitor")).unwrap();
    let mut processes = Processes::default();
    run(place, &mut processes);
    processes
}

fn run(place: &Place, processes: &mut Processes) {
    let binary = place.folder.join("ianitor");
    let words = ["run", "--config", "{FOLDER}gateway.toml"];
    processes.start(place, &binary.to_string_lossy(), &words);
}

fn reload(place: &Place, _: &mut Processes) {
    let text = place
        .fill(FILE)
        .replace("path = \"/\"", "path = \"/\"\nbody = \"2MiB\"");
    place.folder.write("gateway.toml", &text);
    command(place, "reload");
}

fn command(place: &Place, name: &str) {
    let output = Command::new(original())
        .args([name, "--config"])
        .arg(place.folder.join("gateway.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
