//! INI files: each setting is on the line that it says.
#![no_main]

use ianitor::doctor::read::settings::ini;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lines: Vec<&str> = text.split('\n').collect();
    for setting in ini(&"f.ini".into(), text).all {
        let line = lines[setting.place.line as usize - 1];
        assert!(line.contains(&setting.name) && line.contains(&setting.value));
    }
});
