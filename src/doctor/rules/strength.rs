//! Secrets that can be guessed.

/// Shorter ones can be tried out by a machine.
const SHORTEST: usize = 16;

/// Words that stand for a secret in examples.
const PLACEHOLDERS: [&str; 14] = [
    "change",
    "replace",
    "your",
    "example",
    "secret",
    "password",
    "north",
    "janus",
    "test",
    "my_app",
    "app_secret",
    "todo",
    "xxxx",
    "qwerty",
];

/// Why a secret is weak; `None` if it is not.
pub(super) fn weakness(secret: &str) -> Option<String> {
    let length = secret.chars().count();
    if length < SHORTEST {
        return Some(format!("has {length} characters and can be guessed"));
    }
    let word = secret.to_ascii_lowercase();
    // A random text of that length is all but certain to have digits, and not to be made of words.
    let is_of_words = word
        .chars()
        .all(|c| c.is_ascii_alphabetic() || "-_ .".contains(c));
    let is_placeholder = PLACEHOLDERS
        .iter()
        .any(|placeholder| word.contains(placeholder));
    (is_of_words && is_placeholder).then(|| "is one of those that stand in examples".to_owned())
}
