//! Tokens that are revoked before they expire.

use std::collections::HashSet;

use super::claims::Claims;

/// A list of revoked tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    ids: HashSet<Box<str>>,
    subjects: HashSet<Box<str>>,
}

impl Revoked {
    /// Reads lines of `jti VALUE` and `sub VALUE`. Empty lines and lines that begin with `#` are
    /// skipped.
    ///
    /// # Errors
    /// The number of the first line that is neither.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut list = Self::default();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (kind, value) = line.split_once(char::is_whitespace).ok_or(at + 1)?;
            // A comment after a value would become part of the value, which then matches no token.
            if value.trim().contains([' ', '\t']) && value.contains('#') {
                return Err(at + 1);
            }
            match kind {
                "jti" => list.ids.insert(value.trim().into()),
                "sub" => list.subjects.insert(value.trim().into()),
                _ => return Err(at + 1),
            };
        }
        Ok(list)
    }

    /// Whether a token is on the list.
    pub fn has(&self, claims: &Claims) -> bool {
        let named = |set: &HashSet<Box<str>>, claim| {
            claims.text(claim).is_some_and(|value| set.contains(value))
        };
        (!self.ids.is_empty() && named(&self.ids, "jti"))
            || (!self.subjects.is_empty() && named(&self.subjects, "sub"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_id_and_by_subject() {
        let list = Revoked::parse("# gone\n\n jti 7f3 \nsub\tmallory@example.com\n").unwrap();
        let has = |text: &str| list.has(&Claims::parse(text.as_bytes()).unwrap());
        assert!(has(r#"{"exp":1,"jti":"7f3"}"#));
        assert!(has(r#"{"exp":1,"sub":"mallory@example.com","jti":"x"}"#));
        assert!(!has(r#"{"exp":1,"sub":"7f3"}"#));
        assert!(!has(r#"{"exp":1}"#));
        assert_eq!(Revoked::parse("jti a\n7f3"), Err(2));
        assert_eq!(Revoked::parse("kid a"), Err(1));
        assert_eq!(Revoked::parse("jti 7f3  # a stolen laptop"), Err(1));
        assert!(Revoked::parse("sub #7 of a list").is_err());
        assert!(Revoked::parse("sub #7\nsub Ada Lovelace").is_ok());
    }
}
