//! Janus' secrets: put into each message by the gateway, in place of what the client sent.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::signalling::document::Change;
use crate::signalling::{Protocol, RejectedKey};

/// How long a signed token is valid. Janus checks it when the message arrives, so this only has to
/// cover the difference between two clocks.
const LIFETIME: Duration = Duration::from_secs(300);

/// What Janus wants to see in messages of its API for clients. If it has both, either is enough.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `api_secret`.
    pub secret: Option<Secret<Box<str>>>,
    /// Signs tokens (`token_auth` with `token_auth_secret`).
    pub signer: Option<TokenSigner>,
}

impl Credentials {
    /// Whether there is anything to put into messages. If not, what clients send stays in them.
    pub fn is_empty(&self) -> bool {
        self.secret.is_none() && self.signer.is_none()
    }

    /// Which of them Janus has not accepted, if it answers that a message is not authorized. With
    /// both, it has accepted neither.
    pub fn rejected_key(&self, protocol: Protocol) -> Option<RejectedKey> {
        let (key, setting) = match (&self.secret, protocol) {
            (Some(_), Protocol::JanusAdmin) => ("secret_file", "admin_secret"),
            (Some(_), _) => ("secret_file", "api_secret"),
            (None, _) => ("token_auth_secret_file", "token_auth_secret"),
        };
        (!self.is_empty()).then_some(RejectedKey { key, setting })
    }

    /// A token for this message, if tokens are wanted. Only a message that attaches a handle needs
    /// one for a plugin.
    pub fn mint(&self, time: UnixTime, plugin: Option<&str>) -> Option<Box<str>> {
        self.signer.as_ref().map(|signer| signer.mint(time, plugin))
    }

    /// What to change in a message, with the token that was minted for it.
    pub fn changes<'c>(&'c self, token: Option<&'c str>) -> [Change<'c>; 3] {
        let set = |name, value: Option<&'c str>| match value {
            Some(value) => Change::SetText(name, value),
            None => Change::Remove(name),
        };
        let secret = self.secret.as_ref().map(|secret| &**secret.reveal());
        [
            set("apisecret", secret),
            set("token", token),
            Change::Remove("admin_secret"),
        ]
    }
}

/// Signs the tokens of Janus' `token_auth`:
/// `EXPIRY,janus,PLUGIN,…:` and the base64 of the HMAC-SHA1 of what stands before the colon.
#[derive(Clone, Debug)]
pub struct TokenSigner(hmac::Key);

impl TokenSigner {
    /// With `token_auth_secret`.
    pub fn new(secret: &Secret<Box<str>>) -> Self {
        let secret = secret.reveal().as_bytes();
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret))
    }

    /// A token that is good for this plugin, from now on for five minutes.
    pub fn mint(&self, time: UnixTime, plugin: Option<&str>) -> Box<str> {
        let mut token = format!("{},janus", time.after(LIFETIME).0);
        if let Some(plugin) = plugin {
            // Writing to a string cannot fail.
            let _ = write!(token, ",{plugin}");
        }
        let signature = hmac::sign(&self.0, token.as_bytes());
        token.push(':');
        STANDARD.encode_string(signature, &mut token);
        token.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signalling::document::split;

    fn secret(text: &str) -> Secret<Box<str>> {
        Secret::new(text.into())
    }

    fn edited(credentials: &Credentials, token: Option<&str>, message: &str) -> String {
        let document = split(message).unwrap().next().unwrap();
        document
            .object()
            .unwrap()
            .edited(&credentials.changes(token))
    }

    #[test]
    fn a_signed_token_is_what_janus_computes() {
        // Computed by `openssl dgst -sha1 -hmac`; the form is that of Janus 1.1.2's auth.c.
        let signer = TokenSigner::new(&secret("tokensecret"));
        let now = UnixTime(1_795_283_269);
        let token = signer.mint(now, Some("janus.plugin.echotest"));
        assert_eq!(
            &*token,
            "1795283569,janus,janus.plugin.echotest:XzNvpOy6z9pAdaKudTEYC2g76xo="
        );
        let token = signer.mint(now, None);
        assert!(token.starts_with("1795283569,janus:"), "{token}");
    }

    #[test]
    fn what_the_client_sent_is_replaced_however_it_is_written() {
        let both = Credentials {
            secret: Some(secret("s3cret")),
            signer: Some(TokenSigner::new(&secret("x"))),
        };
        let sent = r#"{"janus":"create","api\u0073ecret":"guess","token":"t","admin_secret":"a"}"#;
        assert_eq!(
            edited(&both, Some("1,janus:x="), sent),
            r#"{"janus":"create","apisecret":"s3cret","token":"1,janus:x="}"#
        );
        let one = Credentials {
            secret: Some(secret("quo\"te")),
            signer: None,
        };
        assert_eq!(
            edited(&one, None, sent),
            r#"{"janus":"create","apisecret":"quo\"te"}"#
        );
        assert_eq!(
            edited(&one, None, r#"{"janus":"ping"}"#),
            r#"{"janus":"ping","apisecret":"quo\"te"}"#
        );
    }

    #[test]
    fn nothing_is_shown() {
        let both = Credentials {
            secret: Some(secret("s3cret")),
            signer: Some(TokenSigner::new(&secret("t0ken"))),
        };
        let shown = format!("{both:?}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("t0ken"),
            "{shown}"
        );
    }
}
