//! The certificate that the gateway shows to servers, before a real NGINX that demands one.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::harness::ca::Ca;
use crate::harness::process::GatewayProcess;
use crate::harness::{Config, TestGateway, eventually};

/// A running NGINX that demands certificates of the CA, and answers with their subject.
struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(ca: &Ca) -> Self {
        let here = ca.path().display();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let port = port.unwrap().port();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log stderr;\n\
             events {{}}\nhttp {{\n access_log off;\n client_body_temp_path {here}/b;\n \
             proxy_temp_path {here}/p;\n fastcgi_temp_path {here}/f;\n uwsgi_temp_path {here}/u;\n \
             scgi_temp_path {here}/s;\n server {{\n  listen 127.0.0.1:{port} ssl;\n  \
             ssl_certificate {here}/server.pem;\n  ssl_certificate_key {here}/server.key;\n  \
             ssl_client_certificate {here}/ca.pem;\n  ssl_verify_client on;\n  \
             location / {{ return 200 $ssl_client_s_dn; }}\n }}\n}}\n"
        );
        ca.write("nginx.conf", &text);
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("nginx")
            .arg("-c")
            .arg(ca.path().join("nginx.conf"))
            .env("PATH", format!("{path}:/usr/sbin"))
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx: scripts/test-deps.sh installs it");
        eventually("NGINX listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { child, port }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn world() -> (Ca, Nginx) {
    let ca = Ca::new();
    ca.issue("server", "app.internal");
    ca.issue("gateway", "gateway");
    let nginx = Nginx::start(&ca);
    (ca, nginx)
}

fn config(ca: &Ca, nginx: &Nginx, lines: &str) -> Config {
    let (port, ca) = (nginx.port, ca.path().join("ca.pem"));
    Config::new()
        .table(&format!(
            "[upstreams.app]\nservers = [\"https://127.0.0.1:{port}\"]\n\
             server_name = \"app.internal\"\nca_file = {ca:?}\n{lines}"
        ))
        .route("/", "app")
}

fn shown(ca: &Ca) -> String {
    let at = |name: &str| ca.path().join(name);
    let (cert, key) = (at("gateway.pem"), at("gateway.key"));
    format!("client_cert = {{ cert = {cert:?}, key = {key:?} }}")
}

#[test]
fn a_server_that_demands_a_certificate_is_shown_one_and_its_successor() {
    let (ca, nginx) = world();
    let bare = TestGateway::start(&config(&ca, &nginx, ""));
    assert_eq!(bare.client().get("/").status(), 400);
    let mut gateway = TestGateway::start(&config(&ca, &nginx, &shown(&ca)));
    let subject = |gateway: &TestGateway| {
        let answer = gateway.client().get("/");
        (answer.status(), answer.text())
    };
    assert_eq!(subject(&gateway), (200, "CN=gateway".to_owned()));
    ca.issue("gateway", "successor");
    gateway.follow_files();
    assert_eq!(subject(&gateway), (200, "CN=successor".to_owned()));
    // Half of a pair: the one before stays.
    ca.write("gateway.key", "");
    gateway.follow_files();
    assert_eq!(subject(&gateway), (200, "CN=successor".to_owned()));
}

#[test]
fn probes_show_it_too() {
    let (ca, nginx) = world();
    let probed = "health = { every = \"1s\", up_after = 1, down_after = 1, status = 200 }";
    let lines = format!("{probed}\n{}", shown(&ca));
    let config = config(&ca, &nginx, &lines);
    let config = config.listen("https = [\"127.0.0.1:0\"]\nworkers = 1\nstatus = \"127.0.0.1:0\"");
    let gateway = GatewayProcess::start(&config);
    eventually("the server is up by its probe", || {
        let metrics = gateway.metrics();
        let mut lines = metrics.lines();
        lines.any(|line| {
            let is_health = line.starts_with("ianitor_upstream_server_health{");
            is_health && line.contains("state=\"up\"") && line.ends_with(" 1")
        })
    });
}

#[test]
fn a_certificate_that_cannot_be_shown_is_a_problem_with_its_key() {
    let (ca, nginx) = world();
    ca.issue("other", "other");
    let path = ca.path().join("gateway.toml");
    let cases = [
        (
            "gateway.pem",
            "none.key",
            "client_cert.key: ",
            "does not exist",
        ),
        (
            "none.pem",
            "gateway.key",
            "client_cert.cert: ",
            "does not exist",
        ),
        (
            "gateway.pem",
            "other.key",
            "client_cert.key: ",
            "is not the key",
        ),
        (
            "gateway.key",
            "gateway.key",
            "client_cert.cert: ",
            "holds no certificate",
        ),
        (
            "gateway.pem",
            "gateway.pem",
            "client_cert.key: ",
            "holds no private key",
        ),
    ];
    for (cert, key, place, why) in cases {
        let line = format!("client_cert = {{ cert = {cert:?}, key = {key:?} }}");
        fs::write(&path, config(&ca, &nginx, &line).text()).unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_ianitor"))
            .args(["check", "--config"])
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(78), "{text}");
        let place = format!("upstreams.app.{place}");
        let is_said = |line: &str| line.contains(&place) && line.contains(why);
        assert!(text.lines().any(is_said), "{place}{why}: {text}");
    }
}
