//! HAProxy and nginx in front of the gateway: who the client is comes from those that are listed,
//! and from nobody else.

use crate::support::wire::Upstream;
use crate::support::{Answer, Folder, Gateway, Process, free_ports};

/// Where the balancers connect from; clients use other addresses of loopback.
const BALANCER: &str = "127.0.0.9";

struct World {
    upstream: Upstream,
    gateway: Gateway,
}

impl World {
    /// A gateway whose `/closed` is for 127.0.0.5 alone.
    fn new(folder: &Folder, https: u16, listen: &str) -> Self {
        let upstream = Upstream::ok();
        let tables = format!(
            "[upstreams.app]\nservers = [\"{}\"]\n[policies.five]\nallow = [\"127.0.0.5\"]\n\
             [[routes]]\npath = \"/\"\nupstream = \"app\"\npolicy = \"open\"\n\
             [[routes]]\npath = \"/closed\"\nupstream = \"app\"\npolicy = \"five\"\n",
            upstream.url()
        );
        let gateway = Gateway::start_on(
            folder,
            https,
            listen,
            "self_signed = [\"localhost\"]",
            &tables,
        );
        Self { upstream, gateway }
    }

    fn ask(&self, source: &str, args: &[&str]) -> Answer {
        self.gateway
            .clients()
            .curl(&[&["--ipv4", "--interface", source], args].concat())
    }

    /// What is true of every way in: the server behind and the policies see the client at the other
    /// end of it.
    #[track_caller]
    fn knows_its_clients(&self, url: &str, more: &[&str]) {
        for (source, status) in [("127.0.0.5", 200), ("127.0.0.6", 403)] {
            let answer = self.ask(
                source,
                &[&[format!("{url}/open/{source}").as_str()], more].concat(),
            );
            assert_eq!(answer.status, 200, "{url} from {source}: {answer:?}");
            let requests = self.upstream.requests();
            let head = &requests.last().unwrap().head;
            assert_eq!(head.get("x-forwarded-for"), Some(source), "{url} {head}");
            assert_eq!(head.get("x-real-ip"), Some(source), "{url} {head}");
            assert_eq!(head.get("forwarded"), None, "{url} {head}");
            let answer = self.ask(
                source,
                &[&[format!("{url}/closed").as_str()], more].concat(),
            );
            assert_eq!(answer.status, status, "{url} from {source}: {answer:?}");
        }
    }
}

/// A way in that HAProxy keeps, with what its server line says more.
fn listen(name: &str, port: u16, https: u16, more: &str) -> String {
    format!(
        "listen {name}\n    bind 127.0.0.1:{port}\n    source {BALANCER}\n    server gateway \
         127.0.0.1:{https} {more}\n"
    )
}

#[test]
fn balancers_tell_who_the_client_is_by_the_proxy_protocol() {
    let folder = Folder::new("proxy-protocol");
    let [https, v1, v2, silent, stream, haproxy_up, nginx_up] = free_ports();
    let world = World::new(
        &folder,
        https,
        &format!("proxy_protocol = [\"{BALANCER}\"]"),
    );
    let sections = [
        listen("v1", v1, https, "send-proxy"),
        listen("v2", v2, https, "send-proxy-v2"),
        listen("silent", silent, https, ""),
        // To knock at: on the other ports that would be a client of the gateway, and counted.
        format!("frontend up\n    bind 127.0.0.1:{haproxy_up}\n"),
    ];
    let mut haproxy = Process::haproxy(&folder, "haproxy", "tcp", &sections.concat());
    let mut nginx = Process::nginx(
        &folder,
        "nginx",
        &format!(
            "stream {{\n    server {{\n        listen 127.0.0.1:{nginx_up};\n        return \
             up;\n    }}\n    \
             server {{\n        listen 127.0.0.1:{stream};\n        proxy_bind \
             {BALANCER};\n        \
             proxy_pass 127.0.0.1:{https};\n        proxy_protocol on;\n    }}\n}}\n"
        ),
    );
    haproxy.wait_for(haproxy_up);
    nginx.wait_for(nginx_up);

    // What the client says of itself is not believed, on no way.
    let forged = [
        "-H",
        "X-Forwarded-For: 127.0.0.5",
        "-H",
        "Forwarded: for=127.0.0.5",
    ];
    for port in [v1, v2, stream, https] {
        world.knows_its_clients(&format!("https://localhost:{port}"), &[]);
        world.knows_its_clients(&format!("https://localhost:{port}"), &forged);
    }

    let passed = world.upstream.requests().len();
    let clients = world.gateway.clients();
    let silent = format!("https://localhost:{silent}/open");
    clients.curl_fails(&["--ipv4", "--interface", "127.0.0.5", &silent]);
    let direct = world.gateway.url("/open");
    clients.curl_fails(&[
        "--ipv4",
        "--interface",
        "127.0.0.5",
        "--haproxy-protocol",
        &direct,
    ]);
    assert_eq!(
        world.upstream.requests().len(),
        passed,
        "neither reached the server behind"
    );
    assert_eq!(
        world.gateway.lines("\"error\":\"no PROXY header\"").len(),
        1
    );
    world
        .gateway
        .counts("ianitor_tls_handshakes_total", &[("outcome", "failed")], 1);
}

/// nginx with a way in for each habit of passing the client's address on, all of them over TLS to
/// the gateway.
fn proxies(https: u16, ca: &str, habits: &[(u16, &str)]) -> String {
    let server = |(port, lines): &(u16, &str)| {
        format!(
            "    server {{\n        listen 127.0.0.1:{port};\n        location / {{\n            \
             proxy_pass https://127.0.0.1:{https};\n            proxy_bind \
             {BALANCER};\n            \
             proxy_http_version 1.1;\n            proxy_set_header Host localhost;\n            \
             proxy_ssl_name localhost;\n            proxy_ssl_server_name on;\n            \
             proxy_ssl_verify on;\n            \
             proxy_ssl_trusted_certificate {ca};\n            {lines}\n        }}\n    }}\n"
        )
    };
    let servers: String = habits.iter().map(server).collect();
    format!("http {{\n{servers}}}\n")
}

#[test]
fn proxies_tell_who_the_client_is_by_headers() {
    let folder = Folder::new("trusted-proxies");
    let [https, appends, replaces, forwarded, careless] = free_ports();
    let world = World::new(
        &folder,
        https,
        &format!("trusted_proxies = [\"{BALANCER}\"]"),
    );
    let ca = world.gateway.clients().ca.to_str().unwrap();
    let habits = [
        (
            appends,
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        ),
        (replaces, "proxy_set_header X-Forwarded-For $remote_addr;"),
        (
            forwarded,
            "proxy_set_header Forwarded 'for=127.0.0.66, \
             for=\"$remote_addr:$remote_port\";proto=http;by=_nginx';",
        ),
        (careless, ""),
    ];
    let mut nginx = Process::nginx(&folder, "nginx", &proxies(https, ca, &habits));
    nginx.wait_for(careless);

    let forged = ["-H", "X-Forwarded-For: 127.0.0.5"];
    for port in [appends, replaces] {
        let url = format!("http://127.0.0.1:{port}");
        world.knows_its_clients(&url, &[]);
        world.knows_its_clients(&url, &forged);
    }
    world.knows_its_clients(&format!("http://127.0.0.1:{forwarded}"), &[]);
    world.knows_its_clients(&format!("https://localhost:{https}"), &forged);

    let passed = world.upstream.requests().len();
    // Two chains that do not agree, and chains that only a proxy passes on that does not look at
    // them.
    let refused = |port: u16, header: &str| {
        let url = format!("http://127.0.0.1:{port}/closed");
        let answer = world.ask("127.0.0.5", &["-H", header, &url]);
        assert_eq!(answer.status, 400, "{header}: {answer:?}");
    };
    refused(forwarded, "X-Forwarded-For: 127.0.0.6");
    let broken = [
        "X-Forwarded-For: unknown",
        "X-Forwarded-For: 127.0.0.5,",
        "X-Forwarded-For: 127.0.0.5, 127.1",
        "X-Forwarded-For: 127.0.0.5 127.0.0.5",
        "Forwarded: for=_hidden",
        "Forwarded: for=127.0.0.6;host=\"a, for=127.0.0.5",
        "Forwarded: for=127.0.0.5;for=127.0.0.6",
        "Forwarded: proto=https",
    ];
    broken.iter().for_each(|header| refused(careless, header));
    assert_eq!(
        world.upstream.requests().len(),
        passed,
        "none of them reached the server behind"
    );
    let refusals = u64::try_from(broken.len() + 1).unwrap();
    world.gateway.counts(
        "ianitor_refusals_total",
        &[("reason", "forwarded_chain")],
        refusals,
    );
}
