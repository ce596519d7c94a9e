//! nginx, reloaded and upgraded as its documentation says.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use super::super::support::until;
use super::Trial;
use super::place::{Place, Processes, program, version};

const FILE: &str = r#"worker_processes 2;
worker_rlimit_nofile 8192;
pid {FOLDER}nginx.pid;
error_log {FOLDER}error.log error;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path {FOLDER}t1; proxy_temp_path {FOLDER}t2; fastcgi_temp_path {FOLDER}t3;
    uwsgi_temp_path {FOLDER}t4; scgi_temp_path {FOLDER}t5;
    map $http_upgrade $up { default upgrade; '' ''; }
    upstream app { server 127.0.0.1:{SERVER}; keepalive 64; }
    server {
        listen 127.0.0.1:{PORT} ssl http2 backlog=4096;
        server_name localhost;
        ssl_certificate {CERT};
        ssl_certificate_key {KEY};
        location / {
            proxy_pass http://app;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $up;
            proxy_read_timeout 1h;
        }
    }
}
"#;

pub(super) const TRIALS: [Trial; 3] = [
    Trial {
        gateway: "nginx",
        what: "reload (HUP)",
        loses_nothing: false,
        start,
        act: |_, processes| processes.signal(Signal::HUP),
        version: nginx_version,
    },
    Trial {
        gateway: "nginx",
        what: "upgrade (USR2, WINCH, QUIT)",
        loses_nothing: false,
        start,
        act: upgrade,
        version: nginx_version,
    },
    Trial {
        gateway: "nginx",
        what: "restart",
        loses_nothing: false,
        start,
        act: |place, processes| {
            processes.end();
            run(place, processes);
        },
        version: nginx_version,
    },
];

fn nginx_version() -> String {
    version(&program("nginx"), "-v")
}

fn start(place: &Place) -> Processes {
    place.folder.write("nginx.conf", &place.fill(FILE));
    let mut processes = Processes::default();
    run(place, &mut processes);
    processes
}

/// It goes into the background: it takes no upgrade from a master that has a parent.
fn run(place: &Place, processes: &mut Processes) {
    let _ = fs::remove_file(place.folder.join("nginx.pid"));
    let words = ["-p", "{FOLDER}", "-c", "{FOLDER}nginx.conf"];
    processes.start(place, &program("nginx"), &words);
    until("nginx runs", || master(place).is_some());
    processes.adopt(master(place).unwrap());
}

/// The new master is there when its pid is in the file; then the old workers go, and the old
/// master.
fn upgrade(place: &Place, processes: &mut Processes) {
    let old = processes.id();
    processes.signal(Signal::USR2);
    until("the new nginx runs", || {
        master(place).is_some_and(|new| new != old)
    });
    for signal in [Signal::WINCH, Signal::QUIT] {
        kill_process(old, signal).unwrap();
    }
}

fn master(place: &Place) -> Option<Pid> {
    let text = fs::read_to_string(place.folder.join("nginx.pid")).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}
