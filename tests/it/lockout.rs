//! What some clients get wrong locks nobody else out, not even behind the same address.

use crate::harness::issuer::{KeyServer, Says, Signer, asap_path};
use crate::harness::process::GatewayProcess;
use crate::harness::{Config, TestGateway, Upstream, staff};
use crate::jwks::{ask, guarded};

/// Everybody is counted, and four wrong tokens an hour are answered as such.
const COUNTED: &str = "bad_tokens_per_client = \"4/h\"\nexempt = []";

/// Another secret signed it.
fn junk(at: i64) -> String {
    staff::mint(
        "some other secret of thirty-two bytes",
        &serde_json::json!({ "exp": staff::now() + 60 + at }),
    )
}

fn with_issuer(issuer: &str) -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let config = Config::new()
        .limits(COUNTED)
        .upstream("app", &upstream.url())
        .table(issuer)
        .table("[policies.staff]\nissuers = [\"staff\"]")
        .route_with("/staff", "app", "policy = \"staff\"");
    (upstream, TestGateway::start(&config))
}

#[test]
fn a_good_token_passes_however_many_wrong_ones_come_from_its_address() {
    let (_upstream, gateway) = with_issuer(&staff::issuer(""));
    let mut client = gateway.client();
    let statuses: Vec<u16> = (0..24)
        .map(|at| ask(&mut client, "/staff", &junk(at)))
        .collect();
    assert_eq!(
        (&statuses[..4], &statuses[4..]),
        (&[401; 4][..], &[429; 20][..])
    );
    for pupil in 0..10 {
        let token = staff::token(&format!("pupil {pupil}"), 600);
        assert_eq!(ask(&mut gateway.client(), "/staff", &token), 200);
        assert_eq!(ask(&mut client, "/staff", &junk(100 + pupil)), 429);
    }
}

#[test]
fn a_secret_that_could_be_found_by_trying_is_tried_at_the_rate_only() {
    let weak = "a secret of 22 bytes..";
    let (_upstream, gateway) = with_issuer(&staff::issuer_named("staff", weak, ""));
    let mut client = gateway.client();
    let token = |subject: &str| {
        staff::mint(
            weak,
            &serde_json::json!({ "sub": subject, "exp": staff::now() + 600 }),
        )
    };
    let known = token("anna");
    assert_eq!(ask(&mut client, "/staff", &known), 200);
    assert!((0..4).all(|at| ask(&mut client, "/staff", &junk(at)) == 401));
    assert_eq!(ask(&mut client, "/staff", &token("berta")), 429);
    assert_eq!(ask(&mut client, "/staff", &known), 200);
}

/// Keys that lie in a folder, and a gateway that counts everybody.
fn asap(upstream: &Upstream, keys: &KeyServer, limits: &str) -> GatewayProcess {
    let config = Config::new()
        .limits(limits)
        .upstream("app", &upstream.url());
    let config = guarded(
        config,
        "jitsi",
        "/",
        &format!("asap_url = \"{}\"", keys.url("/asap")),
    );
    GatewayProcess::start(&config)
}

/// From each of these addresses so many tokens with names of keys that are made up: the statuses
/// that they got.
fn made_up(gateway: &GatewayProcess, addresses: &[&str], count: usize) -> Vec<u16> {
    let stranger = Signer::new("stranger");
    let dial = gateway.dial();
    std::thread::scope(|scope| {
        let all: Vec<_> = addresses
            .iter()
            .enumerate()
            .map(|(number, address)| {
                let (dial, stranger) = (dial.clone().from(address), &stranger);
                let ask = move |at| {
                    ask(
                        &mut dial.h1(),
                        "/",
                        &stranger.token_as(&format!("{number} {address} {at}")),
                    )
                };
                scope.spawn(move || (0..count).map(ask).collect::<Vec<u16>>())
            })
            .collect();
        all.into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

const STRANGERS: [&str; 4] = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];

/// Nothing is held back, so that the strangers are as fast as can be.
const MANY_GUESSES: &str = "bad_tokens_per_client = \"1000000/s\"\nexempt = []";

#[test]
fn names_of_keys_that_strangers_make_up_keep_nobody_from_a_real_one() {
    let (upstream, keys) = (Upstream::ok(), KeyServer::start());
    let gateway = asap(&upstream, &keys, MANY_GUESSES);
    for round in 0..3 {
        let statuses = made_up(&gateway, &STRANGERS, 25);
        assert!(
            statuses.iter().all(|status| [401, 503].contains(status)),
            "{statuses:?}"
        );
        assert!(statuses.contains(&503), "{statuses:?}");
        // More than one, at once.
        for at in 0..3 {
            let real = Signer::new(&format!("real {round} {at}"));
            keys.says(&asap_path(&real.kid), Says::ok(real.pem()));
            assert_eq!(
                ask(
                    &mut gateway.dial().from("127.0.0.9").h1(),
                    "/",
                    &real.token()
                ),
                200
            );
        }
    }
}

#[test]
fn a_real_key_gets_through_behind_the_address_of_a_stranger() {
    let (upstream, keys) = (Upstream::ok(), KeyServer::start());
    let gateway = asap(&upstream, &keys, MANY_GUESSES);
    let (stranger, real) = (Signer::new("stranger"), Signer::new("real"));
    keys.says(&asap_path("real"), Says::ok(real.pem()));
    let mut client = gateway.dial().from("127.0.0.2").h1();
    let mut tries = Vec::new();
    for at in 0.. {
        // Sixteen a second, for as long as it takes.
        assert_ne!(
            ask(
                &mut client,
                "/",
                &stranger.token_as(&format!("made up {at}"))
            ),
            200
        );
        std::thread::sleep(std::time::Duration::from_millis(60));
        // As Retry-After asks for it.
        if at % 40 == 30 {
            tries.push(ask(&mut client, "/", &real.token()));
            if tries.last() == Some(&200) {
                break;
            }
        }
        assert!(tries.len() < 4, "{tries:?}");
    }
}

#[test]
fn asking_for_one_unknown_key_after_the_other_is_guessing() {
    let (upstream, keys) = (Upstream::ok(), KeyServer::start());
    let gateway = asap(
        &upstream,
        &keys,
        "bad_tokens_per_client = \"20/h\"\nexempt = []",
    );
    assert_eq!(made_up(&gateway, &["127.0.0.2"], 1), [401]);
    // At once, so that most of them are not asked for: it is unknown whether there are such keys.
    let statuses = made_up(&gateway, &["127.0.0.2"; 40], 1);
    assert!(statuses.contains(&503), "{statuses:?}");
    assert_eq!(made_up(&gateway, &["127.0.0.2"], 3), [429; 3]);
    // Nor is anybody else counted for it.
    let real = Signer::new("real");
    keys.says(&asap_path("real"), Says::ok(real.pem()));
    assert_eq!(
        ask(
            &mut gateway.dial().from("127.0.0.3").h1(),
            "/",
            &real.token()
        ),
        200
    );
}

#[test]
fn a_server_that_is_down_is_not_the_fault_of_who_holds_its_tokens() {
    let (upstream, keys, one) = (Upstream::ok(), KeyServer::start(), Signer::new("one"));
    keys.says(&asap_path("one"), Says::Nothing);
    let gateway = asap(
        &upstream,
        &keys,
        "bad_tokens_per_client = \"2/h\"\nexempt = []",
    );
    let mut client = gateway.dial().h1();
    assert!((0..10).all(|_| ask(&mut client, "/", &one.token()) == 503));
}

#[test]
fn a_new_key_of_a_set_is_found_while_strangers_make_up_names() {
    let (upstream, one) = (Upstream::ok(), Signer::new("one"));
    let keys = KeyServer::with_set(&[&one]);
    let config = Config::new()
        .limits(MANY_GUESSES)
        .upstream("app", &upstream.url());
    let config = guarded(
        config,
        "staff",
        "/",
        &format!("jwks_url = \"{}\"", keys.url("/jwks.json")),
    );
    let gateway = GatewayProcess::start(&config);
    assert_eq!(
        ask(
            &mut gateway.dial().from("127.0.0.8").h1(),
            "/",
            &one.token()
        ),
        200
    );
    for round in 0..3 {
        assert!(
            made_up(&gateway, &STRANGERS, 10)
                .iter()
                .all(|status| *status == 401)
        );
        let new = Signer::new(&format!("new {round}"));
        keys.publish(&[&one, &new]);
        let mut client = gateway.dial().from(&format!("127.0.1.{round}")).h1();
        assert_eq!(ask(&mut client, "/", &new.token()), 200, "{round}");
    }
    // The strangers have not made the gateway ask more often than one may be asked.
    assert!(keys.asked().len() <= 20, "{}", keys.asked().len());
}
