//! A token passes only where Prosody would let its client into the room, and one that is refused
//! for another room, tenant or domain would not be let in; whatever query, claims and patterns say.
//!
//! Input, a line each: the query, the tenant, `room`, `sub`. A fifth line makes `room` a pattern.
#![no_main]

#[path = "../../src/signalling/jitsi/tests/oracle.rs"]
mod oracle;

use ianitor::signalling::jitsi::{Asked, Domain, Refusal, judge, rooms_of};
use ianitor::token::claims::Claims;
use libfuzzer_sys::fuzz_target;
use oracle::{Case, DOMAIN, admits};
use serde_json::json;

fuzz_target!(|text: &str| {
    let mut lines = text.lines();
    let query = lines.next().unwrap_or_default();
    let mut line = || lines.next().filter(|line| *line != "-");
    let (tenant, room, sub) = (line(), line(), line());
    let case = Case {
        query,
        tenant,
        room,
        is_pattern: lines.next().is_some(),
        sub,
    };
    let mut members = json!({ "exp": 1, "context": { "room": { "regex": case.is_pattern } } });
    for (name, value) in [("room", case.room), ("sub", case.sub)] {
        if let Some(value) = value {
            members[name] = json!(value);
        }
    }
    let claims = Claims::parse(members.to_string().as_bytes()).expect("claims");
    let asked = Asked::new(case.query, case.tenant, Domain::Name(DOMAIN));
    let verdict = judge(&asked, Some(&claims));
    match verdict {
        Ok(()) => assert_ne!(admits(&case), Some(false), "{case:?}"),
        Err(Refusal::OtherRoom | Refusal::OtherTenant | Refusal::OtherDomain) => {
            assert_ne!(admits(&case), Some(true), "{case:?}: {verdict:?}");
        }
        Err(why) => drop(why.detail(&asked, &claims, 20)),
    }
    // What a tunnel keeps of the query is judged the same.
    let kept = rooms_of(case.query).unwrap_or_default();
    let asked = Asked::new(&kept, case.tenant, Domain::Name(DOMAIN));
    assert_eq!(judge(&asked, Some(&claims)), verdict);
});
