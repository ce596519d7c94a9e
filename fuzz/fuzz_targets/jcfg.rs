//! The files of Janus: no text makes the reader panic or hang, and places are in the text.
#![no_main]

use ianitor::doctor::files::Unread;
use ianitor::doctor::read::libconfig;
use ianitor::doctor::tree::Member;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let include = |_: &str| Err(Unread::Denied);
    let tree = libconfig::read(&"f.jcfg".into(), text, &include);
    assert!(tree.error.is_none() || !tree.is_whole);
    members(&tree.members, text);
});

/// Every place is one of the text.
fn members(members: &[Member], text: &str) {
    for member in members {
        assert!(member.place.line as usize <= text.matches('\n').count() + 1);
        assert!(member.node.place >= member.place);
        self::members(member.node.members(), text);
    }
}
