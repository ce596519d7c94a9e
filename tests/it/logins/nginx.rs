//! NGINX' `auth_request` with the configuration that is written everywhere, before the same
//! service: both ask it the same, and decide alike.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::{policy, service};
use crate::harness::h1::Client;
use crate::harness::{Config, TestGateway, Upstream, eventually};

/// A running NGINX. It runs as one process, which ends with the test.
struct Nginx {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Nginx {
    fn start(app: &Upstream, service: &Upstream) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let port = port.unwrap().port();
        let (app, service) = (app.addr, service.addr);
        let text = format!(
            "daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log stderr;\n\
             events {{}}\nhttp {{\n access_log off;\n client_body_temp_path {here}/b;\n \
             proxy_temp_path {here}/p;\n fastcgi_temp_path {here}/f;\n uwsgi_temp_path {here}/u;\n \
             scgi_temp_path {here}/s;\n server {{\n  listen 127.0.0.1:{port};\n  location / {{\n   \
             auth_request /auth;\n   auth_request_set $user $upstream_http_remote_user;\n   \
             proxy_set_header Remote-User $user;\n   proxy_pass http://{app};\n  }}\n  \
             location = /auth {{\n   internal;\n   proxy_pass http://{service}/auth?x=1;\n   \
             proxy_pass_request_body off;\n   proxy_set_header Content-Length \"\";\n   \
             proxy_set_header X-Original-URL https://$http_host$request_uri;\n   \
             proxy_set_header X-Original-Method $request_method;\n   \
             proxy_set_header X-Forwarded-For $remote_addr;\n   \
             proxy_set_header X-Real-IP $remote_addr;\n  }}\n }}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .env("PATH", format!("{path}:/usr/sbin"))
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx: scripts/test-deps.sh installs it");
        eventually("NGINX listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self {
            child,
            port,
            _folder: folder,
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nginx_and_the_gateway_ask_the_same_and_decide_alike() {
    let (app, service) = (Upstream::ok(), service());
    let nginx = Nginx::start(&app, &service);
    let config = Config::new()
        .upstream("app", &app.url())
        .route_with("/", "app", "policy = \"team\"")
        .table(&policy(
            "team",
            &service,
            ", copy_headers = [\"Remote-User\"]",
        ));
    let gateway = TestGateway::start(&config);
    for (mode, same_status) in [
        ("good", true),
        ("nameless", true),
        ("none", true),
        ("forbidden", true),
        ("failing", false),
        ("missing", false),
        ("elsewhere", false),
    ] {
        let request = format!(
            "POST /a%20b?c=d HTTP/1.1\r\nHost: localhost\r\nCookie: mode={mode}\r\n\
             Accept: */*\r\nUser-Agent: me\r\nAuthorization: Bearer x\r\nRemote-User: root\r\n\
             Content-Length: 4\r\n\r\nbody"
        );
        let stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        let (seen, served) = (service.requests().len(), app.requests().len());
        let theirs = Client::new(stream).ask(&request);
        let between = app.requests().len();
        let ours = gateway.client().ask(&request);
        let asked = &service.requests()[seen..];
        assert_eq!(asked.len(), 2, "{mode}");
        for name in [
            "cookie",
            "accept",
            "user-agent",
            "authorization",
            "host",
            "content-length",
            "x-original-url",
            "x-original-method",
            "x-forwarded-for",
            "x-real-ip",
        ] {
            let [nginx, ianitor] = [&asked[0].head, &asked[1].head];
            assert_eq!(nginx.all(name), ianitor.all(name), "{mode} {name}");
        }
        assert_eq!(asked[0].head.target(), asked[1].head.target());
        let admitted = [between - served, app.requests().len() - between];
        assert_eq!(admitted[0], admitted[1], "{mode}");
        match same_status {
            true => assert_eq!(theirs.status(), ours.status(), "{mode}"),
            // NGINX says 500 where the gateway says what kind of failure it is.
            false => assert_eq!((theirs.status(), ours.status()), (500, 502), "{mode}"),
        }
    }
    let users: Vec<_> = app.heads();
    let users = users.iter().map(|head| head.get("remote-user"));
    let users: Vec<Option<&str>> = users.collect();
    assert_eq!(users, [Some("ada"), Some("ada"), None, None]);
}
