//! The compact form of a signed token (RFC 7515, section 7.1), read strictly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{ALGORITHMS, Algorithm, BadToken};
use crate::json;

/// The longest token in bytes, whatever `limits.token` says: half of a request head.
pub const MAX_LENGTH: usize = 32 * 1024;

/// The parts of a token, none of them verified.
#[derive(Debug)]
pub struct Parts<'t> {
    /// The algorithm that its header names.
    pub algorithm: Algorithm,
    /// The key that its header names.
    pub kid: Option<Box<str>>,
    /// The claims, decoded.
    pub payload: Vec<u8>,
    /// The text that is signed.
    pub signed: &'t str,
    /// The signature in base64url, which is canonical.
    pub signature: &'t str,
}

/// Splits a token into its parts.
///
/// # Errors
/// Why it is not a token.
pub fn split(token: &str) -> Result<Parts<'_>, BadToken> {
    if token.len() > MAX_LENGTH {
        return Err(BadToken::TooLong);
    }
    let dots = token.bytes().filter(|b| *b == b'.').count();
    if dots == 4 {
        return Err(BadToken::Encrypted);
    }
    let (signed, signature) = token
        .rsplit_once('.')
        .filter(|_| dots == 2)
        .ok_or(BadToken::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(BadToken::Malformed)?;
    let header = json::parse_object(&decoded(header)?).map_err(|_| BadToken::Malformed)?;
    let (algorithm, kid) = read_header(&header)?;
    let payload = decoded(payload)?;
    // An empty signature is a token whose signature is missing.
    if decoded(signature)?.is_empty() {
        return Err(BadToken::Signature);
    }
    Ok(Parts {
        algorithm,
        kid,
        payload,
        signed,
        signature,
    })
}

/// Whether a text is meant to be a signed token: three parts, of which the first is an object with
/// `alg`. It may be none that [`split`] accepts.
pub fn is_jwt(text: &str) -> bool {
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let is_base64 = |part: &str| {
        let mut bytes = part.bytes();
        bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='))
    };
    let has_algorithm = || {
        let header = URL_SAFE_NO_PAD.decode(header.trim_end_matches('=')).ok()?;
        let header: Map<String, Value> = serde_json::from_slice(&header).ok()?;
        header.get("alg").map(drop)
    };
    header.len() <= MAX_LENGTH
        && is_base64(payload)
        && is_base64(signature)
        && has_algorithm().is_some()
}

/// Without padding and without stray bits, so that each token has one spelling.
fn decoded(part: &str) -> Result<Vec<u8>, BadToken> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| BadToken::Malformed)
}

fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<Box<str>>), BadToken> {
    let text = |name| match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(BadToken::Malformed),
    };
    if header.contains_key("enc") || header.contains_key("zip") {
        return Err(BadToken::Encrypted);
    }
    if header.contains_key("crit") {
        return Err(BadToken::Critical);
    }
    let algorithm = text("alg")?.ok_or(BadToken::Malformed)?;
    if algorithm.eq_ignore_ascii_case("none") {
        return Err(BadToken::Unsigned);
    }
    let known = ALGORITHMS.iter().find(|(name, _)| *name == algorithm);
    let (_, algorithm) = *known.ok_or(BadToken::Algorithm)?;
    if text("typ")?.is_some_and(|typ| !is_access_token(typ)) {
        return Err(BadToken::Type);
    }
    Ok((algorithm, text("kid")?.map(Box::from)))
}

/// The types of tokens that grant access (RFC 7519, section 5.1; RFC 9068). Other types, such as
/// `logout+jwt`, have another purpose and must not grant access (RFC 8725, section 3.11).
fn is_access_token(typ: &str) -> bool {
    let short = typ.strip_prefix("application/").unwrap_or(typ);
    short.eq_ignore_ascii_case("JWT") || short.eq_ignore_ascii_case("at+jwt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part("{}"), part("signature"))
    }

    #[test]
    fn headers() {
        for (header, want) in [
            (r#"{"alg":"RS256"}"#, None),
            (
                concat!(
                    r#"{"alg":"ES384","typ":"jwt","kid":"../../etc/passwd","#,
                    r#""jku":"https://evil.example"}"#
                ),
                None,
            ),
            (r#"{"alg":"EdDSA","typ":"application/at+jwt"}"#, None),
            (r#"{"alg":"none"}"#, Some(BadToken::Unsigned)),
            (r#"{"alg":"NoNe"}"#, Some(BadToken::Unsigned)),
            (r#"{"alg":"rs256"}"#, Some(BadToken::Algorithm)),
            (r#"{"alg":"ES512"}"#, Some(BadToken::Algorithm)),
            (r#"{"alg":null}"#, Some(BadToken::Malformed)),
            (r#"{"alg":["RS256"]}"#, Some(BadToken::Malformed)),
            (r#"{}"#, Some(BadToken::Malformed)),
            (r#"[]"#, Some(BadToken::Malformed)),
            (r#"{"alg":"RS256","alg":"none"}"#, Some(BadToken::Malformed)),
            (r#"{"alg":"RS256","kid":7}"#, Some(BadToken::Malformed)),
            (
                r#"{"alg":"RS256","crit":["exp"]}"#,
                Some(BadToken::Critical),
            ),
            (r#"{"alg":"RS256","crit":[]}"#, Some(BadToken::Critical)),
            (r#"{"alg":"RS256","zip":"DEF"}"#, Some(BadToken::Encrypted)),
            (
                r#"{"alg":"dir","enc":"A128GCM"}"#,
                Some(BadToken::Encrypted),
            ),
            (
                r#"{"alg":"RS256","typ":"logout+jwt"}"#,
                Some(BadToken::Type),
            ),
        ] {
            assert_eq!(split(&token(header)).err(), want, "{header}");
        }
    }

    #[test]
    fn one_spelling_only() {
        let whole = token(r#"{"alg":"RS256"}"#);
        assert!(split(&whole).is_ok());
        let (front, _) = whole.rsplit_once('.').unwrap();
        let long = format!("{whole}{}", "A".repeat(MAX_LENGTH));
        for (text, want) in [
            (format!("{whole}="), BadToken::Malformed),
            // The last letter carries bits that mean nothing.
            (format!("{front}.AB"), BadToken::Malformed),
            (format!("{front}.A+/A"), BadToken::Malformed),
            (format!("{front}."), BadToken::Signature),
            (front.to_owned(), BadToken::Malformed),
            (format!(" {whole}"), BadToken::Malformed),
            (format!("{whole}.x.y"), BadToken::Encrypted),
            (format!("{whole}.x"), BadToken::Malformed),
            (String::new(), BadToken::Malformed),
            (long, BadToken::TooLong),
        ] {
            assert_eq!(split(&text).err(), Some(want), "{text}");
        }
    }
}
