//! One request a line, and whether its token is for it.

use super::*;

/// The query, the tenant, the claims and what becomes of it.
type Row<'t> = (&'t str, Option<&'t str>, &'t str, &'t str);

pub(super) fn rows() -> impl Iterator<Item = Row<'static>> {
    let rows = include_str!("table.txt").lines();
    let rows = rows.filter(|row| !row.is_empty() && !row.starts_with('#'));
    rows.map(|row| {
        let (row, want) = row.rsplit_once(" => ").unwrap();
        let mut parts = row.splitn(3, " | ");
        let query = parts.next().unwrap().trim_start();
        let tenant = parts.next().filter(|tenant| *tenant != "-");
        (query, tenant, parts.next().unwrap(), want)
    })
}

#[test]
fn a_token_is_for_its_room_in_its_tenant_or_domain() {
    let mut count = 0;
    for (query, tenant, members, want) in rows() {
        let asked = Asked::new(query, tenant, Domain::Name("meet.test"));
        let verdict = judge(&asked, Some(&claims(members)));
        let got = verdict.map_or_else(|why| format!("{why:?}"), |()| "ok".to_owned());
        assert_eq!(got, want, "{query} {tenant:?} {members}");
        count += 1;
    }
    assert!(count >= 60, "{count} rows");
}

#[test]
fn without_a_domain_to_compare_sub_is_what_the_issuer_likes() {
    for members in [
        r#""room":"a","sub":"user-7""#,
        r#""room":"a""#,
        r#""room":"a","sub":"other""#,
    ] {
        for tenant in [None, Some("acme")] {
            let asked = Asked::new("room=a", tenant, Domain::Any);
            assert_eq!(judge(&asked, Some(&claims(members))), Ok(()), "{members}");
        }
    }
    let asked = Asked::new("room=b", None, Domain::Any);
    let verdict = judge(&asked, Some(&claims(r#""room":"a""#)));
    assert_eq!(verdict, Err(Refusal::OtherRoom));
}

#[test]
fn with_a_domain_that_only_the_client_names_no_sub_is_compared() {
    for (tenant, sub, want) in [
        (None, "acme", Err(Refusal::UnconfirmedDomain)),
        (None, "other", Err(Refusal::UnconfirmedDomain)),
        (None, "*", Ok(())),
        (Some("acme"), "ACME", Ok(())),
        (Some("other"), "acme", Err(Refusal::OtherTenant)),
    ] {
        let asked = Asked::new("room=a", tenant, Domain::Unconfirmed("acme"));
        let members = format!(r#""room":"a","sub":"{sub}""#);
        assert_eq!(
            judge(&asked, Some(&claims(&members))),
            want,
            "{tenant:?} {sub}"
        );
    }
    let asked = Asked::new("room=a", None, Domain::Unconfirmed("acme"));
    let verdict = judge(&asked, Some(&claims(r#""room":"a""#)));
    assert_eq!(verdict, Err(Refusal::NoSubject));
}

#[test]
fn names_and_patterns_have_a_longest_length() {
    let long = "x".repeat(1024);
    let with = |room: &str, members: &str| {
        let query = format!("room={room}");
        judge(
            &Asked::new(&query, None, Domain::Any),
            Some(&claims(members)),
        )
    };
    let same = format!(r#""room":"{long}""#);
    assert_eq!(with(&long, &same), Err(Refusal::BadRoom));
    assert_eq!(
        with(&long[1..], &format!(r#""room":"{}""#, &long[1..])),
        Ok(())
    );
    let pattern = format!(
        r#""room":"{}","context":{{"room":{{"regex":true}}}}"#,
        "x?".repeat(513)
    );
    let why = with("x", &pattern).unwrap_err();
    assert_eq!(
        why.to_string(),
        "the room claim is a pattern that is not supported"
    );
}
