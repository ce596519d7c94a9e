//! The claims of a token, and the claims that a policy requires.

use std::borrow::Cow;
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
        let time = |name, round| match all.get(name) {
            None => Ok(None),
            Some(value) => whole_seconds(value, round)
                .map(Some)
                .ok_or(BadToken::ClaimType),
        };
        let (exp, nbf, iat) = (
            time("exp", f64::floor)?.ok_or(BadToken::NoExpiry)?,
            time("nbf", f64::ceil)?,
            time("iat", f64::ceil)?,
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

    /// All claims, as JSON that [`Claims::parse`] reads.
    pub fn to_json(&self) -> String {
        Value::Object(self.all.clone()).to_string()
    }

    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }

    /// The issuer, `iss`. An entry of `[issuers]` may accept several.
    pub fn iss(&self) -> Option<&str> {
        self.text("iss")
    }

    /// The subject, `sub`. An empty one counts as none.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub").filter(|subject| !subject.is_empty())
    }

    /// The user of a token of Jitsi, whose `sub` is the tenant or the domain: the member `id` of
    /// `context.user`, a text that is not empty or a number.
    pub fn user_id(&self) -> Option<Cow<'_, str>> {
        // Not by `find`, which prefers a claim that has the whole path as its name.
        match self.all.get("context")?.get("user")?.get("id")? {
            Value::String(id) if !id.is_empty() => Some(Cow::Borrowed(id)),
            Value::Number(id) => Some(Cow::Owned(id.to_string())),
            _ => None,
        }
    }

    /// Whether `aud` is this audience or contains it.
    pub fn is_for(&self, audience: &str) -> bool {
        match self.all.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(list)) => list.iter().any(|one| one == audience),
            _ => false,
        }
    }

    /// A claim by its name or, if no claim has that name, by a path of names separated by dots. A
    /// name on the path may have dots itself, such as the client ids of Keycloak.
    pub fn find(&self, path: &str) -> Option<&Value> {
        find(&self.all, path)
    }
}

fn find<'c>(members: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    members.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| {
            let inner = members.get(&path[..dot])?.as_object()?;
            find(inner, &path[dot + 1..])
        })
    })
}

/// A `NumericDate` (RFC 7519, section 2), which may have a fraction of a second. The direction of
/// rounding is the one in which the token is valid for a shorter time.
fn whole_seconds(value: &Value, round: fn(f64) -> f64) -> Option<UnixTime> {
    /// Up to here, every whole number is exact as a floating-point number.
    const LAST: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    if let Some(seconds) = value.as_u64() {
        return Some(UnixTime(seconds));
    }
    let seconds = round(value.as_f64()?);
    (0.0..LAST)
        .contains(&seconds)
        .then_some(UnixTime(seconds as u64))
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
            Some(Value::String(text)) if self.is_scope() && self.has_a_scope_of(text) => true,
            Some(value) => meets(value),
            None => false,
        }
    }

    /// Claims that are a list of scopes, written as one text with spaces (RFC 8693, section 4.2) or
    /// as an array.
    fn is_scope(&self) -> bool {
        matches!(&*self.path, "scope" | "scp")
    }

    /// Whether one of the words of a text is accepted.
    fn has_a_scope_of(&self, text: &str) -> bool {
        let has = |wanted: &Wanted| match wanted {
            Wanted::Text(wanted) => text.split(' ').any(|word| *word == **wanted),
            Wanted::Integer(_) | Wanted::Bool(_) => false,
        };
        self.one_of.iter().any(has)
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
    fn an_empty_subject_names_nobody() {
        for (text, subject) in [
            (r#"{"exp":1,"sub":"s"}"#, Some("s")),
            (r#"{"exp":1,"sub":""}"#, None),
            (r#"{"exp":1}"#, None),
        ] {
            assert_eq!(claims(text).unwrap().subject(), subject, "{text}");
        }
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
            (r#"{"exp":-1}"#, BadToken::ClaimType),
            (r#"{"exp":-0.5}"#, BadToken::ClaimType),
            (r#"{"exp":1e300}"#, BadToken::ClaimType),
            (r#"{"exp":1,"iat":-1.5}"#, BadToken::ClaimType),
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
    fn the_id_of_a_user_is_the_nested_member_alone() {
        for (text, want) in [
            (r#"{"exp":1,"context":{"user":{"id":"ada"}}}"#, Some("ada")),
            (r#"{"exp":1,"context":{"user":{"id":7}}}"#, Some("7")),
            (r#"{"exp":1,"context":{"user":{"id":""}}}"#, None),
            (r#"{"exp":1,"context":{"user":{"id":null}}}"#, None),
            (r#"{"exp":1,"context":{"user":"ada"}}"#, None),
            (r#"{"exp":1,"context":[]}"#, None),
            (r#"{"exp":1,"context.user.id":"ada"}"#, None),
            (r#"{"exp":1,"context":{"user.id":"ada"}}"#, None),
            (
                r#"{"exp":1,"context.user.id":"eve","context":{"user":{"id":"ada"}}}"#,
                Some("ada"),
            ),
        ] {
            assert_eq!(claims(text).unwrap().user_id().as_deref(), want, "{text}");
        }
    }

    #[test]
    fn fractions_of_a_second_shorten_the_validity() {
        for (text, exp, nbf, iat) in [
            (r#"{"exp":9.999999,"nbf":1.000001,"iat":1.5}"#, 9, 2, 2),
            (r#"{"exp":9.0,"nbf":1.0,"iat":0.0}"#, 9, 1, 0),
            (r#"{"exp":1.7e9,"nbf":-0.5,"iat":1e0}"#, 1_700_000_000, 0, 1),
        ] {
            let claims = claims(text).unwrap();
            assert_eq!(
                (claims.exp, claims.nbf, claims.iat),
                (UnixTime(exp), Some(UnixTime(nbf)), Some(UnixTime(iat))),
                "{text}"
            );
        }
    }

    #[test]
    fn scopes_are_a_list_whether_they_are_written_as_one_or_as_a_text() {
        let is_met = |path: &str, wanted: Wanted, claim: &str| {
            let claims = claims(&format!(r#"{{"exp":1,{claim}}}"#)).unwrap();
            let rule = ClaimRule {
                path: path.into(),
                one_of: [wanted].into(),
            };
            rule.is_met(&claims)
        };
        let text = |text: &str| Wanted::Text(text.into());
        for (path, wanted, claim, met) in [
            ("scope", text("calls"), r#""scope":"openid calls""#, true),
            ("scope", text("calls"), r#""scope":"calls""#, true),
            ("scp", text("calls"), r#""scp":"calls  openid""#, true),
            ("scp", text("calls"), r#""scp":["openid","calls"]"#, true),
            (
                "scope",
                text("openid calls"),
                r#""scope":"openid calls""#,
                true,
            ),
            ("scope", text("*"), r#""scope":"openid calls""#, true),
            ("scope", text("call"), r#""scope":"openid calls""#, false),
            ("scope", text("a b"), r#""scope":"a b c""#, false),
            ("scope", Wanted::Integer(1), r#""scope":"1 2""#, false),
            ("role", text("calls"), r#""role":"openid calls""#, false),
            (
                "a.scope",
                text("calls"),
                r#""a":{"scope":"openid calls"}"#,
                false,
            ),
        ] {
            assert_eq!(is_met(path, wanted, claim), met, "{path} {claim}");
        }
    }

    #[test]
    fn rules() {
        let claims = claims(
            r#"{"exp":1,"role":"ops","groups":["a","b"],"moderator":true,"level":3,"room":"*",
                "no":null,
                "realm_access":{"roles":["admin"]},"a.b":"flat","a":{"b":"deep"},
                "resource_access":{"my.app":{"roles":["x"]}},
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
            ("resource_access.my.app.roles", text("x"), true),
            ("resource_access.my.roles", text("*"), false),
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
