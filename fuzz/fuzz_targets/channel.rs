//! Documents on the channel between the two processes of an upgrade: what one writes the other
//! reads, and nothing else is taken for a document.
#![no_main]

use ianitor::upgrade::frame;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    // A length that the data does not have would only cost memory.
    let is_there = data
        .first_chunk()
        .is_some_and(|length| u32::from_be_bytes(*length) as usize <= data.len());
    if is_there && let Ok(document) = frame::read::<Value>(&mut rest) {
        let mut written = Vec::new();
        frame::write(&mut written, &document).expect("it was not too long");
        let again: Value = frame::read(&mut &*written).expect("it is a document");
        // The last bit of a fraction may change, and no document has one.
        assert!(again == document || has_fraction(&document));
    }
});

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(values) => values.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}
