//! Whether a login still holds, for what was opened by it.

use std::rc::Rc;
use std::sync::Arc;

use super::super::snapshot::Snapshot;
use super::super::view::WorkerView;
use crate::addr::ClientAddr;
use crate::auth::passwords::Users;
use crate::clock::UnixTime;
use crate::policy::{Basic, Denied, Facts, LoggedIn, LoginService, Permit, Policy, Token};

/// The users of a file.
pub(super) fn users<'s>(snapshot: &'s Snapshot, basic: &Basic) -> Option<&'s Arc<Users>> {
    let mut all = snapshot.passwords.iter();
    all.find(|users| users.path() == basic.file)
}

impl WorkerView {
    /// The permit that a policy gives now to a client that was admitted by a login. A user that is
    /// no longer in the file, or has another password, gets none, nor does a certificate that no
    /// longer counts.
    pub(in crate::serve) fn judge_login(
        &self,
        policy: &Policy,
        client: ClientAddr,
        login: &Rc<LoggedIn>,
    ) -> Result<Permit, Denied> {
        let Some(rule) = policy.login() else {
            return policy.authorize(&Facts {
                client,
                now: UnixTime::now(),
                token: Token::None,
            });
        };
        if let (LoginService::Basic(basic), Some(hash)) = (&rule.service, &login.hash) {
            let name = login.verified.claims.subject().unwrap_or_default();
            let users = users(&self.snapshot, basic);
            if !users.is_some_and(|users| users.has(name, hash)) {
                return Err(Denied::NoLogin);
            }
        }
        if let (LoginService::Certificate(_), Some(shown)) = (&rule.service, &login.certificate) {
            let authority = self.snapshot.client_authority.as_ref();
            let counts = shown.verify_again(authority, UnixTime::now());
            counts.map_err(Denied::Certificate)?;
        }
        policy.authorize_login(client, login)
    }
}
