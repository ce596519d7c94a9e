mod broken;
mod defaults;
mod every_key;
mod hosts;
mod included;
mod round_trip;

use super::*;
use crate::slot::MaxConnections;

fn problems(text: &str) -> Vec<String> {
    let report = parse(Path::new("t"), text)
        .map(|loaded| loaded.warnings)
        .unwrap_or_else(|report| report);
    report.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn integers_in_every_spelling() {
    for (written, wrong) in [
        ("0", false),
        ("+4", false),
        ("0x10", false),
        ("1_000", false),
        ("1024", false),
        ("1025", true),
        ("-0", true),
        ("-1", true),
        ("99999999999999999999999999", true),
        ("4.0", true),
        ("true", true),
    ] {
        let got = problems(&format!("[listen]\nworkers = {written}\n"));
        assert_eq!(
            got.iter()
                .any(|line| line.starts_with("t:2:11 listen.workers: ")),
            wrong,
            "{written}: {got:#?}"
        );
    }
}

#[test]
fn wrong_elements_do_not_shorten_a_list() {
    let got = problems("[upstreams.a]\nservers = [1]\n");
    assert!(
        got.iter().any(|line| line
            .starts_with("t:2:12 upstreams.a.servers[0]: expected a string, found an integer")),
        "{got:#?}"
    );
    assert!(
        !got.iter().any(|line| line.contains("is empty")),
        "{got:#?}"
    );
    let got = problems("[policies.a]\nallow = [1]\n");
    assert!(
        !got.iter().any(|line| line.contains("empty list")),
        "{got:#?}"
    );
}

#[test]
fn what_is_wrong_is_not_missing_too() {
    let got = problems(
        "[listen]\nhttps = 1\n[tls]\ncertificates = 1\n[[routes]]\npath = 1\nupstream = 1\n\
         policy = 1\n",
    );
    assert_eq!(got.len(), 5, "{got:#?}");
    assert!(got.iter().all(|line| line.contains("expected")), "{got:#?}");
}

#[test]
fn a_mode_without_quotes_is_told_as_such() {
    let quotes = "no number begins with 0; write the mode in quotes, \"0640\"";
    assert_eq!(
        problems("[[deploy]]\nmode = 0640\n"),
        [format!("t:2:8 deploy[0].mode: {quotes}")]
    );
    let got = problems("[listen]\nworkers = 08\n");
    assert_eq!(
        got,
        [
            "t:2:11 listen.workers: no number begins with 0; take that off, or write a text in \
             quotes"
        ]
    );
    assert_eq!(
        problems("deploy = [{ mode = 0640 }]"),
        [format!("t:1:20 deploy[0].mode: {quotes}")]
    );
}

#[test]
fn after_a_syntax_error_nothing_is_called_missing() {
    assert_eq!(
        problems("x ="),
        ["t:1:4 string values must be quoted, expected literal string"]
    );
}

#[test]
fn janus_has_a_limit_of_connections_by_default() {
    let max = |lines: &str| {
        let text = format!(
            "[listen]\nhttps = [\"127.0.0.1:0\"]\n[tls]\nself_signed = [\"localhost\"]\n\
             [upstreams.a]\n\
             servers = [\"http://127.0.0.1:9\"]\n{lines}\n[[routes]]\npath = \"/\"\n\
             upstream = \"a\"\n\
             policy = \"open\"\ni_know_this_is_open = true\n"
        );
        let loaded = parse(Path::new("t"), &text).unwrap_or_else(|report| panic!("{report}"));
        loaded.config.routes.upstreams()[0].max_connections
    };
    assert_eq!(max("protocol = \"janus\""), MaxConnections::Requests(1000));
    assert_eq!(
        max("protocol = \"janus\"\nmax_connections = 9"),
        MaxConnections::All(9)
    );
    assert_eq!(max("max_connections = 9"), MaxConnections::All(9));
    assert_eq!(
        (max(""), max("protocol = \"kurento\"")),
        (MaxConnections::Unlimited, MaxConnections::Unlimited)
    );
}

/// As many networks as a company has, in each list that takes networks.
#[test]
fn a_list_of_ten_thousand_networks_is_short_in_the_summary() {
    let network = |n: u32| {
        // Every other address, so that none add up to a larger network.
        let [_, a, b, c] = (2 * n).to_be_bytes();
        format!("\"10.{a}.{b}.{c}\"")
    };
    let networks: Vec<String> = (0..10_000).map(network).collect();
    let networks = networks.join(",");
    let text = format!(
        "[listen]\nhttps = [\"127.0.0.1:0\"]\nproxy_protocol = [{networks}]\n\
         trusted_proxies = [{networks}]\n[limits]\nexempt = [{networks}]\n[tls]\n\
         self_signed = [\"localhost\"]\n[upstreams.a]\nservers = [\"http://127.0.0.1:1\"]\n\
         [policies.a]\nallow = [{networks}]\ndeny = [\"10.255.0.0/16\"]\n\
         [[routes]]\npath = \"/\"\nupstream = \"a\"\npolicy = \"a\"\n"
    );
    let loaded = parse(Path::new("t"), &text).unwrap();
    let shown = summary(&loaded.config);
    assert!(shown.contains(" and 9984 more"), "{shown}");
    assert!(shown.len() < 4096, "{shown}");
}

#[test]
fn places_are_lines_and_characters_wherever_keys_are() {
    let text = "[log]\naccess = false\n[tls]\nself_signed = [\"ä.example\", \"b\"]\n\
                [log.x]\na = { b = 1, c = [\n 2] }\n";
    let sources = Sources::of(Path::new("t"), text.to_owned());
    let document = document::read(&sources, Raw::KEYS, &variables::of_process);
    let places = Places::of(&sources, &document);
    for (key, place) in [
        ("log.access", "2:10"),
        ("tls.self_signed", "4:15"),
        ("tls.self_signed[0]", "4:16"),
        ("tls.self_signed[1]", "4:29"),
        ("log.x.a.b", "6:11"),
        ("log.x.a.c", "6:18"),
        ("log.x.a.c[0]", "7:2"),
    ] {
        let message = format!("{key}: is wrong");
        let want = format!("t:{place} {message}");
        assert_eq!(places.located(&message), Some(want));
    }
    assert_eq!(places.located("log.y: is wrong"), None);
}
