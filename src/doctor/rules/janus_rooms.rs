//! Rooms and mountpoints that are made by a file.

use super::super::finding::{Findings, Fix, NEW_SECRET};
use super::super::machine::Machine;
use super::super::tree::{Member, Tree, Value};

/// The secret of the rooms in the examples.
const DEFAULT: &str = "adminpwd";

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for janus in &machine.janus {
        for plugin in ["videoroom", "audiobridge", "textroom", "streaming"] {
            if let Some(tree) = janus.file(&format!("janus.plugin.{plugin}")) {
                rooms(tree, plugin, found);
            }
        }
    }
}

fn rooms(tree: &Tree, plugin: &str, found: &mut Findings) {
    let is_room = |member: &&Member| match plugin {
        "streaming" => member.name != "general",
        _ => member.name.starts_with("room-"),
    };
    for room in tree.members.iter().filter(is_room) {
        if !matches!(room.node.value, Value::Table(_)) {
            continue;
        }
        let name = &room.name;
        match tree.find(&[name, "secret"]) {
            Some(member) if member.node.text() == Some(DEFAULT) => {
                let why = format!(
                    "{name} has the secret of the example, by which everybody can \
                                   change and destroy it"
                );
                let fix = Fix::write(format!("secret = \"{NEW_SECRET}\""));
                found.add("janus-room-secret-default", &member.place, why, fix);
            }
            None if tree.lacks(&[name, "secret"]) => {
                let why = format!("every client can change and destroy {name}: it has no secret");
                let fix = Fix::add(format!("secret = \"{NEW_SECRET}\""));
                found.add("janus-room-no-secret", &room.place, why, fix);
            }
            _ => {}
        }
        let locked = tree.get(&[name, "lock_record"]);
        let is_locked = matches!(locked, super::super::tree::Seen::Unknown)
            || tree.is_true(&[name, "lock_record"]);
        if plugin == "videoroom" && !is_locked {
            let why = format!(
                "every publisher in {name} can have its media recorded on this \
                               machine's disk, under a name of its choice"
            );
            let fix = Fix::add("lock_record = true");
            found.add("janus-record-open", &room.place, why, fix);
        }
    }
}
