//! "Did you mean": which known word an unknown one was meant to be.

use super::problem::quoted;

/// Says that a word is unknown, and which one is meant or which ones there are.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let word_quoted = quoted(word);
    match (nearest(word, known), known) {
        (Some(meant), _) => format!("unknown {what} {word_quoted}, did you mean \"{meant}\"?"),
        (None, []) => {
            let hint = table_for(what, word).unwrap_or_default();
            format!("unknown {what} {word_quoted}; none is defined{hint}")
        }
        (None, _) => format!("unknown {what} {word_quoted}; known: {}", listed(known)),
    }
}

/// The table that would define a name, where the name can be one.
fn table_for(what: &str, word: &str) -> Option<String> {
    let (table, key) = match what {
        "upstream" => ("upstreams", "servers = [\"http://127.0.0.1:8088\"]"),
        "issuer" => ("issuers", "its keys"),
        "turn" => ("turn", "uris and secret_file"),
        _ => return None,
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_name = !word.is_empty() && word.bytes().all(is_plain);
    is_name.then(|| format!("; write [{table}.{word}] with {key}"))
}

/// The known word that differs by a slip or two.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    /// Longer words are no slips, and the distance is quadratic.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let slips = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase();
    let distance = |k: &str| strsim::osa_distance(&lower, &k.to_lowercase());
    known
        .iter()
        .copied()
        .map(|k| (distance(k), k))
        .filter(|(d, _)| *d <= slips)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// `"a", "b", "c"`.
fn listed(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_seen_and_other_words_are_not() {
        let known = ["operators", "callers", "open"];
        for (word, meant) in [
            ("opertors", Some("operators")),
            ("Operators", Some("operators")),
            ("caller", Some("callers")),
            ("opne", Some("open")),
            ("staff", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), meant, "{word}");
        }
        assert_eq!(nearest(&"open".repeat(1000), &known), None);
    }
}
