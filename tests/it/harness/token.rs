//! Tokens as issuers sign them, and as others would like to.

use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// What the issuer `staff` of [`HMAC`] signs with.
pub(crate) const SECRET: &str = "a secret of thirty-two bytes, ok";

/// An issuer with a secret, which has its tokens everywhere.
pub(crate) const HMAC: &str = r#"
[issuers.staff]
algorithms = ["HS256"]
secret = "a secret of thirty-two bytes, ok"
issuer = "https://login.example.com"
audience = ["ianitor"]
sources = ["header", "cookie:ianitor", "query:token", "subprotocol"]
"#;

/// [`HMAC`] for tests that wait for the end of a token, which is its `exp` itself.
pub(crate) fn hmac_without_leeway() -> String {
    format!("{HMAC}leeway = \"0s\"\n")
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Claims that [`HMAC`] takes, with a minute to live, and others over them.
pub(crate) fn claims(more: Value) -> Value {
    let mut claims = json!({
        "iss": "https://login.example.com", "aud": "ianitor", "sub": "ada", "exp": now() + 60
    });
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// A token that [`HMAC`] takes, but for what is said.
pub(crate) fn token(more: Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(more), &key).unwrap()
}

/// Any header over any payload, signed by the secret of [`HMAC`].
pub(crate) fn forged(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", part(header), part(payload));
    format!("{signed}.{}", hmac(SECRET.as_bytes(), &signed))
}

pub(crate) fn part(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// HMAC-SHA256 in base64url.
pub(crate) fn hmac(secret: &[u8], text: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    part(aws_lc_rs::hmac::sign(&key, text.as_bytes()))
}

/// A key pair.
#[derive(Debug)]
pub(crate) struct Keys {
    private: Vec<u8>,
    public: Public,
}

/// The half that everybody may see.
#[derive(Debug)]
enum Public {
    Rsa {
        pkcs1: Vec<u8>,
        spki: Vec<u8>,
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Point {
        spki: Vec<u8>,
        point: Vec<u8>,
        curve: &'static str,
    },
}

impl Keys {
    pub(crate) fn rsa() -> Self {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let private = pkcs8.as_ref().to_vec();
        let pair = RsaKeyPair::from_pkcs8(&private).unwrap();
        let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let parts =
            aws_lc_rs::signature::RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let public = Public::Rsa {
            pkcs1: pair.public_key().as_ref().to_vec(),
            spki: spki.as_ref().to_vec(),
            n: parts.n,
            e: parts.e,
        };
        Self { private, public }
    }

    pub(crate) fn ec(bits: u16) -> Self {
        let (algorithm, curve) = match bits {
            256 => (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            384 => (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            _ => panic!("{bits}"),
        };
        let private = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .unwrap()
            .as_ref()
            .to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &private).unwrap();
        let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let point = pair.public_key().as_ref().to_vec();
        Self {
            private,
            public: Public::Point {
                spki: spki.as_ref().to_vec(),
                point,
                curve,
            },
        }
    }

    pub(crate) fn ed25519() -> Self {
        let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .unwrap()
            .as_ref()
            .to_vec();
        let pair = Ed25519KeyPair::from_pkcs8(&private).unwrap();
        let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let point = pair.public_key().as_ref().to_vec();
        Self {
            private,
            public: Public::Point {
                spki: spki.as_ref().to_vec(),
                point,
                curve: "Ed25519",
            },
        }
    }

    /// The public half as `PUBLIC KEY`.
    pub(crate) fn pem(&self) -> String {
        let (Public::Rsa { spki, .. } | Public::Point { spki, .. }) = &self.public;
        pem("PUBLIC KEY", spki)
    }

    /// The private half, which nobody should be given.
    pub(crate) fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.private)
    }

    /// The private half of an EC key as `openssl ecparam -genkey` writes it.
    pub(crate) fn sec1_pem(&self, bits: u16) -> String {
        let (algorithm, curve): (_, &[u8]) = match bits {
            256 => (
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                b"\x06\x08*\x86H\xce=\x03\x01\x07",
            ),
            _ => (&ECDSA_P384_SHA384_FIXED_SIGNING, b"\x06\x05+\x81\x04\0\""),
        };
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &self.private).unwrap();
        let private: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> =
            pair.private_key().as_der().unwrap();
        pem("EC PARAMETERS", curve) + &pem("EC PRIVATE KEY", private.as_ref())
    }

    /// The public half as PKCS#1 has it.
    pub(crate) fn pkcs1(&self) -> &[u8] {
        let Public::Rsa { pkcs1, .. } = &self.public else {
            panic!("not RSA")
        };
        pkcs1
    }

    pub(crate) fn pkcs1_pem(&self) -> String {
        pem("RSA PUBLIC KEY", self.pkcs1())
    }

    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match &self.public {
            Public::Rsa { n, e, .. } => {
                json!({ "kty": "RSA", "use": "sig", "kid": kid, "n": part(n), "e": part(e) })
            }
            Public::Point {
                point,
                curve: "Ed25519",
                ..
            } => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": part(point) })
            }
            Public::Point { point, curve, .. } => {
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                json!({ "kty": "EC", "crv": curve, "kid": kid, "x": part(x), "y": part(y) })
            }
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
        let key = match &self.public {
            Public::Rsa { .. } => {
                // The library wants PKCS#1, which is what is inside.
                let (_, info) = x509_free_pkcs8(&self.private);
                EncodingKey::from_rsa_der(info)
            }
            Public::Point {
                curve: "Ed25519", ..
            } => EncodingKey::from_ed_der(&self.private),
            Public::Point { .. } => EncodingKey::from_ec_der(&self.private),
        };
        let header = Header {
            kid: kid.map(str::to_owned),
            ..Header::new(algorithm)
        };
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }
}

/// The PKCS#1 private key inside of PKCS#8: the last OCTET STRING, with two bytes of length.
fn x509_free_pkcs8(pkcs8: &[u8]) -> (usize, &[u8]) {
    let at = pkcs8
        .windows(2)
        .skip(8)
        .position(|w| w == [0x04, 0x82])
        .unwrap()
        + 8;
    (at, &pkcs8[at + 4..])
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// `[issuers.staff]` with a key in a file of its own.
pub(crate) fn issuer(folder: &Path, algorithms: &[&str], key: impl AsRef<[u8]>) -> String {
    let file = folder.join("staff.key");
    std::fs::write(&file, key).unwrap();
    format!(
        "\n[issuers.staff]\nalgorithms = {algorithms:?}\nkey_file = {file:?}\naudience = \"any\"\n"
    )
}
