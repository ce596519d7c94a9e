//! HAProxy, with a master process and without one.

use rustix::process::Signal;

use super::Trial;
use super::place::{Place, Processes, program, version};

const FILE: &str = r"global
    nbthread 2
    maxconn 4000
    stats socket {FOLDER}h.sock mode 600 level admin expose-fd listeners
defaults
    mode http
    timeout connect 5s
    timeout client 120s
    timeout server 120s
    timeout http-keep-alive 120s
    timeout tunnel 1h
frontend fe
    bind 127.0.0.1:{PORT} ssl crt {BOTH} alpn h2,http/1.1 backlog 4096
    default_backend app
backend app
    server s1 127.0.0.1:{SERVER}
";

pub(super) const TRIALS: [Trial; 3] = [
    Trial {
        gateway: "HAProxy",
        what: "reload (USR2 to the master)",
        loses_nothing: false,
        start: |place| start(place, &["-W", "-db", "-f", "{FOLDER}haproxy.cfg"]),
        act: |_, processes| processes.signal(Signal::USR2),
        version: haproxy_version,
    },
    Trial {
        gateway: "HAProxy",
        what: "upgrade (-sf, sockets by -x)",
        loses_nothing: false,
        start: |place| start(place, &["-db", "-f", "{FOLDER}haproxy.cfg"]),
        act: upgrade,
        version: haproxy_version,
    },
    Trial {
        gateway: "HAProxy",
        what: "restart",
        loses_nothing: false,
        start: |place| start(place, &["-db", "-f", "{FOLDER}haproxy.cfg"]),
        act: |place, processes| {
            processes.end();
            let words = ["-db", "-f", "{FOLDER}haproxy.cfg"];
            processes.start(place, &program("haproxy"), &words);
        },
        version: haproxy_version,
    },
];

fn haproxy_version() -> String {
    version(&program("haproxy"), "-v")
}

fn start(place: &Place, words: &[&str]) -> Processes {
    place.folder.write("haproxy.cfg", &place.fill(FILE));
    let mut processes = Processes::default();
    processes.start(place, &program("haproxy"), words);
    processes
}

fn upgrade(place: &Place, processes: &mut Processes) {
    let old = processes.id().as_raw_nonzero().to_string();
    let words = [
        "-db",
        "-f",
        "{FOLDER}haproxy.cfg",
        "-x",
        "{FOLDER}h.sock",
        "-sf",
        &old,
    ];
    processes.start(place, &program("haproxy"), &words);
}
