//! Paths and queries.

use std::time::Instant;

use super::*;
use crate::addr::ClientAddr;
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::signalling::janus::{Credentials, TokenSigner};
use crate::signalling::owners::{Limits, Owner, Owners};
use crate::signalling::rules::{Effect, MessageRules, Names, Rule};
use crate::signalling::{MessageToken, Protocol};

#[test]
fn a_path_is_a_place_or_nothing() {
    use Place::{Base, Handle, Info, Ping, Session};
    for (rest, want) in [
        ("", Some(Base)),
        ("/", Some(Base)),
        ("/1", Some(Session(1))),
        ("/1/", Some(Session(1))),
        ("/9007199254740992", Some(Session(LARGEST_ID))),
        ("/1/2", Some(Handle(1, 2))),
        ("/1/2/", Some(Handle(1, 2))),
        ("/info", Some(Info)),
        ("/info/", Some(Info)),
        ("/ping", Some(Ping)),
        ("//", None),
        ("//1", None),
        ("/1//", None),
        ("/1//2", None),
        ("/1/2/3", None),
        ("/1/2//", None),
        ("/0", None),
        ("/01", None),
        ("/+1", None),
        ("/-1", None),
        ("/1x", None),
        ("/x1", None),
        ("/1.0", None),
        ("/1e3", None),
        ("/1;x", None),
        ("/1%20", None),
        ("/%31", None),
        ("/9007199254740993", None),
        ("/99999999999999999999", None),
        ("/18446744073709551617", None),
        ("/1/info", None),
        ("/info/1", None),
        ("/info/x", None),
        ("/infox", None),
        ("/INFO", None),
        ("/janus/1", None),
        ("x", None),
    ] {
        assert_eq!(Place::find(rest, true), want, "{rest}");
    }
}

#[test]
fn where_the_base_path_is_not_known_its_segments_come_first() {
    use Place::{Base, Handle, Info, Session};
    for (path, want) in [
        ("/", Some(Base)),
        ("/janus", Some(Base)),
        ("/janus/", Some(Base)),
        ("/media/janus/1", Some(Session(1))),
        ("/janus/1/2", Some(Handle(1, 2))),
        ("/1/2", Some(Handle(1, 2))),
        ("/janus/info", Some(Info)),
        // Janus would read a session, a verb or a base path from these.
        ("/1/janus/2", None),
        ("/1x/2", None),
        ("/+1/2", None),
        ("/%201/2", None),
        ("/info/1", None),
        ("/janus/info/1", None),
        ("/ping/janus/1", None),
        ("/janus/1/2/3", None),
        ("/janus/1/x", None),
        ("//janus/1", None),
        ("/janus//1", None),
    ] {
        assert_eq!(Place::find(path, false), want, "{path}");
    }
}

#[test]
fn a_websocket_is_opened_where_janus_reads_nothing_from_the_path() {
    for rest in ["", "/", "/ws", "/janus-ws/", "/ws/v2"] {
        assert!(may_be_websocket(rest), "{rest}");
    }
    for rest in [
        "/1",
        "/ws/1",
        "/janus/1/2",
        "/info",
        "/janus/info",
        "/ping",
        "/1x",
        "/%201",
    ] {
        assert!(!may_be_websocket(rest), "{rest}");
    }
}

fn with_context(credentials: Credentials, look: impl FnOnce(&Context<'_>)) {
    let owners = Owners::new(Limits::default());
    let backend = Backend {
        credentials,
        ..Backend::new(Protocol::Janus, owners)
    };
    let client = |ip: &str| Owner::of_address(ClientAddr::new(ip.parse().unwrap()));
    look(&Context {
        backend: &backend,
        ids: Ids::default(),
        rules: None,
        claims: None,
        owner: client("192.0.2.1"),
        time: UnixTime(1_795_283_269),
        now: Instant::now(),
        is_in_grace: false,
        token: MessageToken::Absent,
        observer: &(),
    });
}

#[test]
fn a_long_poll_has_the_upstreams_credentials_and_none_of_the_clients() {
    let credentials = Credentials {
        secret: Some(Secret::new("a b&c=%".into())),
        signer: Some(TokenSigner::new(&Secret::new("x".into()))),
    };
    let query = "rid=17&apisecret=guess&%61pisecret=g&APISECRET=g&maxev=5&token=t&admin_secret=a\
                 &tok%65n=x&session_id=2&x";
    with_context(credentials, |context| {
        let query = poll_query(query, context);
        let token = "token=1795283569%2Cjanus%3A";
        let (kept, token_sent) = query.split_at(query.find("&token").unwrap());
        assert_eq!(kept, "rid=17&maxev=5&apisecret=a+b%26c%3D%25");
        assert!(token_sent[1..].starts_with(token), "{query}");
    });
}

#[test]
fn without_credentials_of_the_upstream_a_long_poll_keeps_those_of_the_client() {
    with_context(Credentials::default(), |context| {
        let query = poll_query("apisecret=mine&token=a%2Bb&admin_secret=x&maxev=2", context);
        assert_eq!(query, "apisecret=mine&token=a%2Bb&maxev=2");
        assert_eq!(poll_query("", context), "");
    });
}

#[test]
fn a_client_polls_its_own_sessions_where_it_may_keep_them_alive() {
    with_context(Credentials::default(), |context| {
        let owners = &context.backend.owners;
        let place = owners.reserve_session(context.owner).unwrap();
        owners.created(place, 1, context.now);
        let ids = |session, handle| Ids {
            session: Some(session),
            handle,
        };
        assert_eq!(may_poll(ids(1, None), context), Ok(()));
        for foreign in [ids(2, None), ids(1, Some(9))] {
            assert_eq!(may_poll(foreign, context).unwrap_err().code(), 458);
        }
        let only = |verb| {
            MessageRules::new([Rule {
                verbs: Names::one_of([verb]),
                ..Rule::new("only", Effect::Allow)
            }])
        };
        for (rules, want) in [(only("keepalive"), None), (only("create"), Some(403))] {
            let context = Context {
                rules: Some(&rules),
                ..*context
            };
            let code = may_poll(ids(1, None), &context).err().map(|it| it.code());
            assert_eq!(code, want);
        }
        let own = Context {
            ids: ids(1, None),
            ..*context
        };
        assert_eq!(may_still_poll(&own), Ok(()));
        let neighbour = ClientAddr::new("192.0.2.2".parse().unwrap());
        let context = Context {
            ids: own.ids,
            owner: Owner::of_address(neighbour),
            ..*context
        };
        assert_eq!(may_poll(ids(1, None), &context), Err(Refusal::NoSession(1)));
        assert_eq!(may_still_poll(&context), Err("no longer allowed"));
    });
}
