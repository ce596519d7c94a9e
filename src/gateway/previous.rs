//! What stays in force when only files have changed.

use super::error::StartError;
use crate::auth::passwords;
use crate::serve::snapshot::Snapshot;
use crate::signalling::janus;
use crate::tls;
use crate::token;
use crate::turn;

/// What stays in force when only files have changed: if a file cannot be used, what was read from
/// it before is used instead, and the other files are applied all the same. A revocation must not
/// wait until a certificate has been repaired.
///
/// By default there is nothing to fall back on, as at a start and at a reload.
#[derive(Debug, Default)]
pub(super) struct Previous<'a> {
    /// The configuration in force.
    pub(super) snapshot: Option<&'a Snapshot>,
    /// Problems with certificates, for which the previous ones are used.
    pub(super) certificates: Vec<tls::LoadError>,
    /// Problems with keys and revocation lists of issuers, likewise.
    pub(super) issuers: Vec<token::load::LoadError>,
    /// Problems with secrets that go into messages, likewise.
    pub(super) credentials: Vec<janus::LoadError>,
    /// Problems with TURN secrets and API keys, likewise.
    pub(super) turns: Vec<turn::load::LoadError>,
    /// Problems with files of passwords, likewise.
    pub(super) passwords: Vec<passwords::LoadError>,
}

impl Previous<'_> {
    /// What could not be used.
    pub(super) fn into_problems(self) -> Vec<StartError> {
        let Self {
            certificates,
            issuers,
            credentials,
            turns,
            passwords,
            ..
        } = self;
        let mut problems = Vec::new();
        if !certificates.is_empty() {
            problems.push(StartError::Certificates(certificates));
        }
        if !issuers.is_empty() {
            problems.push(StartError::Issuers(issuers));
        }
        if !credentials.is_empty() {
            problems.push(StartError::Credentials(credentials));
        }
        if !turns.is_empty() {
            problems.push(StartError::Turn(turns));
        }
        if !passwords.is_empty() {
            problems.push(StartError::Passwords(passwords));
        }
        problems
    }
}
