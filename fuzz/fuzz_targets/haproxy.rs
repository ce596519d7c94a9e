//! `haproxy.cfg`: no text makes the reader panic or hang, and places are in the text.
#![no_main]

use ianitor::doctor::read::haproxy::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let count = text.split('\n').count();
    for section in read(&"f.cfg".into(), text) {
        for line in std::iter::once(&section.head).chain(&section.lines) {
            assert!(!line.words.is_empty() && line.place.line as usize <= count);
        }
    }
});
