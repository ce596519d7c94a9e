//! Messages that a caller in room 1234 must not have carried out, and their answers.
//!
//! `$session` and the handles named after plugins are the caller's; `$zoe` and `$ann` are others in
//! its room, `$yan` is in room 4321, and `$foreign` and `$stolen` are a session and a handle of
//! another client.

/// A message, what is wrong with it, and the code of Janus for that.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) message: String,
    pub(super) code: u16,
}

/// A request for the plugin of a handle.
pub(super) fn to(handle: &str, body: &str) -> String {
    let ids = format!(r#""session_id":$session,"handle_id":{handle}"#);
    format!(r#"{{"janus":"message","transaction":"row",{ids},"body":{body}}}"#)
}

/// What is no line of text.
const BYTES: [(&str, &str, &str); 3] = [
    ("a zero byte behind the message", "", "\0"),
    ("a byte order mark", "\u{feff}", ""),
    ("a control character", "\u{1}", ""),
];

/// All of them.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    let lines = include_str!("refused.txt").lines();
    let bytes = BYTES.iter().map(|(what, before, after)| {
        let destroy = r#"{"janus":"destroy","transaction":"row","session_id":$session}"#;
        Row {
            what,
            message: format!("{before}{destroy}{after}"),
            code: 454,
        }
    });
    lines
        .filter(|line| !line.starts_with('#'))
        .map(row)
        .chain(bytes)
}

fn row(line: &'static str) -> Row {
    let (code, rest) = line.split_once(' ').unwrap();
    let mut columns = rest.split(" | ");
    let what = columns.next().unwrap();
    let message = match (columns.next().unwrap(), columns.next()) {
        (handle, Some(body)) => to(handle, body),
        (message, None) => message.to_owned(),
    };
    Row {
        what,
        message,
        code: code.parse().unwrap(),
    }
}
