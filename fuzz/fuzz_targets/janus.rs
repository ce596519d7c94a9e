//! What Janus reads of what the gateway sends (the last of two members, without case, unescaped,
//! all documents) is what the rules of a caller allow; and nothing that Janus could say makes the
//! gateway fail.
//!
//! Input: the client's message; after a line feed, what Janus answers.
#![no_main]

#[path = "../../src/signalling/janus/tests/oracle.rs"]
mod oracle;

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use ianitor::clock::UnixTime;
use ianitor::secret::Secret;
use ianitor::signalling::janus::{Api, Credentials};
use ianitor::signalling::owners::{Limits, Owner, Owners};
use ianitor::signalling::rules::MessageRules;
use ianitor::signalling::{
    Backend, Context, Direction, Ids, MessageToken, Protocol, Verdict, judge, presets,
};
use ianitor::token::claims::Claims;
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<MessageRules> =
    LazyLock::new(|| MessageRules::new(presets::find("janus-caller").expect("a preset").rules()));
static CLAIMS: LazyLock<Claims> =
    LazyLock::new(|| Claims::parse(oracle::CLAIMS.as_bytes()).expect("claims"));

fuzz_target!(|text: &str| {
    let (sent, answered) = text.split_once('\n').unwrap_or((text, ""));
    let (alice, now) = (Owner::of_subject("fuzz", "alice"), Instant::now());
    let owners = sessions(alice, now);
    let backend = Backend {
        credentials: Credentials {
            secret: Some(Secret::new(oracle::SECRET.into())),
            signer: None,
        },
        ..Backend::new(Protocol::Janus, Arc::clone(&owners))
    };
    let context = Context {
        backend: &backend,
        ids: Ids::default(),
        rules: Some(&RULES),
        claims: Some(&CLAIMS),
        owner: alice,
        time: UnixTime(1),
        now,
        is_in_grace: false,
        token: MessageToken::Absent,
        observer: &(),
    };
    let mut api = Api::new(7);

    for verdict in judge(&mut api, Direction::ToServer, sent, &context) {
        match verdict {
            Verdict::Forward(text) => oracle::check(&text).expect("a caller's message"),
            Verdict::Answer { text, .. } => {
                let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                assert!(answer["janus"] == "error" && answer["error"]["code"].is_u64());
            }
            Verdict::Reply(_) | Verdict::Close(_) => {}
        }
    }
    let verdicts = judge(&mut api, Direction::ToClient, answered, &context);
    assert!(
        verdicts
            .into_iter()
            .all(|verdict| matches!(verdict, Verdict::Forward(_)))
    );
    // Whatever Janus says, another's session stays another's.
    assert!(owners.find(alice, 2, None, now).is_err());
});

/// Session 1 of a client with its handles, and session 2 of another.
fn sessions(alice: Owner, now: Instant) -> Arc<Owners> {
    let owners = Owners::new(Limits::default());
    let create = |owner, session| {
        let place = owners.reserve_session(owner).expect("room");
        owners.created(place, session, now);
    };
    create(alice, 1);
    for (handle, plugin) in oracle::HANDLES {
        let place = owners.reserve_handle(alice).expect("room");
        owners.attached(place, 1, handle, plugin.into());
    }
    create(Owner::of_subject("fuzz", "bob"), 2);
    owners
}
