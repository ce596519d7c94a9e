//! Jitsi's video bridges: the path of a request names its server by an id of a list, and never
//! leads anywhere else.

use crate::harness::websocket::{echo, handshake, is_alive};
use crate::harness::{Client, Config, TestGateway, Upstream};

/// A gateway whose bridges are at these addresses, as the table is written.
fn config(bridges: &str) -> Config {
    Config::new()
        .listen("https = [\"127.0.0.1:0\"]\nworkers = 2\nstatus = \"127.0.0.1:0\"")
        .table(&format!("[upstreams.jvb]\nbridges = {{ {bridges} }}"))
        .route("/colibri-ws", "jvb")
}

fn listed(ids: &[(&str, &str)]) -> Config {
    let entry = |(id, url): &(&str, &str)| format!("{id} = \"{url}\"");
    config(&ids.iter().map(entry).collect::<Vec<_>>().join(", "))
}

#[track_caller]
fn open(gateway: &TestGateway, target: &str) -> Client {
    let mut client = gateway.client();
    client.send(handshake(target, ""));
    assert_eq!(client.head().status(), 101);
    is_alive(&mut client);
    client
}

#[track_caller]
fn is_closed_as_changed(client: &mut Client) {
    let close = client.wire.frame().unwrap().close();
    assert_eq!(close, (1008, "target changed".to_owned()));
}

/// An address where nothing listens.
fn down() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn the_first_segment_behind_the_route_names_the_bridge() {
    let (one, other) = (echo(), Upstream::ok());
    let gateway = TestGateway::start(&listed(&[
        ("jvb1", &one.url()),
        ("\"b_2.x-y\"", &other.url()),
    ]));
    let target = "/colibri-ws/jvb1/aula/4f2a?pwd=geheim&x=%2f";
    let _open = open(&gateway, target);
    let mut client = gateway.client();
    for target in [
        "/colibri-ws/b_2.x-y",
        "/colibri-ws/b_2%2Ex%2dy/?pwd=1",
        "/colibri-ws/b_2.x-y/a",
    ] {
        assert_eq!(client.get(target).status(), 200, "{target}");
    }
    let heads = one.heads();
    assert_eq!(heads.len(), 1);
    assert_eq!(heads[0].target(), target);
    assert_eq!(other.heads().len(), 3);
    let line = &gateway.access.lines(3)[0];
    assert!(!line.contains("geheim"), "{line}");
}

#[test]
fn an_id_that_is_not_listed_leads_nowhere() {
    let (bridge, elsewhere) = (Upstream::ok(), Upstream::ok());
    let host = elsewhere.addr;
    let gateway = TestGateway::start(&listed(&[("jvb1", &bridge.url())]));
    let mut client = gateway.client();
    let targets = [
        "/colibri-ws".to_owned(),
        "/colibri-ws/".to_owned(),
        "/colibri-ws/jvb2/aula/1".to_owned(),
        "/colibri-ws/JVB1/aula/1".to_owned(),
        "/colibri-ws/jvb1;x/aula/1".to_owned(),
        "/colibri-ws/jvb1%20/aula/1".to_owned(),
        "/colibri-ws/jvb/jvb1".to_owned(),
        "/colibri-ws/127.0.0.1/aula/1".to_owned(),
        format!("/colibri-ws/{host}/aula/1"),
        format!("/colibri-ws/jvb1@{host}/aula/1"),
    ];
    for target in &targets {
        assert_eq!(client.get(target).status(), 404, "{target}");
        let mut websocket = gateway.client();
        assert_eq!(
            websocket.ask(handshake(target, "")).status(),
            404,
            "{target}"
        );
    }
    assert_eq!((bridge.accepted(), elsewhere.accepted()), (0, 0));
    let lines = gateway.access.lines(2 * targets.len());
    let rejected = lines.iter().filter(|line| line.contains(" reason=bridge "));
    assert_eq!(rejected.count(), 2 * targets.len(), "{lines:#?}");
}

#[test]
fn a_bridge_that_is_down_is_never_replaced_by_another() {
    let bridge = Upstream::ok();
    let gateway = TestGateway::start(&listed(&[("jvb1", &down()), ("jvb2", &bridge.url())]));
    let mut client = gateway.client();
    for _ in 0..3 {
        assert_eq!(client.get("/colibri-ws/jvb1/aula/1").status(), 502);
        assert_eq!(client.get("/colibri-ws/jvb2/aula/1").status(), 200);
    }
    assert_eq!(bridge.heads().len(), 3);
    let named = format!("server=\"jvb2={}\"", bridge.addr);
    crate::harness::eventually("both states in the metrics", || {
        let (_, metrics) = gateway.status("/metrics");
        let up = |name: &str, up: &str| {
            metrics.lines().any(|line| {
                line.starts_with("ianitor_upstream_server_up")
                    && line.contains(name)
                    && line.ends_with(up)
            })
        };
        up("server=\"jvb1=", " 0") && up(&named, " 1")
    });
    let (_, page) = gateway.status("/");
    assert!(
        page.contains(&format!("<code>jvb2={}</code>", bridge.addr)),
        "{page}"
    );
}

#[test]
fn a_reload_closes_the_sockets_of_bridges_that_it_moves_or_removes_and_no_others() {
    let (one, two, three) = (echo(), echo(), echo());
    let urls = [one.url(), two.url(), three.url()];
    let [a, b, c] = &urls;
    let mut gateway = TestGateway::start(&listed(&[("jvb1", a), ("jvb2", b), ("jvb3", c)]));
    let mut sockets: Vec<_> = (1..=3)
        .map(|n| open(&gateway, &format!("/colibri-ws/jvb{n}/aula/1?pwd=x")))
        .collect();
    // The order of the list is of no importance.
    gateway.reload(&listed(&[("jvb3", c), ("jvb1", a), ("jvb2", b)]));
    sockets.iter_mut().for_each(is_alive);
    // Both addresses are still there, and yet each of the two ids leads elsewhere.
    gateway.reload(&listed(&[("jvb1", b), ("jvb2", a), ("jvb3", c)]));
    is_closed_as_changed(&mut sockets[0]);
    is_closed_as_changed(&mut sockets[1]);
    is_alive(&mut sockets[2]);
    let mut moved = open(&gateway, "/colibri-ws/jvb1/aula/1");
    assert_eq!(two.heads().len(), 2);
    gateway.reload(&listed(&[("jvb1", b)]));
    is_closed_as_changed(&mut sockets[2]);
    is_alive(&mut moved);
    assert_eq!(
        gateway.client().get("/colibri-ws/jvb3/aula/1").status(),
        404
    );
}

#[test]
fn bridges_may_be_the_upstream_of_the_websockets_of_a_route() {
    let (page, bridge) = (Upstream::ok(), echo());
    let (page_url, url) = (page.url(), bridge.url());
    let config = Config::new()
        .upstream("page", &page_url)
        .table(&format!("[upstreams.jvb.bridges]\njvb1 = \"{url}\""))
        .route_with("/meet", "page", "policy = \"open\"\nwebsocket = \"jvb\"");
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.client().get("/meet/jvb2/x").status(), 200);
    let _open = open(&gateway, "/meet/jvb1/x");
    assert_eq!(
        gateway.client().ask(handshake("/meet/jvb2/x", "")).status(),
        404
    );
    assert_eq!((page.heads().len(), bridge.heads().len()), (1, 1));
}
