use super::*;

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
        ("https://media.example.com", "https://media.example.com:443"),
        ("unix:/run/janus.sock", "unix:/run/janus.sock"),
    ] {
        assert_eq!(text.parse::<ServerAddr>().unwrap().to_string(), want);
    }
    for (text, want) in [
        ("127.0.0.1:8088", "no scheme"),
        ("ws://127.0.0.1:8188", "http://127.0.0.1:8188"),
        ("wss://127.0.0.1:8989", "https://127.0.0.1:8989"),
        ("ftp://x", "not supported"),
        ("http://x:1/janus", "has a path"),
        ("http://", "host and port"),
        ("http://a:b", "host and port"),
        ("http://a:0", "port 0"),
        ("unix:run/janus.sock", "no absolute path"),
        ("unix://run/janus.sock", "no absolute path"),
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
