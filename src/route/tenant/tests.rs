use super::*;

fn path(text: &str) -> RoutePath {
    text.parse().unwrap()
}

#[test]
fn a_tenant_is_one_whole_segment_of_exactly_this_path() {
    let bosh = path("/{tenant}/http-bind");
    let longest = "a".repeat(63);
    for (path, want) in [
        ("/acme/http-bind", Some("acme")),
        ("/acme/http-bind/", Some("acme")),
        ("/Acme_1.x-y/http-bind", Some("Acme_1.x-y")),
        ("/-/http-bind", Some("-")),
        ("/7/http-bind", Some("7")),
        ("/http-bind/http-bind", Some("http-bind")),
        (&format!("/{longest}/http-bind"), Some(&*longest)),
        (&format!("/{longest}a/http-bind"), None),
        ("/http-bind", None),
        ("/acme", None),
        ("/acme/http-bind/x", None),
        ("/acme/http-bindx", None),
        ("/acme/HTTP-BIND", None),
        ("/acme/x/http-bind", None),
        ("/x/acme/http-bind", None),
        ("/.acme/http-bind", None),
        ("/.well-known/http-bind", None),
        ("/a~b/http-bind", None),
        ("/a%20b/http-bind", None),
        ("/a%C3%A4/http-bind", None),
        ("/a;b/http-bind", None),
        ("/a&b/http-bind", None),
        ("/a=b/http-bind", None),
        ("/a+b/http-bind", None),
        ("/{tenant}/http-bind", None),
        ("/%7Btenant%7D/http-bind", None),
    ] {
        assert_eq!(bosh.tenant(path), want, "{path}");
        assert_eq!(bosh.covers(path), want.is_some(), "{path}");
    }
    let deep = path("/meet/{tenant}/v1/xmpp-websocket/");
    assert_eq!(deep.tenant("/meet/acme/v1/xmpp-websocket"), Some("acme"));
    assert_eq!(deep.tenant("/acme/v1/xmpp-websocket"), None);
    assert_eq!(deep.tenant("/meetacme/v1/xmpp-websocket"), None);
    assert_eq!(path("/janus").tenant("/janus"), None);
}

#[test]
fn a_path_without_a_tenant_is_a_prefix() {
    for text in [
        "/",
        "/janus",
        "/%7Btenant%7D/x",
        "/x{tenant}/y",
        "/{Tenant}/x",
    ] {
        let path = path(text);
        assert!(!path.has_tenant(), "{text}");
        assert_eq!(path.to_string(), text);
        assert_eq!(path.without_variable(), *path.front());
    }
    assert!(path("/janus").covers("/janus/1") && !path("/janus").covers("/januswhatever"));
}

#[test]
fn a_tenant_is_followed_by_something_and_alone() {
    for (text, want) in [
        ("/{tenant}", BadRoutePath::Last),
        ("/{tenant}/", BadRoutePath::Last),
        ("/x/{tenant}", BadRoutePath::Last),
        ("/{tenant}/{tenant}/x", BadRoutePath::Twice),
        ("/{tenant}/x/{tenant}", BadRoutePath::Twice),
        ("{tenant}/x", BadRoutePath::Path(BadPath::NotAbsolute)),
        ("/{tenant}//x", BadRoutePath::Path(BadPath::EmptySegment)),
    ] {
        assert_eq!(text.parse::<RoutePath>(), Err(want), "{text}");
    }
}

#[test]
fn the_server_knows_the_path_without_its_tenant() {
    for (route, asked, want) in [
        ("/{tenant}/http-bind", "/acme/http-bind", "/http-bind"),
        ("/{tenant}/http-bind", "/acme/http-bind/", "/http-bind/"),
        ("/meet/{tenant}/x/y", "/meet/acme/x/y", "/meet/x/y"),
        ("/janus", "/janus/1", "/janus/1"),
    ] {
        let route = path(route);
        assert_eq!(route.without_tenant(asked), want);
        assert!(route.without_variable().covers(want));
        let Some(name) = route.tenant(asked) else {
            continue;
        };
        let tenant = Tenant {
            route: &route,
            name,
        };
        assert_eq!(tenant.insert(want).as_deref(), Some(asked));
        let more = |path: &str| format!("{path}?a=/b#c");
        assert_eq!(tenant.insert(&more(want)), Some(more(asked)));
        assert_eq!(tenant.insert("/elsewhere"), None);
        assert_eq!(tenant.insert(asked), None);
    }
    assert_eq!(
        path("/meet/{tenant}/x").without_variable().as_str(),
        "/meet/x"
    );
    assert_eq!(path("/meet/{tenant}/x").to_string(), "/meet/{tenant}/x");
}

#[test]
fn more_segments_go_first_and_then_fewer_tenants() {
    let order = [
        "/a/b/c/d",
        "/a/b/c",
        "/a/{tenant}/c",
        "/{tenant}/b/c",
        "/a/b",
        "/{tenant}/b",
        "/a",
        "/",
    ];
    for (at, first) in order.iter().enumerate() {
        for (later, second) in order.iter().enumerate() {
            let before = path(first).goes_before(&path(second));
            assert_eq!(before, at < later, "{first} {second}");
        }
    }
}

#[test]
fn only_the_gateway_names_the_tenant_to_prosody() {
    for (query, tenant, want) in [
        (None, None, None),
        (Some(""), None, None),
        (Some("room=x&token=y"), None, None),
        (
            Some("a=prefix&xprefix=b&prefix2=c&-prefix&pre=fix"),
            None,
            None,
        ),
        (Some("%2570refix=b"), None, None),
        (None, Some("acme"), Some("?prefix=acme")),
        (Some(""), Some("acme"), Some("?prefix=acme")),
        (Some("room=x"), Some("acme"), Some("?prefix=acme&room=x")),
        (
            Some("room=%61+b&&x&=&y=%zz"),
            Some("acme"),
            Some("?prefix=acme&room=%61+b&&x&=&y=%zz"),
        ),
        (Some("prefix=evil"), None, Some("")),
        (Some("room=x&prefix=evil"), None, Some("?room=x")),
        (Some("prefix"), None, Some("")),
        (Some("prefix=a=b&prefix&room=x"), None, Some("?room=x")),
        (Some("%70refix=evil&room=x"), None, Some("?room=x")),
        (
            Some("%70%72%65%66%69%78=evil"),
            Some("acme"),
            Some("?prefix=acme"),
        ),
        (Some("PreFix=evil&%50REFIX=evil"), None, Some("")),
        (Some("prefix=acme"), Some("acme"), Some("?prefix=acme")),
    ] {
        assert_eq!(
            jitsi_query(query, tenant).as_deref(),
            want,
            "{query:?} {tenant:?}"
        );
    }
}
