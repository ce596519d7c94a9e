//! `health` of an upstream: servers are asked whether they work, and those that do not get no
//! requests while others do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{Frame, TEXT, handshake};
use crate::harness::{Config, Conn, DEADLINE, Then, Upstream, eventually};
use crate::live::{PAGE, UNAUTHORIZED, UNHANDLED, kurento, prosody, rest, switching, websocket};

/// How a server answers its probes. All other requests are answered with `ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Well,
    Error,
    Hang,
    Close,
    NoHttp,
}

const ILL: [Way; 4] = [Way::Error, Way::Hang, Way::Close, Way::NoHttp];

/// A server whose way can be changed.
struct Patient {
    server: Upstream,
    way: Arc<AtomicUsize>,
}

impl Patient {
    fn new(way: Way) -> Self {
        let now = Arc::new(AtomicUsize::new(way as usize));
        let way = Arc::clone(&now);
        let is = move |other: Way| now.load(Ordering::SeqCst) == other as usize;
        let server = Upstream::http(move |request, conn: &mut Conn| {
            const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            let answer = match () {
                () if request.head.target() != "/health" || is(Way::Well) => OK,
                () if is(Way::Error) => "HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n",
                () if is(Way::NoHttp) => "SSH-2.0-OpenSSH_9.2\r\n",
                () if is(Way::Hang) => return conn.wait_for_end().map(|()| Then::Close),
                () => return Ok(Then::Close),
            };
            conn.send(answer).map(|()| Then::Keep)
        });
        Self { server, way }
    }

    fn is_now(&self, way: Way) {
        self.way.store(way as usize, Ordering::SeqCst);
    }

    /// How many requests it has got, not counting probes.
    fn requests(&self) -> usize {
        let requests = self.server.requests().into_iter();
        requests.filter(|r| r.head.target() != "/health").count()
    }
}

const QUICK: &str =
    r#"{ path = "/health", every = "1s", timeout = "1s", up_after = 1, down_after = 1 }"#;

/// An upstream with a route at `/NAME`.
fn upstream(config: Config, name: &str, servers: &[&Upstream], lines: &str) -> Config {
    let servers: Vec<String> = servers.iter().map(|s| format!("{:?}", s.url())).collect();
    let servers = servers.join(", ");
    let table = format!("[upstreams.{name}]\nservers = [{servers}]\n{lines}");
    config.table(&table).route(&format!("/{name}"), name)
}

fn with_status() -> Config {
    Config::new().listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"\nworkers = 2")
}

/// Waits until the probes of a server say this of it.
#[track_caller]
fn has_state(gateway: &GatewayProcess, upstream: &str, server: &Upstream, state: &str) {
    let series = format!(
        "ianitor_upstream_server_health{{upstream=\"{upstream}\",server=\"{}\",\
         state=\"{state}\"}} 1",
        server.addr
    );
    let is_so = || gateway.metrics().lines().any(|line| line == series);
    let end = std::time::Instant::now() + DEADLINE;
    while !is_so() && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let events = || gateway.events().join("\n");
    assert!(is_so(), "{upstream} is not {state}:\n{}", events());
}

#[test]
fn a_server_that_is_ill_in_any_way_gets_no_requests_until_it_is_well() {
    let pairs = ILL.map(|way| {
        (
            format!("{way:?}"),
            Patient::new(way),
            Patient::new(Way::Well),
        )
    });
    let health = format!("health = {QUICK}");
    let config = pairs
        .iter()
        .fold(with_status(), |config, (name, ill, well)| {
            upstream(config, name, &[&ill.server, &well.server], &health)
        });
    let gateway = GatewayProcess::start(&config);
    for (name, ill, well) in &pairs {
        has_state(&gateway, name, &ill.server, "down");
        has_state(&gateway, name, &well.server, "up");
        for _ in 0..10 {
            let answer = gateway.dial().h1().get(&format!("/{name}"));
            assert_eq!((answer.status(), ill.requests()), (200, 0), "{name}");
        }
        assert_eq!(well.requests(), 10, "{name}");
    }
    for (name, ill, _) in &pairs {
        ill.is_now(Way::Well);
        has_state(&gateway, name, &ill.server, "up");
        eventually("it is used again", || {
            gateway.dial().h1().get(&format!("/{name}"));
            ill.requests() > 0
        });
    }
    let events = gateway.events();
    let said = |text: &str| events.iter().filter(|line| line.contains(text)).count();
    assert_eq!(said("a server is down: its probes fail"), 4, "{events:#?}");
    assert_eq!(said("a server is up again"), 4, "{events:#?}");
    for words in [
        "answers HTTP 500",
        "no answer within 1s",
        "no answer by HTTP: ",
    ] {
        assert!(said(words) > 0, "{words}: {events:#?}");
    }
}

#[test]
fn servers_are_asked_all_the_same_where_none_is_up() {
    let patients = [Patient::new(Way::Error), Patient::new(Way::Error)];
    let servers = [&patients[0].server, &patients[1].server];
    let config = upstream(with_status(), "app", &servers, &format!("health = {QUICK}"));
    let gateway = GatewayProcess::start(&config);
    for server in servers {
        has_state(&gateway, "app", server, "down");
    }
    for _ in 0..4 {
        assert_eq!(gateway.dial().h1().get("/app").status(), 200);
    }
    assert!(patients.iter().all(|patient| patient.requests() > 0));
}

#[test]
fn a_reload_changes_starts_and_stops_probes() {
    let (ill, well) = (Patient::new(Way::Well), Patient::new(Way::Well));
    let config = |health: &str| {
        let servers = [&ill.server, &well.server];
        upstream(with_status(), "app", &servers, health)
    };
    let seldom = QUICK.replace("every = \"1s\"", "every = \"1h\"");
    let gateway = GatewayProcess::start(&config(&format!("health = {seldom}")));
    has_state(&gateway, "app", &ill.server, "up");
    ill.is_now(Way::Hang);
    gateway.hang_up(&config(&format!("health = {QUICK}")).text());
    has_state(&gateway, "app", &ill.server, "down");
    // The probe that hangs is given up with the task.
    gateway.hang_up(&config("").text());
    eventually("no state is left", || {
        !gateway
            .metrics()
            .contains("ianitor_upstream_server_health{")
    });
    ill.server.is_left_by_all();
    eventually("it is used again", || {
        gateway.dial().h1().get("/app");
        ill.requests() > 0
    });
    gateway.hang_up(&config(&format!("health = {QUICK}")).text());
    has_state(&gateway, "app", &ill.server, "down");
    has_state(&gateway, "app", &well.server, "up");
}

#[test]
fn each_protocol_is_asked_by_what_it_has() {
    let port = Upstream::raw(|conn| conn.wait_for_end());
    let own_page = "a page of our own";
    let cases = [
        ("rest", "janus", rest("/janus", UNHANDLED), "up"),
        (
            "socket",
            "janus",
            websocket("janus-protocol", UNHANDLED),
            "up",
        ),
        (
            "operators",
            "janus-admin",
            rest("/admin", UNAUTHORIZED),
            "up",
        ),
        (
            "operators-ws",
            "janus-admin",
            websocket("janus-admin-protocol", UNAUTHORIZED),
            "up",
        ),
        ("kurento", "kurento", kurento(), "up"),
        ("xmpp", "jitsi", prosody(own_page), "up"),
        ("http-bind", "jitsi", prosody(PAGE), "up"),
        ("whip", "whip", port, "up"),
        // Something else than it is said to be.
        ("no-janus", "janus", Upstream::ok(), "down"),
        ("admin-port", "janus", rest("/admin", UNAUTHORIZED), "down"),
        ("no-admin", "janus-admin", rest("/janus", UNHANDLED), "down"),
        ("no-kurento", "kurento", Upstream::ok(), "down"),
        (
            "no-prosody",
            "jitsi",
            Upstream::answering_last("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            "down",
        ),
    ];
    let mut config = with_status().policy("operators", "\"192.0.2.1\"");
    for (name, protocol, server, _) in &cases {
        let path = match *name {
            "xmpp" => "/xmpp-websocket",
            "http-bind" => "/http-bind",
            "kurento" => "/kurento",
            _ => "/",
        };
        let lines = format!("host = \"{name}.test\"\npolicy = \"operators\"");
        let table = format!(
            "[upstreams.{name}]\nservers = [\"{}\"]\nprotocol = \"{protocol}\"\n\
             health = {{ every = \"1s\", down_after = 1 }}",
            server.url()
        );
        config = config.table(&table).route_with(path, name, &lines);
    }
    let gateway = GatewayProcess::start(&config);
    for (name, _, server, state) in &cases {
        has_state(&gateway, name, server, state);
    }
    for words in [
        "Janus 1.1.2, REST API at /janus, accepts sessions",
        "Janus 1.1.2, WebSocket API, accepts sessions",
        "Janus, ADMIN REST API at /admin",
        "Kurento, control port at /kurento",
        "a server of XMPP, WebSocket at /xmpp-websocket",
        "a server of XMPP, BOSH at /http-bind",
        "no answer of the Janus API at the paths that routes lead to",
    ] {
        gateway.event(words);
    }
}

/// Janus' WebSocket port. Until the test says so, it accepts no new sessions.
fn draining_janus(accepts: &Arc<AtomicUsize>) -> Upstream {
    let accepts = Arc::clone(accepts);
    Upstream::http(move |request, conn| {
        conn.send(switching(
            request,
            "Sec-WebSocket-Protocol: janus-protocol\r\n",
        ))?;
        loop {
            let frame = conn.wire.frame()?;
            let accepts = accepts.load(Ordering::SeqCst) == 1;
            let answer = match frame.payload.windows(6).any(|text| text == b"\"ping\"") {
                true => r#"{"janus": "pong"}"#.to_owned(),
                false => {
                    format!(r#"{{"janus": "server_info", "accepting-new-sessions": {accepts}}}"#)
                }
            };
            if frame.opcode != TEXT {
                return Ok(Then::Close);
            }
            conn.send(Frame::from_server(TEXT, answer).bytes())?;
        }
    })
}

#[test]
fn a_janus_that_accepts_no_new_sessions_keeps_its_clients_and_gets_no_others() {
    let accepts = [0, 1].map(|accepts| Arc::new(AtomicUsize::new(accepts)));
    let janus = [0, 1].map(|at| draining_janus(&accepts[at]));
    let config = upstream(
        with_status(),
        "janus",
        &[&janus[0], &janus[1]],
        "protocol = \"janus\"\nhealth = { every = \"1s\" }",
    );
    let gateway = GatewayProcess::start(&config);
    has_state(&gateway, "janus", &janus[0], "full");
    has_state(&gateway, "janus", &janus[1], "up");
    gateway.event("a server accepts no new sessions");
    let of_clients = |janus: &Upstream| {
        let heads = janus.heads();
        let is_probe = |agent: &str| agent.contains("(health)");
        let agents = heads.iter().map(|head| head.get("user-agent"));
        agents.filter(|agent| !agent.is_some_and(is_probe)).count()
    };
    let join = |source: u8| {
        let mut client = gateway.dial().from(&format!("127.0.0.{source}")).h1();
        let subprotocol = "Sec-WebSocket-Protocol: janus-protocol\r\n";
        client.send(handshake("/janus", subprotocol));
        assert_eq!(client.head().status(), 101);
        client
    };
    let _clients: Vec<_> = (2..18).map(join).collect();
    assert_eq!((of_clients(&janus[0]), of_clients(&janus[1])), (0, 16));
    accepts[0].store(1, Ordering::SeqCst);
    has_state(&gateway, "janus", &janus[0], "up");
    let _more: Vec<_> = (2..18).map(join).collect();
    assert!(of_clients(&janus[0]) > 0);
    gateway.event("a server accepts new sessions again");
}
