//! The hashes of passwords that are accepted, and what is said of all others.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use bcrypt::HashParts;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};

/// How a password was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `$2y$`, as `htpasswd -B` writes it.
    Bcrypt,
    /// `$5$` and `$6$`, as `htpasswd -2`, `htpasswd -5` and `openssl passwd` write it.
    ShaCrypt,
    /// `$argon2id$` and its kin, as `argon2 -e` writes it.
    Argon2,
}

/// Why a hash is not accepted. The text follows the place of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHash {
    /// The format is broken by guessing.
    #[error("is hashed with {0}, which can be guessed in no time; {ADVICE}")]
    Weak(&'static str),
    /// Nothing that is known.
    #[error("is no hash, or of a kind that is not known; {ADVICE}")]
    Unknown,
    /// It is cut off, or has a character too many.
    #[error("is a damaged hash of {0}; {ADVICE}")]
    Damaged(&'static str),
    /// It would take seconds, for each attempt.
    #[error("takes too long to compute: {0}")]
    Slow(&'static str),
}

const ADVICE: &str = "write the line with `htpasswd -B FILE NAME`";

/// The largest cost of bcrypt: a second or more.
const MOST_COST: u32 = 14;
/// The most rounds of SHA-crypt: a second or so.
const MOST_ROUNDS: u32 = 1_000_000;
/// The most memory of Argon2 in KiB, and the most passes over it together.
const MOST_MEMORY: u32 = 256 * 1024;
const MOST_WORK: u64 = 1024 * 1024;

impl Kind {
    /// The kind of a hash.
    pub(super) fn of(hash: &str) -> Result<Self, BadHash> {
        let is_any = |prefixes: &[&str]| prefixes.iter().any(|prefix| hash.starts_with(prefix));
        if is_any(&["$2a$", "$2b$", "$2y$"]) {
            bcrypt_kind(hash)
        } else if is_any(&["$5$", "$6$"]) {
            sha_kind(hash)
        } else if is_any(&["$argon2id$", "$argon2i$", "$argon2d$"]) {
            argon2_kind(hash)
        } else if is_any(&["$apr1$", "$1$"]) {
            Err(BadHash::Weak("MD5"))
        } else if is_any(&["{SHA}", "{SSHA}"]) {
            Err(BadHash::Weak("SHA-1"))
        } else if hash.len() == 13 && hash.bytes().all(is_crypt) {
            Err(BadHash::Weak("crypt"))
        } else {
            Err(BadHash::Unknown)
        }
    }

    /// Whether a password has this hash. It takes a good part of a second.
    pub(super) fn verify(self, password: &str, hash: &str) -> bool {
        match self {
            Self::Bcrypt => bcrypt::verify(password, hash).unwrap_or(false),
            Self::ShaCrypt => ShaCrypt::default()
                .verify_password(password.as_bytes(), hash)
                .is_ok(),
            Self::Argon2 => Argon2::default()
                .verify_password(password.as_bytes(), hash)
                .is_ok(),
        }
    }
}

fn is_crypt(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/')
}

fn bcrypt_kind(hash: &str) -> Result<Kind, BadHash> {
    let parts: HashParts = hash.parse().map_err(|_| BadHash::Damaged("bcrypt"))?;
    match parts.get_cost() {
        4..=MOST_COST => Ok(Kind::Bcrypt),
        0..4 => Err(BadHash::Damaged("bcrypt")),
        _ => Err(BadHash::Slow("a cost of bcrypt above 14")),
    }
}

fn sha_kind(hash: &str) -> Result<Kind, BadHash> {
    let damaged = BadHash::Damaged("SHA-crypt");
    let length = if hash.starts_with("$5$") { 43 } else { 86 };
    let parts: Vec<&str> = hash[3..].split('$').collect();
    let (rounds, digest) = match parts[..] {
        [_, digest] => (None, digest),
        [rounds, _, digest] => (Some(rounds), digest),
        _ => return Err(damaged),
    };
    let rounds = match rounds.map(|rounds| rounds.strip_prefix("rounds=")) {
        None => 5000,
        Some(rounds) => rounds.and_then(|n| n.parse().ok()).ok_or(damaged)?,
    };
    match rounds {
        _ if digest.len() != length || !digest.bytes().all(is_crypt) => Err(damaged),
        1000..=MOST_ROUNDS => Ok(Kind::ShaCrypt),
        0..1000 => Err(damaged),
        _ => Err(BadHash::Slow("more than 1,000,000 rounds of SHA-crypt")),
    }
}

fn argon2_kind(hash: &str) -> Result<Kind, BadHash> {
    let damaged = BadHash::Damaged("Argon2");
    let parsed = PasswordHash::new(hash).map_err(|_| damaged)?;
    let params = argon2::Params::try_from(&parsed).map_err(|_| damaged)?;
    if parsed.salt.is_none() || parsed.hash.is_none() {
        return Err(damaged);
    }
    let (memory, passes) = (params.m_cost(), params.t_cost());
    if memory > MOST_MEMORY || u64::from(memory) * u64::from(passes) > MOST_WORK {
        return Err(BadHash::Slow(
            "more than 256 MiB of Argon2, or more than 1 GiB in all passes",
        ));
    }
    Ok(Kind::Argon2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGON2: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$\
                          fhEGyfK8cVO5Jp1d/hIPk0OiVqxyhkSbJxlZ+1M+bHY";

    #[test]
    fn only_slow_hashes_are_accepted() {
        let sha512 = format!("$6$saltsalt${}", "a".repeat(86));
        let rounds = format!("$5$rounds=2000000$saltsalt${}", "a".repeat(43));
        let few = format!("$5$rounds=10$saltsalt${}", "a".repeat(43));
        for (hash, want) in [
            (
                "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe",
                Ok(Kind::Bcrypt),
            ),
            (&*sha512, Ok(Kind::ShaCrypt)),
            (ARGON2, Ok(Kind::Argon2)),
            (
                "$2y$20$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe",
                Err(BadHash::Slow("a cost of bcrypt above 14")),
            ),
            ("$2y$05$bvIG6", Err(BadHash::Damaged("bcrypt"))),
            ("$6$salt", Err(BadHash::Damaged("SHA-crypt"))),
            ("$6$a$b$c$d", Err(BadHash::Damaged("SHA-crypt"))),
            (&*few, Err(BadHash::Damaged("SHA-crypt"))),
            (
                &*rounds,
                Err(BadHash::Slow("more than 1,000,000 rounds of SHA-crypt")),
            ),
            ("$argon2id$v=19$m=64", Err(BadHash::Damaged("Argon2"))),
            (
                "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$\
                 fhEGyfK8cVO5Jp1d/hIPk0OiVqxyhkSbJxlZ+1M+bHY",
                Err(BadHash::Slow(
                    "more than 256 MiB of Argon2, or more than 1 GiB in all passes",
                )),
            ),
            (
                "$apr1$Yh2bTvTY$0Trz9cuXLPDlKo3ghnBu70",
                Err(BadHash::Weak("MD5")),
            ),
            (
                "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
                Err(BadHash::Weak("SHA-1")),
            ),
            ("rqXexS6ZhobKA", Err(BadHash::Weak("crypt"))),
            ("secret", Err(BadHash::Unknown)),
            ("", Err(BadHash::Unknown)),
        ] {
            assert_eq!(Kind::of(hash), want, "{hash}");
        }
    }

    #[test]
    fn passwords_are_compared() {
        let bcrypt = bcrypt::hash("pass", 4).unwrap();
        // The second test vector of SHA-crypt's specification.
        let sha = "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/\
                   UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.";
        for (kind, right, hash) in [
            (Kind::Bcrypt, "pass", &*bcrypt),
            (Kind::ShaCrypt, "Hello world!", sha),
        ] {
            assert_eq!(Kind::of(hash), Ok(kind));
            assert!(kind.verify(right, hash), "{kind:?}");
            assert!(!kind.verify("other", hash), "{kind:?}");
        }
    }
}
