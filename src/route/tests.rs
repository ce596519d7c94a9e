use super::*;
use crate::policy::Rule;

fn table(routes: &[(&str, &str)]) -> RouteTable {
    let policy = Arc::new(Policy::new(Policy::OPEN, Rule::Open));
    let target = Target::Redirect("/elsewhere".parse().unwrap());
    let route = |(host, path): &(&str, &str)| Route {
        host: (!host.is_empty()).then(|| host.parse().unwrap()),
        path: path.parse().unwrap(),
        policy: Arc::clone(&policy),
        target: target.clone(),
        forward_token: false,
        body_limit: 0,
        limits: RouteLimits::default(),
        cors: None,
        answers: Edits::default(),
        security: Security::default(),
        after_sign_in: None,
    };
    RouteTable::new(routes.iter().map(route).collect(), Vec::new())
}

#[test]
fn longest_path_then_most_exact_host() {
    let table = table(&[
        ("", "/"),
        ("", "/janus"),
        ("media.example.com", "/janus"),
        ("*.example.com", "/janus"),
        ("*.example.com", "/janus/admin"),
        ("", "/janus/deep/er"),
    ]);
    for (host, path, want) in [
        ("other.org", "/janus", Ok(1)),
        ("other.org", "/janus/admin", Ok(1)),
        ("media.example.com", "/janus/1", Ok(2)),
        ("media.example.com", "/janus/admin/x", Ok(4)),
        ("a.example.com", "/janus", Ok(3)),
        ("a.b.example.com", "/janus", Ok(1)),
        ("media.example.com", "/janus/deep/er", Ok(5)),
        ("media.example.com", "/januswhatever", Ok(0)),
    ] {
        assert_eq!(
            table.find(&host.parse().unwrap(), path).map(|id| id.0),
            want,
            "{host}{path}"
        );
    }
}

#[test]
fn a_literal_path_goes_before_one_with_a_tenant_whatever_their_hosts() {
    let table = table(&[
        ("", "/{tenant}/http-bind"),
        ("meet.example.com", "/{tenant}/http-bind"),
        ("", "/acme/http-bind"),
        ("meet.example.com", "/acme"),
    ]);
    for (host, path, want) in [
        ("meet.example.com", "/acme/http-bind", Ok(2)),
        ("meet.example.com", "/other/http-bind", Ok(1)),
        ("meet.example.com", "/acme/http-bind/x", Ok(2)),
        ("meet.example.com", "/acme/x", Ok(3)),
        ("meet.example.com", "/other/http-bind/x", Err(NoRoute::Path)),
        ("other.org", "/other/http-bind", Ok(0)),
        ("other.org", "/acme/http-bind", Ok(2)),
        ("other.org", "/http-bind", Err(NoRoute::Path)),
    ] {
        let found = table.find(&host.parse().unwrap(), path);
        assert_eq!(found.map(|id| id.0), want, "{host}{path}");
        let route = found.ok().map(|id| table.route(id));
        let tenant = route.and_then(|route| route.tenant(path));
        assert_eq!(tenant.is_some(), matches!(want, Ok(0 | 1)), "{host}{path}");
    }
}

#[test]
fn unknown_host_and_unknown_path_differ() {
    let table = table(&[("media.example.com", "/janus")]);
    let find = |host: &str, path| table.find(&host.parse().unwrap(), path).unwrap_err();
    assert_eq!(find("other.org", "/janus"), NoRoute::Host);
    assert_eq!(find("media.example.com", "/other"), NoRoute::Path);
}

#[test]
fn paths_change_both_ways() {
    let change = PathChange {
        strip: "/media/janus".into(),
        add: "/janus".into(),
    };
    assert_eq!(change.to_upstream("/media/janus/1/2"), "/janus/1/2");
    assert_eq!(change.to_upstream("/media/janus"), "/janus");
    assert_eq!(
        change.to_public("/janus/1").as_deref(),
        Some("/media/janus/1")
    );
    assert_eq!(
        change.to_public("/janus?x").as_deref(),
        Some("/media/janus?x")
    );
    assert_eq!(change.to_public("/januswhatever"), None);
    let strip = PathChange {
        strip: "/media".into(),
        add: "".into(),
    };
    assert_eq!(strip.to_upstream("/media"), "/");
    assert_eq!(strip.to_public("/x").as_deref(), Some("/media/x"));
}

#[test]
fn a_public_path_is_a_path_and_never_another_host() {
    let change = PathChange {
        strip: "".into(),
        add: "/janus".into(),
    };
    assert_eq!(change.to_public("/janus//evil.example/"), None);
    assert_eq!(change.to_public("/janus").as_deref(), Some("/"));
    assert_eq!(change.to_public("/janus?x").as_deref(), Some("/?x"));
}
