//! The claims of a token, and the claims that a policy requires.

use std::fmt;

use serde_json::{Map, Value};

use super::BadToken;
use crate::clock::UnixTime;
use crate::json;

/// The claims of a token with a good signature.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// When it expires; a token without an expiry is rejected.
    pub exp: UnixTime,
    /// The token is not valid before that.
    pub nbf: Option<UnixTime>,
    /// When it was issued.
    pub iat: Option<UnixTime>,
    /// All claims, including these three.
    all: Map<String, Value>,
}

impl Claims {
    /// Reads the payload of a token.
    ///
    /// # Errors
    /// If it is not an object, or a registered claim does not have the type that RFC 7519, section
    /// 4.1, requires.
    pub fn parse(payload: &[u8]) -> Result<Self, BadToken> {
        let all = json::parse_object(payload).map_err(|_| BadToken::Malformed)?;
        let time = |name| match all.get(name) {
            None => Ok(None),
            // Whole seconds only: fractions have no use, and libraries disagree about large
            // numbers.
            Some(value) => value
                .as_u64()
                .map(|seconds| Some(UnixTime(seconds)))
                .ok_or(BadToken::ClaimType),
        };
        let (exp, nbf, iat) = (
            time("exp")?.ok_or(BadToken::NoExpiry)?,
            time("nbf")?,
            time("iat")?,
        );
        for name in ["iss", "sub", "jti"] {
            if all.get(name).is_some_and(|value| !value.is_string()) {
                return Err(BadToken::ClaimType);
            }
        }
        let is_text = |value: &Value| value.is_string();
        match all.get("aud") {
            None | Some(Value::String(_)) => {}
            Some(Value::Array(list)) if list.iter().all(is_text) => {}
            Some(_) => return Err(BadToken::ClaimType),
        }
        Ok(Self { exp, nbf, iat, all })
    }

    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }

    /// The subject, `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// Whether `aud` is this audience or contains it.
    pub fn is_for(&self, audience: &str) -> bool {
        match self.all.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(list)) => list.iter().any(|one| one == audience),
            _ => false,
        }
    }

    /// A claim by its name or, if no claim has that name, by a path of names separated by dots.
    pub fn find(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.all.get(path) {
            return Some(value);
        }
        let (first, rest) = path.split_once('.')?;
        rest.split('.')
            .try_fold(self.all.get(first)?, |value, name| {
                value.as_object()?.get(name)
            })
    }
}

/// A value that a policy requires of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This string; `*` accepts any value.
    Text(Box<str>),
    /// This whole number.
    Integer(i64),
    /// This boolean.
    Bool(bool),
}

impl Wanted {
    /// Whether any value is accepted.
    pub fn is_any(&self) -> bool {
        matches!(self, Self::Text(text) if **text == *"*")
    }

    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null) => false,
            (wanted, _) if wanted.is_any() => true,
            (Self::Text(wanted), Value::String(text)) => **wanted == **text,
            (Self::Integer(wanted), Value::Number(number)) => number.as_i64() == Some(*wanted),
            (Self::Bool(wanted), Value::Bool(truth)) => wanted == truth,
            _ => false,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Integer(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

/// A claim that a policy requires: its value is one of these or, if it is a list, contains one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRule {
    /// The claim's name, or a path of names separated by dots.
    pub path: Box<str>,
    /// The accepted values; at least one.
    pub one_of: Box<[Wanted]>,
}

impl ClaimRule {
    /// Whether the claims meet the rule.
    pub fn is_met(&self, claims: &Claims) -> bool {
        let meets = |value: &Value| {
            self.one_of.iter().any(|wanted| wanted.is(value)) || self.is_every_room(value)
        };
        match claims.find(&self.path) {
            Some(Value::Array(list)) => list.iter().any(meets),
            Some(value) => meets(value),
            None => false,
        }
    }

    /// Jitsi's tokens say `"room": "*"` for every room.
    fn is_every_room(&self, value: &Value) -> bool {
        &*self.path == "room" && value == "*"
    }
}

impl fmt::Display for ClaimRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is ", self.path)?;
        for (at, wanted) in self.one_of.iter().enumerate() {
            write!(f, "{}{wanted}", if at == 0 { "" } else { " or " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(text: &str) -> Result<Claims, BadToken> {
        Claims::parse(text.as_bytes())
    }

    #[test]
    fn registered_claims_have_types() {
        assert_eq!(
            claims(r#"{"exp":1,"nbf":2,"iat":3,"aud":["a","b"],"sub":"s"}"#)
                .unwrap()
                .nbf,
            Some(UnixTime(2))
        );
        for (text, want) in [
            (r#"{}"#, BadToken::NoExpiry),
            (r#"{"exp":null}"#, BadToken::ClaimType),
            (r#"{"exp":"1"}"#, BadToken::ClaimType),
            (r#"{"exp":1.0}"#, BadToken::ClaimType),
            (r#"{"exp":1e9}"#, BadToken::ClaimType),
            (r#"{"exp":-1}"#, BadToken::ClaimType),
            (r#"{"exp":18446744073709551616}"#, BadToken::ClaimType),
            (r#"{"exp":1,"nbf":"0"}"#, BadToken::ClaimType),
            (r#"{"exp":1,"sub":7}"#, BadToken::ClaimType),
            (r#"{"exp":1,"aud":7}"#, BadToken::ClaimType),
            (r#"{"exp":1,"aud":["a",7]}"#, BadToken::ClaimType),
            (r#"{"exp":1,"exp":2}"#, BadToken::Malformed),
            (r#"[1]"#, BadToken::Malformed),
            ("", BadToken::Malformed),
        ] {
            assert_eq!(claims(text).unwrap_err(), want, "{text}");
        }
    }

    #[test]
    fn rules() {
        let claims = claims(
            r#"{"exp":1,"role":"ops","groups":["a","b"],"moderator":true,"level":3,"room":"*",
                "no":null,
                "realm_access":{"roles":["admin"]},"a.b":"flat","a":{"b":"deep"},
                "room_ids":["123"]}"#,
        )
        .unwrap();
        let text = |text: &str| Wanted::Text(text.into());
        for (path, wanted, met) in [
            ("role", text("ops"), true),
            ("role", text("op"), false),
            ("role", text("*"), true),
            ("groups", text("b"), true),
            ("groups", text("c"), false),
            ("moderator", Wanted::Bool(true), true),
            ("moderator", Wanted::Bool(false), false),
            ("moderator", text("true"), false),
            ("level", Wanted::Integer(3), true),
            ("level", text("3"), false),
            ("realm_access.roles", text("admin"), true),
            ("realm_access.none", text("*"), false),
            ("role.x", text("*"), false),
            ("a.b", text("flat"), true),
            ("a.b", text("deep"), false),
            ("no", text("*"), false),
            ("none", text("*"), false),
            ("room", text("standup"), true),
            ("room_ids", text("123"), true),
        ] {
            let rule = ClaimRule {
                path: path.into(),
                one_of: [wanted].into(),
            };
            assert_eq!(rule.is_met(&claims), met, "{rule}");
        }
    }
}
