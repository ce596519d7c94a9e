//! A message has one reading or none: what is accepted means the same to a lenient parser, what is
//! edited differs in nothing else, and a name that is there already is rejected however it is
//! written.
#![no_main]

use ianitor::signalling::document::{Change, Kind, Object, Value, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(documents) = split(text) else { return };
    let documents: Vec<Value> = documents.collect();
    let lenient = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    let lenient: Vec<serde_json::Value> = lenient.map(|value| value.expect("JSON")).collect();
    assert_eq!(documents.len(), lenient.len());
    for (document, lenient) in documents.iter().zip(&lenient) {
        same(*document, lenient);
        if let Some(object) = document.object() {
            edits(object, lenient);
            duplicates(object);
        }
        // Read again it is one document: itself.
        let again = split(document.raw()).expect("read before");
        let again: Vec<&str> = again.map(Value::raw).collect();
        assert_eq!(again, [document.raw()]);
    }
});

fn same(value: Value, lenient: &serde_json::Value) {
    match (value.kind(), lenient) {
        (Kind::Object, serde_json::Value::Object(members)) => {
            let object = value.object().expect("an object");
            let mut count = 0;
            for member in object.members() {
                count += 1;
                let name = member.name.unescaped();
                assert!(member.name.is(&name) && member.name.is_ignoring_case(&name));
                same(member.value, &members[&*name]);
            }
            assert_eq!(count, members.len(), "a name occurs twice");
            assert!(object.members_at_any_depth().count() >= count);
        }
        (Kind::Array, serde_json::Value::Array(items)) => {
            let mut mine = value.array().expect("an array").items();
            for item in items {
                same(mine.next().expect("an item"), item);
            }
            assert!(mine.next().is_none());
        }
        (Kind::Text, serde_json::Value::String(text)) => {
            assert_eq!(value.text().expect("a string").unescaped(), text.as_str());
            assert!(!text.contains('\0'));
        }
        (Kind::Number, serde_json::Value::Number(number)) => {
            if let Some(integer) = value.integer() {
                // serde_json reads `-0` as a float.
                assert!(number.as_i64() == Some(integer) || value.raw() == "-0");
            } else {
                let (mine, its) = (value.raw().parse().ok(), number.as_f64());
                let (mine, its): (f64, f64) = mine.zip(its).expect("finite");
                assert!((mine - its).abs() <= its.abs() * 1e-12 + f64::MIN_POSITIVE);
            }
        }
        (Kind::Bool, serde_json::Value::Bool(_)) | (Kind::Null, serde_json::Value::Null) => {}
        (kind, other) => panic!("{kind:?} is {other}"),
    }
}

fn edits(object: Object, lenient: &serde_json::Value) {
    let first = object
        .members()
        .next()
        .map(|member| member.name.unescaped());
    let first = first.as_deref().unwrap_or("none");
    let mut want = lenient.clone();
    if let Some(members) = want.as_object_mut() {
        members.remove(first);
        members.insert("\u{1}\"new".into(), "\\value\n".into());
    }
    let changes = [
        Change::Remove(first),
        Change::SetText("\u{1}\"new", "\\value\n"),
    ];
    let edited = object.edited(&changes);
    if first == "\u{1}\"new" {
        return;
    }
    assert!(split(&edited).is_ok());
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&edited).expect("JSON"),
        want
    );
}

/// The first name once more as the last one, with every character escaped.
fn duplicates(object: Object) {
    let Some(first) = object.members().next() else {
        return;
    };
    let (name, rest) = (first.name.unescaped(), object.raw());
    let units = name.encode_utf16();
    let escaped: String = units.map(|unit| format!("\\u{unit:04X}")).collect();
    let twice = format!("{},\"{escaped}\":0}}", &rest[..rest.len() - 1]);
    assert!(split(&twice).is_err(), "{twice}");
}
