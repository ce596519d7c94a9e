//! `satisfy` of a policy: what it says beside `allow`, `issuers` and `optional`.

use crate::addr::Network;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::values::Satisfy;

/// What is written in a policy.
pub(super) struct Written<'w> {
    pub(super) satisfy: Option<&'w Spanned<Satisfy>>,
    /// That a client may have no token, if it may.
    pub(super) optional: Option<&'w Spanned<bool>>,
    pub(super) allow: Option<&'w [Spanned<Network>]>,
    pub(super) has_token: bool,
    /// Whether it accepts a login, valid or not.
    pub(super) has_login: bool,
    /// Where the login is written, if it is valid.
    pub(super) login: Option<&'w Place>,
    /// Whether `allow` covers every address.
    pub(super) everybody: bool,
}

impl Written<'_> {
    /// What has to be satisfied; `None` where there is only one condition, or with a problem.
    pub(super) fn lower(&self, diag: &Diagnostics<'_>) -> Option<Satisfy> {
        let conditions = [self.allow.is_some(), self.has_token, self.has_login];
        let are_several = conditions.into_iter().filter(|is_there| *is_there).count() > 1;
        let any = match (self.satisfy, are_several) {
            (Some(satisfy), false) => {
                diag.problem(
                    &satisfy.place,
                    "is about a policy that has both allow and issuers, or a login beside one of \
                     them; take it out",
                );
                None
            }
            (None, true) if self.has_login => {
                if let Some(login) = self.login {
                    let text = "the policy has allow or issuers too; write satisfy = \"any\" if \
                                one of them is enough, or \"all\"";
                    diag.problem(login, text);
                }
                None
            }
            (Some(satisfy), true)
                if satisfy.value == Satisfy::All && self.has_token && self.has_login =>
            {
                let text = "a token and a login cannot both be required; write \"any\", or take \
                            issuers out";
                diag.problem(&satisfy.place, text);
                None
            }
            (None, true) => {
                if let Some(first) = self.allow.and_then(<[_]>::first) {
                    let text = "the policy has issuers too; write satisfy = \"any\" if one of \
                                both is enough, or \"all\"";
                    diag.problem(&first.place, text);
                }
                None
            }
            (satisfy, _) => satisfy.map(|satisfy| satisfy.value),
        };
        if any == Some(Satisfy::Any) {
            self.note_any(diag);
        }
        any
    }

    /// Conditions that would decide nothing if one of them is enough.
    fn note_any(&self, diag: &Diagnostics<'_>) {
        if let (true, Some(satisfy)) = (self.everybody, self.satisfy) {
            diag.problem(
                &satisfy.place,
                "any address is allowed, and so no token would ever be asked for; write \"all\"",
            );
        }
        if let Some(optional) = self.optional {
            let text = "any client passes without a token, and so allow would decide nothing; \
                        write satisfy = \"all\", or take allow out";
            diag.problem(&optional.place, text);
        }
    }
}
