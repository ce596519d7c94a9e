//! `ianitor check --live` in front of a real Janus, and of what stands in for a Kurento: each port
//! is known for what it is.

use std::process::Command;

use crate::support::{Folder, Process, free_ports};

#[test]
fn each_port_is_known_for_what_it_is() {
    let folder = Folder::new("live");
    let [rest, websocket, admin_rest, admin_websocket, kurento] = free_ports();
    let ports = [rest, websocket, admin_rest, admin_websocket];
    let _janus = Process::janus(&folder, ports, "a secret of this test");
    let _kurento = Process::kurento(&folder, "kurento", kurento);
    let found = [
        (rest, ", REST API at /janus, accepts sessions", "janus"),
        (websocket, ", WebSocket API, accepts sessions", "janus"),
        (admin_rest, ", ADMIN REST API at /", "janus-admin"),
        (admin_websocket, ", ADMIN WebSocket API", "janus-admin"),
        (kurento, ", control port at /", "kurento"),
    ];

    let right: Vec<_> = found
        .iter()
        .map(|(port, _, protocol)| (*port, *protocol, path(protocol)))
        .collect();
    let (said, is_good) = check(&folder, &right);
    assert!(is_good, "{said}");
    for (port, what, _) in found {
        assert_eq!(line(&said, port).matches(what).count(), 1, "{what}\n{said}");
        assert!(!said.contains("this is"), "{said}");
        let name = match port == kurento {
            true => "ok: Kurento 7.3.0, ",
            false => "ok: Janus 1.",
        };
        assert!(line(&said, port).contains(name), "{said}");
    }

    for called in ["http", "janus", "janus-admin", "kurento"] {
        let wrong = found.iter().filter(|(.., protocol)| *protocol != called);
        let wrong: Vec<_> = wrong.map(|(port, what, is)| (*port, *what, *is)).collect();
        let servers: Vec<_> = wrong
            .iter()
            .map(|(port, ..)| (*port, called, "/"))
            .collect();
        let (said, is_good) = check(&folder, &servers);
        assert!(!is_good, "{said}");
        for (port, what, is) in wrong {
            let line = line(&said, port);
            assert!(
                line.contains(what) && line.contains(&format!("write protocol = \"{is}\"")),
                "{called}: {line}"
            );
        }
    }
}

fn path(protocol: &str) -> &'static str {
    match protocol {
        "janus" => "/janus",
        "janus-admin" => "/admin",
        _ => "/kurento",
    }
}

fn line(said: &str, port: u16) -> &str {
    said.lines()
        .find(|line| line.contains(&format!("  127.0.0.1:{port}  ")))
        .unwrap()
}

/// What is said of servers with these ports, protocols and paths, and whether all of it is as it
/// should be.
fn check(folder: &Folder, servers: &[(u16, &str, &str)]) -> (String, bool) {
    let mut text = String::from(
        "[listen]\nhttps = [\"127.0.0.1:0\"]\n[tls]\nself_signed = [\"localhost\"]\n\
         [policies.local]\nallow = [\"127.0.0.1\"]\n",
    );
    for (at, (port, protocol, path)) in servers.iter().enumerate() {
        text += &format!(
            "[upstreams.u{at}]\nservers = [\"http://127.0.0.1:{port}\"]\n\
             protocol = \"{protocol}\"\n\
             [[routes]]\nhost = \"u{at}.test\"\npath = \"{path}\"\nupstream = \"u{at}\"\n\
             policy = \"local\"\n"
        );
    }
    let file = folder.join("live.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    let output = command
        .args(["check", "--live", "--config"])
        .arg(file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (
        said.split("upstreams\n").last().unwrap().to_owned(),
        output.status.success(),
    )
}
