//! Presets name what there is, and nothing twice.

use super::*;
use crate::signalling::janus::{VERBS, plugins};
use crate::signalling::kurento::{METHODS, OPERATIONS, TYPES};

#[test]
fn a_preset_names_only_what_there_is() {
    for preset in all() {
        for row in preset.rows {
            for verb in row.verb_names() {
                let is_known = match preset.protocol {
                    Protocol::Janus => VERBS.contains(&verb),
                    Protocol::JanusAdmin => ADMIN_VERBS.iter().any(|(name, _)| *name == verb),
                    Protocol::Kurento => METHODS.iter().any(|(name, _)| *name == verb),
                };
                assert!(is_known, "{}: {verb}", preset.name);
            }
            if preset.protocol == Protocol::Kurento {
                let mut types = row.plugins.split_whitespace();
                let mut operations = row.requests.split_whitespace();
                assert!(types.all(|name| TYPES.contains(&name)), "{row:?}");
                assert!(operations.all(|name| OPERATIONS.contains(&name)), "{row:?}");
                continue;
            }
            let of_row: Vec<_> = row.plugins.split_whitespace().map(plugins::find).collect();
            assert!(
                of_row.iter().all(Option::is_some),
                "{}: {}",
                preset.name,
                row.plugins
            );
            for request in row
                .requests
                .split_whitespace()
                .filter(|_| !of_row.is_empty())
            {
                let knows = |plugin: &plugins::Plugin| plugin.room_use(|name| name == request);
                let is_known = of_row
                    .iter()
                    .flatten()
                    .any(|plugin| knows(plugin).is_some());
                assert!(is_known, "{}: {request}", preset.name);
            }
        }
    }
    assert!(find("janus-caller").is_some() && find("janus-callers").is_none());
}

#[test]
fn privileged_are_the_requests_that_no_preset_of_callers_has() {
    let callers = ["janus-caller", "janus-plugin-sfu"].map(|name| find(name).unwrap());
    let rows = || callers.iter().flat_map(|preset| preset.rows);
    let is_of_callers = |plugin: &str, request: &str| {
        let mut rows = rows().filter(|row| row.claim != Some("kick_users"));
        rows.any(|row| {
            let has = |words: &str, word| words.split_whitespace().any(|its| its == word);
            has(row.plugins, plugin) && has(row.requests, request)
        })
    };
    for plugin in plugins::PLUGINS {
        let lists = [plugin.in_room, plugin.new_room, plugin.others].concat();
        let mut others: Vec<_> = lists
            .into_iter()
            .filter(|request| !is_of_callers(plugin.name, request))
            .collect();
        let mut privileged = plugin.privileged.to_vec();
        others.sort_unstable();
        privileged.sort_unstable();
        assert_eq!(privileged, others, "{}", plugin.name);
    }
}

#[test]
fn every_admin_verb_is_in_exactly_one_class() {
    for (at, (verb, _)) in ADMIN_VERBS.iter().enumerate() {
        assert!(
            ADMIN_VERBS[at + 1..].iter().all(|(other, _)| other != verb),
            "{verb}"
        );
    }
    assert_eq!(ADMIN_VERBS.len(), 39);
}

#[test]
fn a_table_has_a_line_for_each_row() {
    let table = find("janus-plugin-sfu").unwrap().table();
    assert_eq!(table.lines().count(), 2 + 5);
    assert!(table.contains(
        "| 3 | `message` | `janus.plugin.sfu` | `join` | in `room_ids`, any without it | \
         `join_hub` is true |  |"
    ));
}

#[test]
fn a_table_for_kurento_has_its_words_and_no_rooms() {
    let table = find("kurento-app").unwrap().table();
    assert!(table.starts_with("| | method | type | operation | requires | without |"));
    assert!(table.contains("| 7 | `invoke` | `ServerManager` | `getInfo` |  |  |"));
    assert!(table.contains("| `rtp_endpoint` is true, URIs below those of the policy | `command`"));
    let table = find("kurento-operator").unwrap().table();
    assert!(table.contains("| `release` `unref` | `MediaPipeline` "));
    assert!(table.contains("| any | objects of all clients |  |"));
}
