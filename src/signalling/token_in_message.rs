//! Finds the token (JWT) that a client sends in a message for the gateway.

use std::borrow::Cow;

use super::document::{Value, split};
use super::rules::MessageRules;
use super::{Backend, Protocol, kurento};
use crate::token::jws;

impl Backend {
    /// The token in a client's document that is for the gateway, by the rules for its messages.
    ///
    /// For Janus it is what looks like a JWT in the member `token`. Any other value is a token that
    /// Janus itself has stored, and in messages of the admin API the member is what `add_token` and
    /// its like are about. Clients of Kurento send it with a method of the gateway's own.
    pub fn message_token<'m>(
        &self,
        document: Value<'m>,
        rules: Option<&MessageRules>,
    ) -> Option<Cow<'m, str>> {
        match self.protocol {
            Protocol::Janus => janus_token(document),
            Protocol::JanusAdmin => None,
            Protocol::Kurento => kurento::renewal_token(document, rules),
        }
    }

    /// The same for the body of a request to Janus, which is one document.
    pub fn token_of_body<'m>(&self, body: &'m [u8]) -> Option<Cow<'m, str>> {
        let text = std::str::from_utf8(body).ok();
        let text = text.filter(|text| may_have_token(text))?;
        let mut documents = split(text).ok()?;
        let document = documents.next()?;
        documents
            .next()
            .is_none()
            .then_some(document)
            .and_then(|document| self.message_token(document, None))
    }
}

fn janus_token(document: Value<'_>) -> Option<Cow<'_, str>> {
    if !may_have_token(document.raw()) {
        return None;
    }
    let text = document.object()?.get("token")?.text()?.unescaped();
    let trimmed = text.trim();
    if !jws::is_jwt(trimmed) {
        None
    } else if trimmed.len() == text.len() {
        Some(text)
    } else {
        Some(trimmed.to_owned().into())
    }
}

/// Whether the name can stand anywhere in a text: as it is, or with a letter that is escaped. This
/// is much faster than to look at each member.
fn may_have_token(text: &str) -> bool {
    text.contains("token") || text.contains("\\u")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signalling::document::split;
    use crate::signalling::owners::{Limits, Owners};

    /// `{"alg":"HS256"}`, `{}` and a signature.
    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln";

    fn found(protocol: Protocol, message: &str) -> Option<String> {
        let backend = Backend::new(protocol, Owners::new(Limits::default()));
        let document = split(message).unwrap().next().unwrap();
        backend.message_token(document, None).map(Cow::into_owned)
    }

    #[test]
    fn a_jwt_in_the_member_token_is_for_the_gateway_however_it_is_written() {
        let escaped = JWT.replace('e', "\\u0065");
        for (message, is_found) in [
            (format!(r#"{{"token":"{JWT}"}}"#), true),
            (format!(r#"{{"t\u006fken":"{JWT}"}}"#), true),
            (format!(r#"{{"token":"{escaped}"}}"#), true),
            (format!(r#"{{"token":" {JWT}\n"}}"#), true),
            // Without a signature: a bad token, and none that Janus has to see.
            (r#"{"token":"eyJhbGciOiJub25lIn0.e30."}"#.to_owned(), true),
            // No names that Janus reads.
            (format!(r#"{{"Token":"{JWT}"}}"#), false),
            (format!(r#"{{"body":{{"token":"{JWT}"}}}}"#), false),
            (format!(r#"[{{"token":"{JWT}"}}]"#), false),
            // Tokens of Janus.
            (r#"{"token":"secret"}"#.to_owned(), false),
            (r#"{"token":"a.b.c"}"#.to_owned(), false),
            // `{}` and `[]` in front.
            (r#"{"token":"e30.e30.c2ln"}"#.to_owned(), false),
            (r#"{"token":"W10.e30.c2ln"}"#.to_owned(), false),
            (
                r#"{"token":"1795283569,janus,janus.plugin.echotest:XzNvpOy6z9pAdaKudTEYC2g76xo="}"#
                    .to_owned(),
                false,
            ),
            (r#"{"token":1}"#.to_owned(), false),
            (r#"{"token":null}"#.to_owned(), false),
        ] {
            assert_eq!(found(Protocol::Janus, &message).is_some(), is_found, "{message}");
        }
        let spaced = format!(r#"{{"token":" {escaped}\n"}}"#);
        assert_eq!(found(Protocol::Janus, &spaced).as_deref(), Some(JWT));
    }

    #[test]
    fn the_admin_apis_token_is_the_one_that_it_is_about() {
        let add = format!(r#"{{"janus":"add_token","token":"{JWT}"}}"#);
        assert_eq!(found(Protocol::JanusAdmin, &add), None);
    }
}
