use super::*;

#[test]
fn sessions_are_remembered_for_longer_than_servers_keep_them_and_not_much_longer() {
    let idle = |protocol: Protocol| {
        let limits = protocol.owner_limits()?;
        Some((limits.idle.as_secs(), limits.idle_objects.as_secs()))
    };
    assert_eq!(idle(Protocol::Http), None);
    assert_eq!(idle(Protocol::Janus), Some((300, 600)));
    assert_eq!(idle(Protocol::Kurento), Some((300, 600)));
    assert_eq!(idle(Protocol::Jitsi), Some((300, 300)));
    assert_eq!(idle(Protocol::Whip), Some((300, 7 * 24 * 3600)));
}

#[test]
fn one_socket_has_many_names() {
    let same = |one: &str, other: &str| {
        let (one, other): (ServerAddr, ServerAddr) = (one.parse().unwrap(), other.parse().unwrap());
        assert_eq!(one.is_same_socket(&other), other.is_same_socket(&one));
        one.is_same_socket(&other)
    };
    let here = "http://127.0.0.1:7088";
    for host in [
        "localhost",
        "127.0.0.2",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "localhost.localdomain",
    ] {
        assert!(same(here, &format!("http://{host}:7088")), "{host}");
        assert!(!same(here, &format!("http://{host}:7089")), "{host}");
    }
    assert!(
        same(here, "https://localhost:7088"),
        "TLS or not, it is one socket"
    );
    assert!(same("http://192.0.2.1:80", "http://[::ffff:192.0.2.1]:80"));
    for other in [
        "http://192.0.2.2:80",
        "http://media.example.com:80",
        "unix:/run/janus.sock",
    ] {
        assert!(!same("http://192.0.2.1:80", other), "{other}");
    }
    assert!(same(
        "http://media.example.com:1",
        "http://MEDIA.example.com:1"
    ));
    assert!(same("unix:/run/janus.sock", "unix:/run/janus.sock"));
}

#[test]
fn servers() {
    for (text, want) in [
        ("http://localhost:8088/", "localhost:8088"),
        ("http://[::1]", "[::1]:80"),
        ("HTTP://127.0.0.1:8088", "127.0.0.1:8088"),
        ("https://media.example.com", "https://media.example.com:443"),
        ("unix:/run/janus.sock", "unix:/run/janus.sock"),
    ] {
        assert_eq!(text.parse::<ServerAddr>().unwrap().to_string(), want);
    }
    for (text, want) in [
        ("127.0.0.1:7088", "\"http://127.0.0.1:7088\""),
        ("media.example.com:443", "\"https://media.example.com:443\""),
        ("localhost", "\"http://localhost\""),
        ("8088", "\"http://127.0.0.1:8088\""),
        (":8088", "\"http://127.0.0.1:8088\""),
        ("::1:8088", "\"http://[::1]:8088\""),
        ("2001:db8::7", "\"http://[2001:db8::7]\""),
        ("127.0.0.1:7088/admin", "\"http://127.0.0.1:7088\""),
        ("//127.0.0.1:7088", "\"http://127.0.0.1:7088\""),
        ("https:127.0.0.1:7089", "\"https://127.0.0.1:7089\""),
        ("a b", "no scheme"),
        ("ws://127.0.0.1:8188", "http://127.0.0.1:8188"),
        ("wss://127.0.0.1:8989/janus", "\"https://127.0.0.1:8989\""),
        (
            "ftp://x:21",
            "not supported, \"ftp\"; write \"http://x:21\"",
        ),
        ("http://x:1/janus", "\"http://x:1\""),
        ("http://x:1/janus", "rewrite = \"/janus\""),
        ("http://", "host and port"),
        ("http://a:b", "host and port"),
        ("http://a:0", "port 0"),
        ("http://a:99999", "65535"),
        ("http://u:p@a:1", "\"http://a:1\""),
        ("http://::1:8088", "\"http://[::1]:8088\""),
        ("unix:run/janus.sock", "\"unix:/run/janus.sock\""),
        ("unix://run/janus.sock", "\"unix:/run/janus.sock\""),
        ("unix:///run/janus.sock", "\"unix:/run/janus.sock\""),
        ("http://unix:/run/janus.sock", "\"unix:/run/janus.sock\""),
        ("/run/janus.sock", "\"unix:/run/janus.sock\""),
    ] {
        let got = text.parse::<ServerAddr>().unwrap_err();
        assert!(got.contains(want), "{text}: {got}");
    }
}

#[test]
fn a_server_knows_itself() {
    let is = |server: &str, authority: &str| {
        server
            .parse::<ServerAddr>()
            .unwrap()
            .is(&authority.parse().unwrap())
    };
    assert!(is("http://127.0.0.1", "127.0.0.1:80"));
    assert!(is("https://a.example", "A.example"));
    assert!(!is("http://a.example", "a.example:443"));
    assert!(!is("unix:/a.example", "a.example"));
}
