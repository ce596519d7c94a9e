//! Whoever guesses tokens is answered later and later, then not at all for a while; nobody else
//! notices.

use std::time::{Duration, Instant};

use crate::harness::h1::Answer;
use crate::harness::{Client, Config, TestGateway, Upstream, h2, staff};

const TABLES: &str = "[policies.staff]\nissuers = [\"staff\"]\n\
                      [policies.both]\nallow = [\"127.0.0.1\"]\nissuers = [\"staff\"]\n\
                      satisfy = \"all\"";

fn world(limits: &str) -> (Upstream, TestGateway) {
    let upstream = Upstream::ok();
    let config = Config::new()
        .limits(limits)
        .upstream("app", &upstream.url())
        .table(&staff::issuer(""))
        .table(TABLES)
        .route("/open", "app")
        .route_with("/staff", "app", "policy = \"staff\"")
        .route_with("/both", "app", "policy = \"both\"");
    (upstream, TestGateway::start(&config))
}

fn ask(client: &mut Client, target: &str, token: &str) -> Answer {
    client.ask(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    ))
}

/// A token that somebody has made up.
fn guess(at: i64) -> String {
    staff::mint(
        "some other secret of thirty-two bytes",
        &serde_json::json!({ "exp": staff::now() + 60 + at }),
    )
}

#[test]
fn guesses_are_answered_later_and_then_not_at_all() {
    let (upstream, gateway) = world("bad_tokens_per_client = \"4/h\"\nexempt = []");
    let mut client = gateway.client();
    let known = staff::token("anna", 600);
    assert_eq!(ask(&mut client, "/staff", &known).status(), 200);
    let took: Vec<Duration> = (0..4)
        .map(|at| {
            let started = Instant::now();
            assert_eq!(ask(&mut client, "/staff", &guess(at)).status(), 401);
            started.elapsed()
        })
        .collect();
    for (took, least) in took.iter().zip([0, 250, 500, 1000]) {
        assert!(*took >= Duration::from_millis(least), "{took:?}");
    }
    let refused = ask(&mut client, "/staff", &guess(5));
    assert_eq!(
        (refused.status(), refused.head.get("content-type")),
        (429, Some("application/problem+json"))
    );
    let wait: u64 = refused.head.get("retry-after").unwrap().parse().unwrap();
    assert!((800..=901).contains(&wait), "{wait}");
    // Over other connections and protocols too, but only what proves nothing.
    assert_eq!(
        ask(&mut gateway.client(), "/staff", &guess(7)).status(),
        429
    );
    assert_eq!(
        ask(&mut gateway.client(), "/staff", &staff::token("berta", 600)).status(),
        200
    );
    let mut request = h2::get("/staff");
    request.headers_mut().insert(
        "authorization",
        format!("Bearer {}", guess(6)).parse().unwrap(),
    );
    assert_eq!(gateway.dial().h2().send(request, b"").status, 429);
    // Who has shown a good one already goes on, who sends none is told so, and others are others.
    assert_eq!(ask(&mut client, "/staff", &known).status(), 200);
    assert_eq!(client.get("/staff").status(), 401);
    assert_eq!(client.get("/open").status(), 200);
    let mut elsewhere = gateway.dial().from("127.0.0.2").h1();
    assert_eq!(
        ask(&mut elsewhere, "/staff", &staff::token("berta", 600)).status(),
        200
    );
    assert_eq!(upstream.requests().len(), 5);
    let lines = gateway.access.lines(13);
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("reason=bad_tokens"))
            .count(),
        3,
        "{lines:#?}"
    );
}

#[test]
fn a_late_answer_holds_nothing_else_up() {
    let (_upstream, gateway) = world("bad_tokens_per_client = \"2/h\"\nexempt = []");
    let mut client = gateway.dial().h2();
    let guessing = |at| {
        let mut request = h2::get("/staff");
        request.headers_mut().insert(
            "authorization",
            format!("Bearer {}", guess(at)).parse().unwrap(),
        );
        request
    };
    assert_eq!(client.send(guessing(0), b"").status, 401);
    let (late, _) = client.begin(guessing(1), true);
    let (soon, _) = client.begin(h2::get("/open"), true);
    let first = client.run(async {
        tokio::select! {
            biased;
            answer = late => answer,
            answer = soon => answer,
        }
    });
    assert_eq!(first.unwrap().status(), 200);
}

#[test]
fn who_was_given_a_token_that_is_over_does_not_guess() {
    let (_upstream, gateway) = world("bad_tokens_per_client = \"2/h\"\nexempt = []");
    let mut client = gateway.client();
    for at in 0..5 {
        assert_eq!(
            ask(&mut client, "/staff", &staff::token("anna", -600 - at)).status(),
            401
        );
    }
    assert_eq!(
        ask(&mut client, "/staff", &staff::token("anna", 600)).status(),
        200
    );
}

#[test]
fn the_exempt_are_not_counted() {
    let (_upstream, gateway) = world("bad_tokens_per_client = \"2/h\"");
    let mut client = gateway.client();
    for at in 0..10 {
        assert_eq!(ask(&mut client, "/staff", &guess(at)).status(), 401);
    }
    assert_eq!(
        ask(&mut client, "/staff", &staff::token("anna", 600)).status(),
        200
    );
}

#[test]
fn an_address_on_the_allow_list_is_counted_apart() {
    let (_upstream, gateway) = world("bad_tokens_per_client = \"1/h\"\nexempt = []");
    let mut client = gateway.client();
    assert_eq!(ask(&mut client, "/staff", &guess(0)).status(), 401);
    assert_eq!(ask(&mut client, "/staff", &guess(1)).status(), 429);
    assert_eq!(
        ask(&mut client, "/both", &staff::token("anna", 600)).status(),
        200
    );
}
