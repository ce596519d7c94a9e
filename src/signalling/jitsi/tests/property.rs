//! What the gateway lets pass, Prosody would let into the room; and what it refuses for another
//! room, tenant or domain, Prosody would not.

use serde_json::json;

use super::oracle::{Case, DOMAIN, admits};
use super::*;

/// The same numbers in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    /// Some of these, one after the other.
    fn made_of(&mut self, pieces: &[&str]) -> String {
        let count = self.below(6);
        (0..count)
            .map(|_| pieces[self.below(pieces.len())])
            .collect()
    }
}

const NAMES: &[&str] = &[
    "a", "b", "A", "-", "1", "ab", "%61", "%c3%a4", "ä", "+", "*", "]",
];
const PATTERNS: &[&str] = &[
    "a", "b", "A", "-", "1", "ab", "ä", "%c3", "*", "+", "?", "-", ".", "%d", "%a", "%w", "%-",
    "%.", "%%", "%", "%A", "[a-c]", "[^b]", "[]a]", "[a-", "]", "^", "$", "(", ")", "(a", "b)",
];
const TENANTS: &[&str] = &["a", "A", "b", "*", "meet.test"];

pub(crate) fn agree(case: &Case<'_>) {
    let mut members = json!({ "exp": 1 });
    for (name, value) in [("room", case.room), ("sub", case.sub)] {
        if let Some(value) = value {
            members[name] = json!(value);
        }
    }
    if case.is_pattern {
        members["context"] = json!({ "room": { "regex": true } });
    }
    let claims = Claims::parse(members.to_string().as_bytes()).unwrap();
    let asked = Asked::new(case.query, case.tenant, Domain::Name(DOMAIN));
    let verdict = judge(&asked, Some(&claims));
    let admitted = admits(case);
    match verdict {
        Ok(()) => assert_ne!(admitted, Some(false), "{case:?}"),
        Err(Refusal::OtherRoom | Refusal::OtherTenant | Refusal::OtherDomain) => {
            assert_ne!(admitted, Some(true), "{case:?}: {verdict:?}");
        }
        // Prosody would guess, or fail.
        Err(_) => {}
    }
}

#[test]
fn the_gateway_and_prosody_agree_on_rooms_and_tenants() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..60_000 {
        let name = random.made_of(NAMES);
        let mut query = format!("room={name}");
        if random.below(8) == 0 {
            query = format!("{query}&room={}", random.made_of(NAMES));
        }
        let is_pattern = random.below(2) == 0;
        let room = match random.below(4) {
            0 => name.clone(),
            1 => random.made_of(NAMES),
            _ => random.made_of(PATTERNS),
        };
        let [tenant, sub] = [(); 2].map(|()| TENANTS[random.below(TENANTS.len())]);
        agree(&Case {
            query: &query,
            tenant: (random.below(3) == 0).then_some(tenant),
            room: (random.below(20) > 0).then_some(&room),
            is_pattern,
            sub: (random.below(20) > 0).then_some(sub),
        });
    }
}
