use super::*;

#[test]
fn listeners_say_what_is_missing() {
    for (text, want) in [
        ("::", "has no port"),
        ("127.0.0.1", "has no port"),
        (":443", "has no address"),
        ("localhost:443", "\"127.0.0.1:443\""),
        ("127.0.0.1:99999", "is not IP:port"),
    ] {
        let got = text.parse::<ListenAddr>().unwrap_err();
        assert!(got.contains(want), "{text}: {got}");
    }
}

#[test]
fn overlap_is_seen_across_families() {
    let a = |s: &str| s.parse::<ListenAddr>().unwrap();
    assert!(a("[::]:443").overlaps(a("127.0.0.1:443")));
    assert!(a("0.0.0.0:443").overlaps(a("127.0.0.1:443")));
    assert!(!a("0.0.0.0:443").overlaps(a("[::1]:443")));
    assert!(!a("127.0.0.1:443").overlaps(a("127.0.0.2:443")));
    assert!(!a("127.0.0.1:0").overlaps(a("127.0.0.1:0")));
}

#[test]
fn mapped_addresses_are_ipv4() {
    let net: Network = "10.0.0.0/8".parse().unwrap();
    assert!(net.contains(ClientAddr::new("::ffff:10.1.2.3".parse().unwrap())));
    assert!(
        "::ffff:10.0.0.0/104"
            .parse::<Network>()
            .unwrap()
            .contains(ClientAddr::new("10.9.9.9".parse().unwrap()))
    );
    assert_eq!(
        "::ffff:10.0.0.1".parse::<Network>().unwrap().to_string(),
        "10.0.0.1/32"
    );
}

#[test]
fn slips_in_networks_are_named() {
    assert!(
        "10.8.0.5/16"
            .parse::<Network>()
            .unwrap_err()
            .contains("10.8.0.0/16")
    );
    assert!("10.8.0.0/33".parse::<Network>().is_err());
    assert!("localhost".parse::<Network>().is_err());
}

#[test]
fn networks_that_add_up_to_everybody_are_everybody() {
    let nets = |text: &str| {
        text.split(' ')
            .map(|net| net.parse().unwrap())
            .collect::<Vec<Network>>()
    };
    let is = |text: &str| {
        (
            Network::are_all(nets(text)),
            Network::are_everybody(nets(text)),
        )
    };
    for text in [
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1 128.0.0.0/1",
        "8000::/1 10.0.0.0/8 ::/1",
    ] {
        assert_eq!(is(text), (true, true), "{text}");
    }
    let eighths = (0..8)
        .map(|n| format!("{}.0.0.0/3", n * 32))
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(is(&eighths), (true, true));
    assert_eq!(is(&format!("{eighths} 1.2.3.4")), (true, true));
    // Only what nobody on the internet has is left out.
    let unicast = (0..7)
        .map(|n| format!("{}.0.0.0/3", n * 32))
        .collect::<Vec<_>>()
        .join(" ");
    for text in [&*unicast, "2000::/3", "2000::/4 3000::/4", "::ffff:0:0/96"] {
        assert!(is(text).1, "{text}");
    }
    assert!(!is(&unicast).0 && !is("2000::/3").0);
    let with_a_gap = (0..7)
        .filter(|n| *n != 3)
        .map(|n| format!("{}.0.0.0/3", n * 32))
        .collect::<Vec<_>>()
        .join(" ");
    for text in [
        "0.0.0.0/1",
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
        "::1",
        "2001:db8::/32",
        &*with_a_gap,
    ] {
        assert_eq!(is(text), (false, false), "{text}");
    }
    assert_eq!(
        (Network::are_all([]), Network::are_everybody([])),
        (false, false)
    );
}

#[test]
fn an_ipv6_client_is_its_64() {
    let group = |s: &str| ClientAddr::new(s.parse().unwrap()).group();
    assert_eq!(group("2001:db8::1"), group("2001:db8::ffff:1"));
    assert_ne!(group("2001:db8::1"), group("2001:db8:0:1::1"));
    assert_ne!(group("192.0.2.1"), group("192.0.2.2"));
}
