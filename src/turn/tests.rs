use super::*;

const NOW: UnixTime = UnixTime(1_795_283_000);

fn turn(secret: &[u8]) -> Turn {
    let spec = TurnSpec {
        name: "coturn".into(),
        secrets: Secrets {
            signing: SecretSource::File("secret".into()),
            former: None,
        },
        uris: ["turn:relay.example".parse().unwrap()].into(),
        ttl: TurnSpec::TTL,
        api_keys_file: None,
    };
    Turn::new(spec.into(), &Secret::new(secret.to_vec()), None)
}

/// RFC 2202, section 3: test cases 1, 2 and 6.
#[test]
fn the_password_is_an_hmac_sha1() {
    for (key, text, want) in [
        (&[0x0b; 20][..], "Hi There", "thcxhlUFcmTii8C2+zeMjvFGvgA="),
        (
            b"Jefe",
            "what do ya want for nothing?",
            "7/zfauXrL6LSdBbV8YTfnCWafHk=",
        ),
        (
            &[0xaa; 80],
            "Test Using Larger Than Block-Size Key - Hash Key First",
            "qkrl4VJy0A6VcFY3zoo7Ve1AIRI=",
        ),
    ] {
        assert_eq!(&**turn(key).password(text).reveal(), want);
    }
}

#[test]
fn the_name_has_the_expiry_in_front() {
    let subject = Subject::new("alice").unwrap();
    let credential = turn(b"north").credential(NOW, &subject, Duration::from_millis(600_900));
    assert_eq!(
        (&*credential.username, credential.ttl),
        ("1795283600:alice", 600)
    );
    assert_eq!(
        credential.password.reveal(),
        turn(b"north").password("1795283600:alice").reveal()
    );
    assert_ne!(
        credential.password.reveal(),
        turn(b"south").password("1795283600:alice").reveal()
    );
    assert!(!format!("{credential:?}").contains(&**credential.password.reveal()));
}

#[test]
fn one_object_has_both_shapes() {
    let uris: [TurnUri; 2] =
        ["turn:relay.example?transport=udp", "turns:relay.example"].map(|uri| uri.parse().unwrap());
    let credential = turn(b"north").credential(NOW, &Subject::client(), Duration::from_secs(60));
    let got: serde_json::Value = serde_json::from_str(&credential.to_json(&uris)).unwrap();
    let (username, password) = ("1795283060:client", credential.password.reveal());
    let uris = [
        "turn:relay.example:3478?transport=udp",
        "turns:relay.example:5349",
    ];
    let want = json!({
        "username": username, "password": password, "ttl": 60, "uris": uris,
        "iceServers": [{ "urls": uris, "username": username, "credential": password }],
    });
    assert_eq!(got, want);
    assert!(got["ttl"].is_u64());
}

#[test]
fn a_subject_is_plain_and_bounded_whoever_chose_it() {
    for (text, want) in [
        ("alice@example.com", "alice@example.com"),
        ("2006891190800311", "2006891190800311"),
        ("auth0|5f:1", "auth0|5f:1"),
        ("a b\r\n\0\"'\\<%/", "a_b_________"),
        ("ünï\u{202e}", "_n__"),
    ] {
        assert_eq!(&*Subject::new(text).unwrap().0, want);
    }
    assert_eq!(Subject::new(&"ä".repeat(10_000)).unwrap().0.len(), 128);
    assert_eq!(Subject::new(""), None);
}

#[test]
fn a_uri_always_has_its_port() {
    for (text, want) in [
        ("turn:turn.example.com", "turn:turn.example.com:3478"),
        (
            "turns:turn.example.com?transport=tcp",
            "turns:turn.example.com:5349?transport=tcp",
        ),
        ("stun:192.0.2.1", "stun:192.0.2.1:3478"),
        (
            "TURN:Turn.Example.COM.:80?transport=udp",
            "turn:turn.example.com:80?transport=udp",
        ),
        ("turn:[2001:db8:0::1]", "turn:[2001:db8::1]:3478"),
    ] {
        assert_eq!(text.parse::<TurnUri>().unwrap().to_string(), want);
    }
}

#[test]
fn what_is_no_turn_uri_is_refused() {
    use uri::BadUri as B;
    for (text, why) in [
        ("", B::Scheme),
        ("turn.example.com:3478", B::Scheme),
        ("stuns:turn.example.com", B::Scheme),
        ("https://turn.example.com", B::Scheme),
        (" turn:turn.example.com", B::Scheme),
        ("turn://turn.example.com", B::Slashes),
        ("turn:user@turn.example.com", B::User),
        ("turn:2001:db8::1", B::Brackets),
        ("turn:", B::Host),
        ("turn::3478", B::Host),
        ("turn:turn.example.com:", B::Host),
        ("turn:turn.example.com:0", B::Host),
        ("turn:turn.example.com:65536", B::Host),
        ("turn:turn.example.com/x", B::Host),
        ("turn:turn example.com", B::Host),
        ("turn:127.1", B::Host),
        ("turn:türn.example.com", B::Host),
        ("stun:turn.example.com?transport=udp", B::StunQuery),
        ("turn:turn.example.com?transport=tls", B::Query),
        ("turn:turn.example.com?transport=udp&x=1", B::Query),
        ("turn:turn.example.com?", B::Query),
    ] {
        assert_eq!(text.parse::<TurnUri>(), Err(why), "{text}");
    }
}

#[test]
fn ipv6_literals_are_seen_in_any_spelling() {
    for (text, want) in [
        ("turn:[::1]", true),
        ("turn:[::ffff:192.0.2.1]", true),
        ("turn:192.0.2.1", false),
        ("turn:v6.example.com", false),
    ] {
        assert_eq!(
            text.parse::<TurnUri>().unwrap().is_ipv6_literal(),
            want,
            "{text}"
        );
    }
}
