use serde_json::json;

use super::super::Passes::{No, Unknown, Yes};
use super::super::{Firewall, Passes};

fn firewall() -> Firewall {
    let tcp = |right: serde_json::Value| {
        json!({"match": {"op": "==", "right": right,
            "left": {"payload": {"protocol": "tcp", "field": "dport"}}}})
    };
    let rule = |chain: &str, expressions: serde_json::Value| {
        json!({"rule": {"family": "inet", "table": "filter", "chain": chain, "handle": 1,
            "expr": expressions}})
    };
    let rules = json!({"nftables": [
        {"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "filter", "handle": 1}},
        {"chain": {"family": "inet", "table": "filter", "name": "input", "handle": 1,
            "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
        {"chain": {"family": "inet", "table": "filter", "name": "web", "handle": 2}},
        rule("input", json!([{"match": {"op": "==", "left": {"meta": {"key": "iifname"}},
            "right": "lo"}}, {"accept": null}])),
        rule("input", json!([{"match": {"op": "in", "left": {"ct": {"key": "state"}},
            "right": ["established", "related"]}}, {"accept": null}])),
        rule("input", json!([tcp(json!({"set": [80, 443, {"range": [8000, 8100]}]})),
            {"jump": {"target": "web"}}])),
        rule("input", json!([tcp(json!(22)), {"limit": {"rate": 3, "per": "minute"}},
            {"accept": null}])),
        rule("input", json!([{"match": {"op": "==", "right": {"prefix": {"addr": "10.0.0.0",
            "len": 8}}, "left": {"payload": {"protocol": "ip", "field": "saddr"}}}},
            tcp(json!(7088)), {"accept": null}])),
        rule("web", json!([{"counter": {"packets": 0, "bytes": 0}}, {"accept": null}])),
    ]});
    let mut firewall = Firewall::default();
    assert!(super::add(&mut firewall, &rules.to_string()));
    firewall
}

#[test]
fn a_port_is_open_shut_or_unknown() {
    let firewall = firewall();
    for (port, want) in [
        (443, Yes),
        (8088, Yes),
        (7088, No),
        (7188, No),
        (22, Unknown),
    ] {
        let passes = |rules: &Option<super::Ruleset>| -> Passes {
            rules.as_ref().unwrap().passes(true, port)
        };
        assert_eq!(passes(&firewall.v4), want, "{port}");
        assert_eq!(passes(&firewall.v6), want, "{port}");
    }
    assert!(firewall.shuts(true, 7088) && !firewall.shuts(true, 443));
}

#[test]
fn other_texts_are_not_taken() {
    for text in ["", "{}", "[]", "{\"nftables\": 1}", "*filter"] {
        assert!(!super::add(&mut Firewall::default(), text), "{text}");
    }
}
