//! A real OpenID provider, whose keys the gateway fetches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::wire::load::StopOnDrop;
use crate::support::{Folder, Gateway, Issuer, until};

/// Tokens of the issuer for the client `ops`. What is behind the route is the issuer's own
/// description of itself.
fn gateway(folder: &Folder, issuer: &Issuer) -> Gateway {
    let url = issuer.url("");
    let tables = format!(
        "[issuers.oidc]\nalgorithms = [\"ES256\"]\njwks_url = \"{url}/jwks\"\nissuer = \"{url}\"\n\
         audience = [\"ianitor\"]\n\
         [policies.ops]\nissuers = [\"oidc\"]\nclaims = {{ role = [\"ops\", \"admin\"] }}\n\
         [upstreams.app]\nservers = [\"{url}\"]\n\
         [[routes]]\npath = \"/.well-known\"\nupstream = \"app\"\npolicy = \"ops\"\n"
    );
    Gateway::start(folder, "", &tables)
}

fn ask(gateway: &Gateway, token: &str) -> u16 {
    let bearer = format!("Authorization: Bearer {token}");
    gateway
        .clients()
        .curl(&[
            "--header",
            &bearer,
            &gateway.url("/.well-known/openid-configuration"),
        ])
        .status
}

#[test]
fn tokens_of_a_real_issuer_pass_if_they_claim_what_the_policy_wants() {
    let folder = Folder::new("issuer");
    let issuer = Issuer::start(&folder);
    let gateway = gateway(&folder, &issuer);
    until("the keys are there", || {
        !gateway.lines("an issuer's keys have changed").is_empty()
    });
    assert_eq!(ask(&gateway, &issuer.token("ops")), 200);
    assert_eq!(ask(&gateway, &issuer.token("guest")), 403);
    let token = issuer.token("ops");
    let (signed, _) = token.rsplit_once('.').unwrap();
    let (_, other) = token.split_once('.').unwrap();
    for forged in [
        format!("{signed}.AAAA"),
        format!("eyJhbGciOiJub25lIn0.{other}"),
        String::from("x"),
    ] {
        assert_eq!(ask(&gateway, &forged), 401, "{forged}");
    }
    assert_eq!(issuer.fetches(), 1);
}

#[test]
fn no_request_is_refused_while_the_keys_of_a_real_issuer_rotate() {
    let folder = Folder::new("issuer-rotation");
    let issuer = Issuer::start(&folder);
    let gateway = gateway(&folder, &issuer);
    let old = issuer.token("ops");
    assert_eq!(ask(&gateway, &old), 200);
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let going_on: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        assert_eq!(ask(&gateway, &old), 200, "an old token");
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let _stop = StopOnDrop(&over);
        issuer.rotate();
        let new = Arc::new(issuer.token("ops"));
        // All of them come before the key does.
        let first = || {
            let (gateway, new) = (&gateway, Arc::clone(&new));
            scope.spawn(move || ask(gateway, &new))
        };
        let new: Vec<_> = (0..8).map(|_| first()).collect();
        let new: Vec<u16> = new
            .into_iter()
            .map(|asking| asking.join().unwrap())
            .collect();
        let before = asked.load(Ordering::SeqCst);
        until("old tokens are still taken", || {
            asked.load(Ordering::SeqCst) >= before + 10
                || going_on.iter().any(|one| one.is_finished())
        });
        assert_eq!(new, [200; 8]);
    });
    assert_eq!(issuer.fetches(), 2);
}
