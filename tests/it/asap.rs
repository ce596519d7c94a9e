//! Keys that lie in a folder of the issuer's, each under the hash of its name.

use crate::harness::issuer::{KeyServer, Says, Signer, asap_path};
use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream};
use crate::jwks::{ask, guarded};

fn jitsi(upstream: &Upstream, keys: &KeyServer) -> GatewayProcess {
    let config = Config::new().upstream("app", &upstream.url());
    let config = guarded(
        config,
        "jitsi",
        "/",
        &format!("asap_url = \"{}\"", keys.url("/asap")),
    );
    GatewayProcess::start(&config)
}

#[test]
fn a_key_is_found_by_its_name_and_fetched_once() {
    let (upstream, keys) = (Upstream::ok(), KeyServer::start());
    let [one, two] = ["jitsi/one", "../two?"].map(Signer::new);
    for signer in [&one, &two] {
        keys.says(&asap_path(&signer.kid), Says::ok(signer.pem()));
    }
    let gateway = jitsi(&upstream, &keys);
    let mut client = gateway.dial().h1();
    for _ in 0..3 {
        assert_eq!(ask(&mut client, "/", &one.token()), 200);
        assert_eq!(ask(&mut client, "/", &two.token()), 200);
    }
    assert_eq!(keys.asked(), [asap_path("jitsi/one"), asap_path("../two?")]);
    // A name is a promise: no other key answers for it.
    assert_eq!(ask(&mut client, "/", &one.token_as("../two?")), 401);
}

#[test]
fn a_token_without_a_key_name_is_refused() {
    let (upstream, keys, one) = (Upstream::ok(), KeyServer::start(), Signer::new("one"));
    keys.says(&asap_path("one"), Says::ok(one.pem()));
    let gateway = jitsi(&upstream, &keys);
    let mut client = gateway.dial().h1();
    assert_eq!(ask(&mut client, "/", &one.token_without_kid()), 401);
    assert_eq!(keys.asked(), [""; 0]);
    assert_eq!(ask(&mut client, "/", &one.token()), 200);
    assert_eq!(ask(&mut client, "/", &one.token_without_kid()), 401);
    assert_eq!(keys.asked().len(), 1);
}

#[test]
fn a_name_of_nothing_is_asked_for_once() {
    let (upstream, keys, one) = (Upstream::ok(), KeyServer::start(), Signer::new("one"));
    let gateway = jitsi(&upstream, &keys);
    let mut client = gateway.dial().h1();
    for _ in 0..5 {
        assert_eq!(ask(&mut client, "/", &one.token()), 401);
    }
    assert_eq!(keys.asked(), [asap_path("one")]);
    // That there is none is no trouble of the server's.
    let events = gateway.events();
    assert!(
        !events
            .iter()
            .any(|line| line.contains("could not be fetched")),
        "{events:#?}"
    );
}

#[test]
fn strangers_cannot_make_the_gateway_hammer_the_key_server() {
    let (upstream, keys) = (Upstream::ok(), KeyServer::start());
    let (one, stranger) = (Signer::new("one"), Signer::new("stranger"));
    keys.says(&asap_path("one"), Says::ok(one.pem()));
    let gateway = jitsi(&upstream, &keys);
    let dial = gateway.dial();
    assert_eq!(ask(&mut dial.h1(), "/", &one.token()), 200);
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..20 {
            let (dial, stranger) = (&dial, &stranger);
            scope.spawn(move || {
                let mut client = dial.h1();
                for number in 0..10 {
                    let token = stranger.token_as(&format!("{thread}-{number}"));
                    // What has been asked for and is not there, and what may not be asked for so
                    // often.
                    assert!([401, 503].contains(&ask(&mut client, "/", &token)));
                }
            });
        }
    });
    // Ten at once, and one each second.
    let most = 11 + usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(keys.asked().len() <= most, "{} fetches", keys.asked().len());
    assert_eq!(ask(&mut dial.h1(), "/", &one.token()), 200);
}

#[test]
fn what_is_no_key_is_refused_and_said() {
    let (upstream, keys, one) = (Upstream::ok(), KeyServer::start(), Signer::new("one"));
    let secret = r#"{"kty":"oct","kid":"one","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}"#;
    keys.says(&asap_path("one"), Says::ok(secret));
    let gateway = jitsi(&upstream, &keys);
    assert_eq!(ask(&mut gateway.dial().h1(), "/", &one.token()), 503);
    let said = gateway.event("could not be fetched");
    assert!(said.contains("not one public key in PEM"), "{said}");
}
