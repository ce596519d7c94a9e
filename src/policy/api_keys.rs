//! API keys, for servers that can send nothing else: Janus asks for TURN credentials with one in
//! its query.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};

use super::denied::Denied;
use super::permit::{Permit, Principal};

/// The keys, at least one. Only their digests are kept: digests have one length, so comparing them
/// takes the same time whatever was sent, and a memory dump shows no key.
#[derive(Clone)]
pub struct ApiKeys(Box<[Digest]>);

type Digest = [u8; 32];

impl ApiKeys {
    /// `None` for an empty list.
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Option<Self> {
        let keys: Box<[Digest]> = keys.into_iter().map(digest_of).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Checks every key that a request presents: Janus sends the same one under two names.
    ///
    /// # Errors
    /// [`Denied::NoToken`] if there is none, [`Denied::ApiKey`] if one is wrong.
    pub fn authorize<'k>(
        &self,
        presented: impl IntoIterator<Item = &'k str>,
    ) -> Result<Permit, Denied> {
        let mut presented = presented.into_iter();
        let first = digest_of(presented.next().ok_or(Denied::NoToken)?);
        let is_one_key = presented.fold(true, |same, other| {
            same & is_same(&first, &digest_of(other))
        });
        // Compares with all keys, so that timing does not tell which one is similar.
        let is_known = self
            .0
            .iter()
            .fold(false, |known, key| known | is_same(key, &first));
        if is_one_key & is_known {
            Ok(Permit {
                principal: Principal::ApiKey,
                ends: None,
                is_ambient: false,
                rules: None,
            })
        } else {
            Err(Denied::ApiKey)
        }
    }
}

fn digest_of(key: &str) -> Digest {
    let mut out = Digest::default();
    out.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    out
}

fn is_same(a: &Digest, b: &Digest) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}

/// Shows only the number of keys.
impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} API keys]", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_under_any_number_of_names_and_no_other() {
        let keys = ApiKeys::new(["first key", "second"]).unwrap();
        for (presented, want) in [
            (&["first key"][..], Ok(true)),
            (&["second"], Ok(true)),
            (&["second", "second", "second"], Ok(true)),
            (&["first key", "second"], Err(Denied::ApiKey)),
            (&["second", "wrong"], Err(Denied::ApiKey)),
            (&["wrong", "second"], Err(Denied::ApiKey)),
            (&["first"], Err(Denied::ApiKey)),
            (&["FIRST KEY"], Err(Denied::ApiKey)),
            (&["second", ""], Err(Denied::ApiKey)),
            (&[""], Err(Denied::ApiKey)),
            (&[], Err(Denied::NoToken)),
        ] {
            let got = keys
                .authorize(presented.iter().copied())
                .map(|permit| permit.is_by_api_key());
            assert_eq!(got, want, "{presented:?}");
        }
        assert!(ApiKeys::new([]).is_none());
        assert_eq!(format!("{keys:?}"), "[2 API keys]");
    }
}
