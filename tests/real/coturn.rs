//! coturn behind the port of the gateway: its TLS passes through, and is its own.

use std::process::Command;

use crate::support::openssl::{Ca, s_client, shown_serial};
use crate::support::{Folder, Gateway, Process, free_ports, until};

const NAME: &str = "turn.example.com";
const SECRET: &str = "a secret of this test";

#[test]
fn coturn_shares_the_port() {
    let folder = Folder::new("coturn");
    let ca = Ca::new(&folder, "turn-ca");
    let pair = ca.issue(&folder, "turn", NAME, 30);
    let [plain, tls, entrance] = free_ports();
    let mut coturn = Process::coturn(&folder, [plain, tls], &pair, SECRET);
    coturn.wait_for(tls);
    let gateway = Gateway::start(&folder, "", &passthrough(tls, ""));

    assert_eq!(
        shown_serial(gateway.https, NAME),
        Some(pair.serial()),
        "coturn's certificate"
    );
    let own = shown_serial(gateway.https, "localhost");
    assert!(
        own.is_some() && own != Some(pair.serial()),
        "the gateway's own certificate: {own:?}"
    );
    assert_eq!(
        shown_serial(gateway.https, "other.example.com"),
        None,
        "a name of nobody"
    );

    let line = gateway.has_logged(1).remove(0);
    assert_eq!(
        (&line["kind"], &line["host"]),
        (&"tunnel".into(), &NAME.into()),
        "{line}"
    );
    assert_eq!(line["route"], format!("passthrough:{NAME}"));
    assert_eq!(line["upstream"], format!("127.0.0.1:{tls}"));

    // coturn's own client sends no server name, so one that does stands in front of it.
    let mut stunnel = Process::haproxy(
        &folder,
        "stunnel",
        "tcp",
        &tls_client(entrance, gateway.https, &ca),
    );
    stunnel.wait_for(entrance);
    let said = messages(entrance);
    assert!(
        said.contains("Total lost packets 0 ") && said.contains("tot_recv_msgs=20"),
        "{said}\n{}",
        coturn.said()
    );
    assert!(
        coturn.said().contains("cipher=") && coturn.said().contains("alice"),
        "{}",
        coturn.said()
    );

    let passed = [("host", NAME), ("route", "passthrough")];
    gateway.counts("ianitor_tunnels_open", &passed, 0);
    let opened = gateway
        .metrics()
        .sum("ianitor_tunnels_opened_total", &passed);
    assert!(opened > 1, "{opened} tunnels");
    let lines = gateway.has_logged(usize::try_from(opened).unwrap());
    for (way, key) in [("received", "in"), ("sent", "out")] {
        let logged: u64 = lines.iter().map(|line| line[key].as_u64().unwrap()).sum();
        assert_eq!(
            gateway
                .metrics()
                .sum(&format!("ianitor_{way}_bytes_total"), &passed),
            logged
        );
        assert!(logged > 4000, "{way} {logged}");
    }
    assert_eq!(
        gateway
            .metrics()
            .sum("ianitor_tls_handshakes_total", &[("outcome", "passed_on")]),
        opened
    );
}

#[test]
fn the_server_of_a_passthrough_is_told_who_the_client_is() {
    let folder = Folder::new("passthrough-address");
    let ca = Ca::new(&folder, "turn-ca");
    let pair = ca.issue(&folder, "turn", NAME, 30);
    let [plain, tls, front] = free_ports();
    let mut coturn = Process::coturn(&folder, [plain, tls], &pair, SECRET);
    coturn.wait_for(tls);
    let mut haproxy = Process::haproxy(&folder, "haproxy", "tcp", &logs_clients(front, tls));
    haproxy.wait_for(front);
    let gateway = Gateway::start(&folder, "", &passthrough(front, "proxy_protocol = true"));

    let at = format!("127.0.0.1:{}", gateway.https);
    let shown = s_client(&["-connect", &at, "-servername", NAME, "-bind", "127.0.0.5:0"]).unwrap();
    assert!(shown.contains(&format!("CN = {NAME}")), "{shown}");
    let line = gateway.has_logged(1).remove(0);
    assert_eq!(line["client"], "127.0.0.5");
    until("HAProxy has seen the client", || {
        haproxy.said().contains("from=127.0.0.5:")
    });
    assert!(
        haproxy
            .said()
            .contains(&format!("to=127.0.0.1:{}", gateway.https)),
        "{}",
        haproxy.said()
    );
}

/// A gateway with one page of its own, and coturn's name.
fn passthrough(to: u16, more: &str) -> String {
    format!(
        "[[passthrough]]\nsni = \"{NAME}\"\nto = \"127.0.0.1:{to}\"\n{more}\n\
         [[routes]]\npath = \"/\"\nredirect = \"https://example.com\"\npolicy = \"open\"\n"
    )
}

/// TLS around what comes in, with coturn's name.
fn tls_client(entrance: u16, to: u16, ca: &Ca) -> String {
    let ca = ca.cert.display();
    format!(
        "listen turns\n    bind 127.0.0.1:{entrance}\n    \
         server gateway 127.0.0.1:{to} ssl sni str({NAME}) verify required verifyhost {NAME} \
         ca-file {ca}\n"
    )
}

/// HAProxy that says who it was told the client is.
fn logs_clients(front: u16, to: u16) -> String {
    format!(
        "listen front\n    bind 127.0.0.1:{front} accept-proxy\n    log stdout format raw \
         local0\n    \
         log-format \"from=%ci:%cp to=%fi:%fp\"\n    server coturn 127.0.0.1:{to}\n"
    )
}

/// What coturn's client says of ten messages each way between two allocations.
fn messages(port: u16) -> String {
    let output = Command::new("timeout")
        .args([
            "100",
            "turnutils_uclient",
            "-t",
            "-y",
            "-c",
            "-n",
            "10",
            "-m",
            "1",
            "-u",
            "alice",
            "-W",
            SECRET,
        ])
        .args(["-p", &port.to_string(), "127.0.0.1"])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .concat();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}
