mod oracle;
mod property;
mod table;

use super::*;
use crate::token::claims::Claims;

/// Claims with an expiry.
fn claims(members: &str) -> Claims {
    let comma = if members.is_empty() { "" } else { "," };
    Claims::parse(format!("{{\"exp\":1{comma}{members}}}").as_bytes()).unwrap()
}

#[test]
fn a_request_without_a_token_passes() {
    let asked = Asked::new("room=a&room=b", None, Domain::Name("d.test"));
    assert_eq!(judge(&asked, None), Ok(()));
}

#[test]
fn what_is_kept_of_a_query_says_the_same_and_has_no_token() {
    for (query, kept) in [
        ("", None),
        ("token=t&jwt=t&roomy=1&Room=a", None),
        ("room=a&token=t", Some("room=a")),
        (
            "token=t&r%6fom=%61&x&prefix=p&room",
            Some("r%6fom=%61&room"),
        ),
    ] {
        let rooms = rooms_of(query);
        assert_eq!(rooms.as_deref(), kept, "{query}");
        let asked = |query| Asked::new(query, None, Domain::Any).room;
        assert_eq!(asked(rooms.as_deref().unwrap_or_default()), asked(query));
    }
}

#[test]
fn a_refusal_says_what_was_claimed_and_asked_and_cuts_both() {
    let long = "x".repeat(100);
    let query = format!("room={long}");
    let asked = Asked::new(&query, None, Domain::Name("d.test"));
    let claims = claims(r#""room":"standup","sub":"e.test""#);
    let detail = |refusal: Refusal| refusal.detail(&asked, &claims, 20);
    assert_eq!(
        detail(Refusal::OtherRoom),
        format!("room is standup, asked for {}", &long[..20])
    );
    assert_eq!(
        detail(Refusal::OtherDomain),
        "sub is e.test, asked for d.test"
    );
    assert_eq!(detail(Refusal::NoRoomClaim), "the token has no room");
}
