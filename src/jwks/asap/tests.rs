use std::sync::Arc;

use http::HeaderMap;

use super::*;
use crate::fetch::{ExchangeError, ExchangeFault};
use crate::token::issuer::Fetched;

const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn key(kid: &str) -> Key {
    let document = Document {
        headers: HeaderMap::new(),
        body: PEM.into(),
    };
    usable(&document, kid, &[Algorithm::EdDSA]).unwrap()
}

#[test]
fn a_key_lies_where_jitsi_looks_for_it() {
    let file = "https://keys.example.com/asap/\
        2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae.pem";
    for base in [
        "https://keys.example.com/asap",
        "https://keys.example.com/asap/",
    ] {
        assert_eq!(file_url(base, &id("foo")), file);
    }
}

#[test]
fn only_one_public_key_in_pem_is_a_key() {
    let pem = PEM;
    let word = |body: &str, algorithm| {
        let document = Document {
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        };
        usable(&document, "a", &[algorithm])
            .map(|_| ())
            .map_err(|error| error.word())
    };
    assert_eq!(word(pem, Algorithm::EdDSA), Ok(()));
    assert_eq!(word(pem, Algorithm::RS256), Err("no_key"));
    for body in [
        "",
        "<!doctype html>",
        &pem.repeat(2),
        // A secret, also where it is the PEM itself.
        r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}"#,
    ] {
        for algorithm in [Algorithm::EdDSA, Algorithm::HS256] {
            assert_eq!(word(body, algorithm), Err("format"), "{body}");
        }
    }
    assert_eq!(word(pem, Algorithm::HS256), Err("no_key"));
}

#[test]
fn a_key_is_kept_through_trouble_and_goes_when_the_server_says_so() {
    let fetched = Fetched::new(mpsc::channel(1).0);
    let algorithms = [Algorithm::EdDSA];
    // Of before a reload.
    fetched.replace(KeySet::new(vec![key("old")], &algorithms));
    let report = IssuerReport::of(
        "staff",
        "http://localhost/asap",
        &algorithms,
        Arc::clone(&fetched),
    );
    let mut folder = Folder::new(report);
    assert!(
        folder.next().is_some_and(|next| next <= Instant::now()),
        "it is looked at again"
    );
    let mut land = |kid: &str, result| {
        folder.finish(Finished {
            id: id(kid),
            kid: kid.into(),
            is_refresh: false,
            result,
        });
        let set = fetched.set();
        set.names().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    let found = |file| Found {
        key: key("new"),
        file: [file; 32],
        fresh: Duration::from_secs(60),
    };
    assert_eq!(land("new", Ok(found(1))), ["old", "new"]);
    // The same file again leaves the very set: tokens that are known by it stay known.
    let before = fetched.set();
    assert_eq!(land("new", Ok(found(1))), ["old", "new"]);
    assert!(Arc::ptr_eq(&before, &fetched.set()));
    assert_eq!(land("new", Ok(found(2))), ["old", "new"]);
    assert!(!Arc::ptr_eq(&before, &fetched.set()));
    let late = ExchangeError::from(ExchangeFault::Late(Duration::from_secs(5)));
    assert_eq!(land("old", Err(late.into())), ["old", "new"]);
    assert_eq!(
        land("old", Err(FetchError::Status(http::StatusCode::FORBIDDEN))),
        ["old", "new"]
    );
    assert_eq!(
        land("old", Err(FetchError::Missing(http::StatusCode::NOT_FOUND))),
        ["new"]
    );
    assert_eq!(
        land(
            "none",
            Err(FetchError::Missing(http::StatusCode::NOT_FOUND))
        ),
        ["new"]
    );
    assert_eq!(
        (fetched.failures(), fetched.last_success().is_some()),
        (2, true)
    );
}
