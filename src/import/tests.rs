//! What rules, patterns and paths become.

use super::access::{self, Access, Rule};
use super::pass::{self, Change};
use super::{regexp, units};
use crate::nginx::{Disk, parse_text};

/// Who may pass a list of rules.
fn passing(rules: &str) -> String {
    let here = std::path::Path::new("");
    let tree = parse_text(here, rules, here, &Disk).unwrap();
    let rules: Vec<Rule> = tree.directives.iter().map(Rule::of).collect();
    match access::of_rules(&rules) {
        Access::Open => "open".to_owned(),
        Access::Closed(_) => "closed".to_owned(),
        Access::Addresses { allow, deny } => {
            let shown = |list: &[crate::addr::Network]| {
                list.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            format!("{} without {}", shown(&allow), shown(&deny))
        }
    }
}

#[test]
fn the_first_rule_that_fits_decides_and_no_list_admits_more() {
    for (rules, want) in [
        ("", "open"),
        ("allow all;", "open"),
        ("deny all;", "closed"),
        ("allow all; deny all;", "open"),
        ("deny all; allow all;", "closed"),
        ("allow 10.0.0.0/8;", "open"),
        ("allow 10.0.0.0/8; deny all;", "10.0.0.0/8 without "),
        ("allow 10.0.0.7/8; deny all;", "10.0.0.0/8 without "),
        ("deny 192.0.2.0/24;", "0.0.0.0/0 ::/0 without 192.0.2.0/24"),
        // Narrower than it was: the address passed, and is denied first here.
        ("allow 10.0.0.5; deny 10.0.0.0/8; deny all;", "closed"),
        ("allow name.example.com; deny all;", "closed"),
        ("deny name.example.com;", "closed"),
        ("allow unix:; deny all;", "closed"),
    ] {
        assert_eq!(passing(rules), want, "{rules}");
    }
}

#[test]
fn a_pattern_begins_with_its_literal_text_or_with_nothing() {
    for (pattern, want) in [
        ("^/api/", "/api/"),
        ("^/api", "/api"),
        ("^/api/?$", "/api"),
        ("^/a(b|c)", "/a"),
        ("^/a|^/b", ""),
        ("/a", ""),
        ("^/a\\.b", "/a.b"),
        ("^/\\d", "/"),
        ("^/ab*", "/a"),
    ] {
        assert_eq!(regexp::prefix(pattern, false), want, "{pattern}");
    }
    assert_eq!(regexp::prefix("^/api", true), "");
}

#[test]
fn only_the_shapes_of_jitsi_are_paths() {
    let bridge = "^/colibri-ws/([a-zA-Z0-9-\\._]+)/(.*)";
    let uri = "/colibri-ws/$1/$2$is_args$args";
    assert_eq!(
        regexp::whole_path(bridge, uri).as_deref(),
        Some("/colibri-ws")
    );
    for (pattern, uri) in [
        (bridge, "/other/$1/$2"),
        ("^/colibri-ws/([^/]+)/(.*)", uri),
        ("/colibri-ws/([a-z]+)/(.*)", uri),
        ("^/([a-z]+)/(.*)", "/$1/$2"),
    ] {
        assert_eq!(regexp::whole_path(pattern, uri), None, "{pattern}");
    }
    assert_eq!(
        regexp::tenant("^/([^/?&:'\"]+)/http-bind"),
        Some("/http-bind")
    );
    assert_eq!(regexp::tenant("^/([^/?&:'\"]+)/(.*)$"), None);
}

#[test]
fn the_uri_of_a_proxy_pass_takes_the_place_of_the_location() {
    let rewrite = |to: &str| Change::Rewrite(to.to_owned());
    let mended = |to: &str| Change::Mended(to.to_owned());
    for (location, is_exact, uri, want) in [
        ("/x", false, None, Change::Same),
        ("/x", false, Some("/x"), Change::Same),
        ("/x/", false, Some("/"), rewrite("/")),
        ("/x", false, Some("/"), mended("/")),
        ("/x/", false, Some("/y"), mended("/y")),
        ("/x/", false, Some("/y/"), rewrite("/y")),
        ("/x", true, Some("/y/z"), rewrite("/y/z")),
        ("/", false, Some("/"), Change::Same),
        ("/", false, Some("/new/"), rewrite("/new")),
        ("/x", false, Some("/y?a=b"), Change::Unknown),
    ] {
        assert_eq!(
            pass::change(location, is_exact, uri),
            want,
            "{location} {uri:?}"
        );
    }
}

#[test]
fn times_sizes_and_rates_are_read() {
    let millis = |text| units::time(text).map(|time| time.as_millis());
    assert_eq!(millis("1h 30m"), Some(5_400_000));
    assert_eq!(millis("90"), Some(90_000));
    assert_eq!(millis("500ms"), Some(500));
    assert_eq!(millis("99999999999999999999y"), None);
    assert_eq!(millis("x"), None);
    assert_eq!(units::size("2m"), Some(2 << 20));
    assert_eq!(units::size("99999999999999999g"), None);
    assert_eq!(units::size(""), None);
    assert_eq!(units::rate("20r/s").as_deref(), Some("20/s"));
    assert_eq!(units::rate("0r/s"), None);
}
