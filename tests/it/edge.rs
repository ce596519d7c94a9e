//! Who stands in front of the gateway, and what it lets pass without looking in.

use std::io::{Read as _, Write as _};

use crate::harness::{Config, Dial, TestGateway, Upstream};

/// A gateway that hears PROXY headers from one address of this machine and believes what another
/// says in headers.
fn world() -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let config = Config::new()
        .listen(
            "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nworkers = 2\n\
             proxy_protocol = [\"127.0.0.5\"]\ntrusted_proxies = [\"127.0.0.6\"]",
        )
        .upstream("app", &upstream.url())
        .policy("lan", "\"192.0.2.0/24\", \"2001:db8::/32\"")
        .route("/", "app")
        .route_with("/admin", "app", "policy = \"lan\"");
    (upstream, TestGateway::start(&config))
}

/// What the gateway answers behind a balancer that says this first; `None` if it closes.
fn announced(dial: &Dial, header: &[u8], target: &str) -> Option<u16> {
    let mut tcp = dial.tcp();
    tcp.write_all(header).unwrap();
    let tls = dial.tls_over(tcp, dial.config(&["http/1.1"])).ok()?;
    Some(crate::harness::Client::new(tls).get(target).status())
}

#[test]
fn a_balancer_says_who_the_client_is() {
    let (upstream, gateway) = world();
    let dial = gateway.dial().from("127.0.0.5");
    let v2 = |source: [u8; 4]| {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend(source);
        header.extend([127, 0, 0, 1, 1, 2, 1, 0xbb]);
        header
    };
    for (header, target, status) in [
        (
            b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 443\r\n".to_vec(),
            "/admin",
            Some(200),
        ),
        (
            b"PROXY TCP6 2001:db8::7 ::1 5000 443\r\n".to_vec(),
            "/admin",
            Some(200),
        ),
        (
            b"PROXY TCP4 198.51.100.7 127.0.0.1 5000 443\r\n".to_vec(),
            "/admin",
            Some(403),
        ),
        (v2([192, 0, 2, 9]), "/admin", Some(200)),
        (v2([198, 51, 100, 9]), "/admin", Some(403)),
        (b"PROXY UNKNOWN\r\n".to_vec(), "/", Some(200)),
        (b"PROXY UNKNOWN\r\n".to_vec(), "/admin", Some(403)),
        // From a balancer it is required, and must be right.
        (Vec::new(), "/", None),
        (b"PROXY TCP4 rubbish\r\n".to_vec(), "/", None),
    ] {
        assert_eq!(announced(&dial, &header, target), status, "{header:?}");
    }
    let told: Vec<_> = upstream
        .heads()
        .iter()
        .map(|head| head.get("x-forwarded-for").unwrap().to_owned())
        .collect();
    assert_eq!(told, ["192.0.2.7", "2001:db8::7", "192.0.2.9", "127.0.0.5"]);
    gateway.is_left_by_all();
}

#[test]
fn nobody_else_is_heard() {
    let (upstream, gateway) = world();
    let header = b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 443\r\n";
    assert_eq!(announced(&gateway.dial(), header, "/admin"), None);
    assert!(upstream.heads().is_empty());
    assert_eq!(gateway.client().get("/").status(), 200);
}

#[test]
fn a_trusted_proxy_is_believed_and_nobody_else() {
    let (upstream, gateway) = world();
    let ask = |from: &str, headers: &str| {
        let request = format!("GET /admin HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        gateway.dial().from(from).h1().ask(request).status()
    };
    for (from, headers, status) in [
        ("127.0.0.6", "X-Forwarded-For: 192.0.2.7\r\n", 200),
        (
            "127.0.0.6",
            "X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\n",
            403,
        ),
        (
            "127.0.0.6",
            "X-Forwarded-For: 198.51.100.1, 192.0.2.7, 127.0.0.6\r\n",
            200,
        ),
        (
            "127.0.0.6",
            "Forwarded: for=\"[2001:db8::1]:5\";proto=https\r\n",
            200,
        ),
        (
            "127.0.0.6",
            "Forwarded: for=192.0.2.7\r\nX-Forwarded-For: 192.0.2.8\r\n",
            400,
        ),
        ("127.0.0.6", "X-Forwarded-For: 192.0.2.7, rubbish\r\n", 400),
        ("127.0.0.6", "", 403),
        ("127.0.0.7", "X-Forwarded-For: 192.0.2.7\r\n", 403),
    ] {
        assert_eq!(ask(from, headers), status, "{from} {headers}");
    }
    let told: Vec<_> = upstream
        .heads()
        .iter()
        .map(|head| head.get("x-forwarded-for").unwrap().to_owned())
        .collect();
    assert_eq!(told, ["192.0.2.7", "192.0.2.7", "2001:db8::1"]);
    assert!(
        upstream
            .heads()
            .iter()
            .all(|head| head.get("forwarded").is_none())
    );
}

/// Asks for `/admin` as a proxy at this address, with these lines of a head.
fn ask_from(gateway: &TestGateway, from: &str, lines: &str) -> u16 {
    let request = format!("GET /admin HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    gateway.dial().from(from).h1().ask(request).status()
}

#[test]
fn a_header_names_the_client_where_a_trusted_proxy_sends_it() {
    let upstream = Upstream::ok();
    let config = Config::new()
        .listen(
            "https = [\"127.0.0.1:0\"]\nworkers = 2\ntrusted_proxies = [\"127.0.0.6\"]\n\
             client_address_header = \"CF-Connecting-IP\"",
        )
        .upstream("app", &upstream.url())
        .policy("lan", "\"192.0.2.0/24\", \"2001:db8::/32\"")
        .route_with("/admin", "app", "policy = \"lan\"");
    let gateway = TestGateway::start(&config);
    for (from, lines, status) in [
        ("127.0.0.6", "CF-Connecting-IP: 192.0.2.7\r\n", 200),
        ("127.0.0.6", "CF-Connecting-IP: 2001:db8::7\r\n", 200),
        ("127.0.0.6", "CF-Connecting-IP: 198.51.100.7\r\n", 403),
        // It goes before the chain, which counts where it is missing.
        (
            "127.0.0.6",
            "CF-Connecting-IP: 198.51.100.7\r\nX-Forwarded-For: 192.0.2.7\r\n",
            403,
        ),
        ("127.0.0.6", "X-Forwarded-For: 192.0.2.8\r\n", 200),
        (
            "127.0.0.6",
            "CF-Connecting-IP: 192.0.2.7, 192.0.2.8\r\n",
            400,
        ),
        (
            "127.0.0.6",
            "CF-Connecting-IP: 192.0.2.7\r\nCF-Connecting-IP: 192.0.2.7\r\n",
            400,
        ),
        ("127.0.0.6", "CF-Connecting-IP: unknown\r\n", 400),
        ("127.0.0.7", "CF-Connecting-IP: 192.0.2.7\r\n", 403),
    ] {
        assert_eq!(ask_from(&gateway, from, lines), status, "{from} {lines}");
    }
    let named: Vec<_> = upstream
        .heads()
        .iter()
        .map(|head| {
            let of = |name| head.get(name).map(str::to_owned);
            (of("x-forwarded-for").unwrap(), of("cf-connecting-ip"))
        })
        .collect();
    let both = |client: &str| (client.to_owned(), Some(client.to_owned()));
    assert_eq!(
        named,
        [
            both("192.0.2.7"),
            both("2001:db8::7"),
            ("192.0.2.8".to_owned(), None)
        ]
    );
}

#[test]
fn a_field_that_names_the_client_passes_only_from_a_trusted_proxy_and_with_its_address() {
    let (upstream, gateway) = world();
    let fields = |client: &str| {
        ["Client-IP", "True-Client-IP", "CF-Connecting-IP"]
            .map(|name| format!("{name}: {client}\r\n"))
            .concat()
    };
    let chain = "X-Forwarded-For: 192.0.2.7\r\n";
    let others = "Proxy: http://evil\r\nX-Original-URL: /x\r\nX-Rewrite-URL: /x\r\n";
    for (from, lines, passes) in [
        ("127.0.0.6", fields("192.0.2.7") + chain + others, true),
        ("127.0.0.6", fields("10.0.0.1") + chain + others, false),
        ("127.0.0.1", fields("127.0.0.1") + chain + others, false),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        gateway.dial().from(from).h1().ask(request);
        let head = upstream.heads().pop().unwrap();
        for name in ["client-ip", "true-client-ip", "cf-connecting-ip"] {
            assert_eq!(
                head.get(name),
                passes.then_some("192.0.2.7"),
                "{from} {head}"
            );
        }
        for name in ["proxy", "x-original-url", "x-rewrite-url"] {
            assert_eq!(head.get(name), None, "{from} {head}");
        }
    }
}

/// A server that says what it was sent first, and then echoes.
fn first_bytes() -> Upstream {
    Upstream::raw(|conn| {
        let mut bytes = [0; 4096];
        loop {
            let n = conn.wire.stream.read(&mut bytes)?;
            if n == 0 {
                return Ok(());
            }
            conn.send(&bytes[..n])?;
        }
    })
}

fn passing(upstream: &Upstream, target: &Upstream, lines: &str) -> Config {
    let to = target.addr;
    Config::to(upstream)
        .table(&format!(
            "[[passthrough]]\nsni = \"turn.test\"\nto = \"{to}\"\n{lines}"
        ))
        .table(&format!(
            "[[passthrough]]\nsni = \"*.turn.test\"\nto = \"{to}\"\n{lines}"
        ))
}

/// The first flight of a TLS client.
fn hello(dial: &Dial) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut client =
        rustls::ClientConnection::new(dial.config(&["h2"]), dial.server_name()).unwrap();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn tls_of_another_server_is_passed_through_untouched() {
    let (upstream, target) = (Upstream::ok(), first_bytes());
    let gateway = TestGateway::start(&passing(&upstream, &target, ""));
    for name in ["turn.test", "a.turn.test"] {
        let dial = gateway.dial().name(name);
        let bytes = hello(&dial);
        let mut tcp = dial.tcp();
        // In pieces: the name is found however the ClientHello arrives.
        for piece in bytes.chunks(40) {
            tcp.write_all(piece).unwrap();
        }
        let mut echoed = vec![0; bytes.len()];
        tcp.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, bytes);
        tcp.write_all(b"not TLS at all, and none of our business")
            .unwrap();
        let mut more = [0; 40];
        tcp.read_exact(&mut more).unwrap();
        assert_eq!(&more, b"not TLS at all, and none of our business");
    }
    // Our own names are ours, though every ClientHello is looked at now.
    assert_eq!(gateway.client().get("/").status(), 200);
    assert_eq!(gateway.dial().h2().get("/").status, 200);
    gateway
        .dial()
        .name("b.a.turn.test")
        .tls(&[])
        .expect_err("nobody serves that name");
    gateway.is_left_by_all();
    let lines: Vec<_> = gateway
        .access
        .lines(4)
        .into_iter()
        .filter(|line| line.contains(" tunnel "))
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("host=\"turn.test\"") && line.contains("end=client")),
        "{lines:#?}"
    );
}

/// The same ClientHello in records of so many bytes each.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let (head, body) = hello.split_at(5);
    let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
    assert_eq!(length, body.len(), "it came in one record");
    let record =
        |piece: &[u8]| [&head[..3], &(piece.len() as u16).to_be_bytes()[..], piece].concat();
    body.chunks(size).flat_map(record).collect()
}

#[test]
fn a_hello_over_several_records_is_as_good_as_one() {
    let (upstream, target) = (Upstream::ok(), first_bytes());
    let gateway = TestGateway::start(&passing(&upstream, &target, ""));
    for size in [1, 3, 100, 1000] {
        let dial = gateway.dial().name("turn.test");
        let bytes = in_records(&hello(&dial), size);
        let mut tcp = dial.tcp();
        // In pieces that are no records either.
        for piece in bytes.chunks(700) {
            tcp.write_all(piece).unwrap();
        }
        let mut echoed = vec![0; bytes.len()];
        tcp.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, bytes, "in records of {size}");
        // Our own names are answered by a ServerHello.
        let mut tcp = gateway.dial().tcp();
        tcp.write_all(&in_records(&hello(&gateway.dial()), size))
            .unwrap();
        let mut start = [0; 6];
        tcp.read_exact(&mut start).unwrap();
        assert_eq!((start[0], start[5]), (0x16, 2), "in records of {size}");
    }
    gateway.is_left_by_all();
}

#[test]
fn the_other_server_may_be_told_who_the_client_is() {
    let (upstream, target) = (Upstream::ok(), first_bytes());
    let gateway = TestGateway::start(&passing(&upstream, &target, "proxy_protocol = true"));
    let dial = gateway.dial().name("turn.test").from("127.0.0.9");
    let bytes = hello(&dial);
    let mut tcp = dial.tcp();
    tcp.write_all(&bytes).unwrap();
    let mut echoed = vec![0; 28 + bytes.len()];
    tcp.read_exact(&mut echoed).unwrap();
    assert_eq!(
        &echoed[..20],
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x09"
    );
    assert_eq!(&echoed[28..], bytes);
}

#[test]
fn the_other_server_is_told_of_a_client_of_another_family() {
    let (upstream, target) = (Upstream::ok(), first_bytes());
    let listen =
        "https = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\nproxy_protocol = [\"127.0.0.5\"]";
    let gateway =
        TestGateway::start(&passing(&upstream, &target, "proxy_protocol = true").listen(listen));
    let dial = gateway.dial().name("turn.test").from("127.0.0.5");
    let bytes = hello(&dial);
    let mut tcp = dial.tcp();
    tcp.write_all(b"PROXY TCP6 2001:db8::1 ::1 258 2\r\n")
        .unwrap();
    tcp.write_all(&bytes).unwrap();
    let mut echoed = vec![0; 52 + bytes.len()];
    tcp.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed[..16], b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24");
    assert_eq!(
        echoed[16..32],
        "2001:db8::1"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets()
    );
    assert_eq!(
        echoed[32..48],
        "::ffff:127.0.0.1"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets()
    );
    assert_eq!(echoed[48..50], [1, 2]);
    assert_eq!(&echoed[52..], bytes);
}

#[test]
fn a_hello_that_is_none_or_never_ends_is_cut() {
    let (upstream, target) = (Upstream::ok(), first_bytes());
    let config = passing(&upstream, &target, "").limits("header_timeout = \"1s\"");
    let gateway = TestGateway::start(&config);
    for bytes in [
        b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03".to_vec(),
        b"\x16\x03\x01".to_vec(),
        vec![0x16; 40_000],
    ] {
        let mut tcp = gateway.dial().tcp();
        // It may be closed before all is written.
        let _ = tcp.write_all(&bytes);
        let mut rest = Vec::new();
        let _ = tcp.read_to_end(&mut rest);
        assert!(rest.len() < 100, "an alert at most: {rest:?}");
    }
    assert_eq!(gateway.client().get("/").status(), 200);
    assert!(target.heads().is_empty());
    gateway.is_left_by_all();
}

#[test]
fn a_reload_ends_what_is_no_longer_passed_through() {
    let (upstream, target) = (Upstream::ok(), first_bytes());
    let mut gateway = TestGateway::start(&passing(&upstream, &target, ""));
    let dial = gateway.dial().name("turn.test");
    let bytes = hello(&dial);
    let mut tcp = dial.tcp();
    tcp.write_all(&bytes).unwrap();
    let mut echoed = vec![0; bytes.len()];
    tcp.read_exact(&mut echoed).unwrap();
    gateway.reload(&passing(&upstream, &target, "proxy_protocol = true"));
    tcp.write_all(b"still here").unwrap();
    tcp.read_exact(&mut echoed[..10]).unwrap();
    gateway.reload(&Config::to(&upstream));
    assert_eq!(tcp.read(&mut echoed).unwrap_or(0), 0);
    gateway.is_left_by_all();
}
