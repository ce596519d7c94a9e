//! JSON with comments, and the scripts of Jitsi: no text makes the reader panic or hang, and places
//! are in the text.
#![no_main]

use ianitor::doctor::read::script;
use ianitor::doctor::tree::Member;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for tree in [
        script::json(&"f.json".into(), text),
        script::javascript(&"f.js".into(), text),
    ] {
        members(&tree.members, text);
    }
});

/// Every place is one of the text.
fn members(members: &[Member], text: &str) {
    for member in members {
        assert!(member.place.line as usize <= text.matches('\n').count() + 1);
        assert!(member.node.place >= member.place);
        self::members(member.node.members(), text);
    }
}
