//! Who signs tokens, and a server that publishes the keys.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::message::Head;
use super::{Then, Upstream, eventually};

/// A key for ES256, and the name that it goes by.
pub(crate) struct Signer {
    pub(crate) kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self {
            kid: kid.to_owned(),
            pair,
        }
    }

    /// Its public half as a JWK.
    pub(crate) fn jwk(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!(
            r#"{{"kty":"EC","crv":"P-256","alg":"ES256","kid":"{}","x":"{x}","y":"{y}"}}"#,
            self.kid
        )
    }

    /// Its public half in PEM.
    pub(crate) fn pem(&self) -> String {
        // SubjectPublicKeyInfo up to the point: id-ecPublicKey on P-256.
        let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let head = (0..head.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&head[at..at + 2], 16).unwrap());
        let der: Vec<u8> = head
            .chain(self.pair.public_key().as_ref().iter().copied())
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der)
        )
    }

    /// A good token.
    pub(crate) fn token(&self) -> String {
        self.token_for(600)
    }

    /// A good token that expires in this many seconds.
    pub(crate) fn token_for(&self, seconds: u64) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.kid);
        self.signed(&header, seconds)
    }

    /// One that says that it is signed by another key.
    pub(crate) fn token_as(&self, kid: &str) -> String {
        self.signed(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), 600)
    }

    /// One that does not say by which key it is signed.
    pub(crate) fn token_without_kid(&self) -> String {
        self.signed(r#"{"alg":"ES256"}"#, 600)
    }

    fn signed(&self, header: &str, seconds: u64) -> String {
        let exp = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
            + seconds;
        let claims = format!(r#"{{"sub":"somebody","aud":"ianitor","exp":{exp}}}"#);
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self
            .pair
            .sign(&SystemRandom::new(), text.as_bytes())
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A set of keys.
pub(crate) fn set(signers: &[&Signer]) -> String {
    let keys: Vec<String> = signers.iter().map(|signer| signer.jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// Where ASAP has the key of a name.
pub(crate) fn asap_path(kid: &str) -> String {
    let hash = digest::digest(&digest::SHA256, kid.as_bytes());
    hash.as_ref()
        .iter()
        .fold("/asap/".to_owned(), |mut path, byte| {
            write!(path, "{byte:02x}").unwrap();
            path
        })
        + ".pem"
}

/// What the server does.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// An answer with this status line, header lines, each ended, and body.
    Answer(&'static str, &'static str, Vec<u8>),
    /// It closes the connection.
    Nothing,
    /// It takes the request and is silent.
    Waits,
}

impl Says {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer("200 OK", "", body.into())
    }
}

/// The server. What is at no path answers 404.
#[derive(Debug)]
pub(crate) struct KeyServer {
    upstream: Upstream,
    says: Arc<Mutex<HashMap<String, Says>>>,
}

impl KeyServer {
    pub(crate) fn start() -> Self {
        let says = Arc::new(Mutex::new(HashMap::<String, Says>::new()));
        let shared = Arc::clone(&says);
        let upstream = Upstream::http(move |request, conn| {
            let found = shared.lock().unwrap().get(request.head.target()).cloned();
            match found.unwrap_or(Says::Answer("404 Not Found", "", Vec::new())) {
                Says::Answer(status, more, body) => {
                    conn.send(format!(
                        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{more}\r\n",
                        body.len()
                    ))?;
                    conn.send(body)?;
                    return Ok(Then::Keep);
                }
                Says::Nothing => {}
                Says::Waits => conn.wait_for_end()?,
            }
            Ok(Then::Close)
        });
        Self { upstream, says }
    }

    /// With a set of keys at `/jwks.json`.
    pub(crate) fn with_set(signers: &[&Signer]) -> Self {
        let server = Self::start();
        server.publish(signers);
        server
    }

    pub(crate) fn publish(&self, signers: &[&Signer]) {
        self.says("/jwks.json", Says::ok(set(signers)));
    }

    pub(crate) fn says(&self, path: &str, says: Says) {
        self.says.lock().unwrap().insert(path.to_owned(), says);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.upstream.url())
    }

    /// The heads of the requests, in their order.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.upstream.heads()
    }

    /// The paths that have been asked for, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.upstream
            .requests()
            .iter()
            .map(|request| request.head.target().to_owned())
            .collect()
    }

    /// Waits until it has been asked so many times.
    #[track_caller]
    pub(crate) fn was_asked(&self, times: usize) {
        eventually(&format!("{times} fetches"), || self.asked().len() >= times);
    }
}
