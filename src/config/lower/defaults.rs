//! What routes inherit from `[defaults]`.

use super::answers;
use super::names::{Context, Names};
use super::upstreams::Upstream;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::Spanned;
use crate::config::tables::{RawCors, RawDefaults, RawRoute};
use crate::route::Timeouts;
use crate::route::edits::Security;

/// Reports what is wrong with them, whether or not a route inherits it.
pub(super) fn note(defaults: &RawDefaults, diag: &Diagnostics<'_>) {
    if let Some(cors) = &defaults.cors {
        answers::cors(cors, false, diag);
    }
}

/// The `cors` of a route that has one in force, its own or that of all routes.
pub(super) fn cors_of<'r>(raw: &'r RawRoute, context: &Context<'r>) -> Option<&'r RawCors> {
    let own = raw.cors.as_ref();
    own.or_else(|| context.defaults?.cors.as_ref())
}

impl<'a> Names<'a> {
    /// Pages of other origins must not use a control port because another route is for them.
    pub(super) fn cors<'r>(&self, raw: &'r RawRoute, upstreams: &[&Upstream]) -> Option<&'r RawCors>
    where
        'a: 'r,
    {
        let is_control =
            |upstream: &&Upstream| upstream.protocol.is_control() || upstream.undeclared.is_some();
        match upstreams.iter().any(is_control) {
            true => raw.cors.as_ref(),
            false => self.own_or(raw, "cors", raw.cors.as_ref(), |all| all.cors.as_ref()),
        }
    }

    pub(super) fn security(&self, raw: &RawRoute) -> Security {
        let hsts = self.own_or(raw, "hsts", raw.hsts, |all| all.hsts);
        let usual = self.own_or(raw, "security_headers", raw.security_headers, |all| {
            all.security_headers
        });
        answers::security(hsts, usual.unwrap_or(false))
    }

    /// Of a route to an upstream.
    pub(super) fn timeouts<'r>(&self, raw: &'r RawRoute) -> Option<&'r Spanned<Timeouts>>
    where
        'a: 'r,
    {
        let own = raw.timeouts.as_ref();
        self.own_or(raw, "timeouts", own, |all| all.timeouts.as_ref())
    }

    /// The route's own value of a key, or that of all routes.
    fn own_or<T>(
        &self,
        raw: &RawRoute,
        key: &'static str,
        own: Option<T>,
        of_all: impl Fn(&'a RawDefaults) -> Option<T>,
    ) -> Option<T> {
        own.or_else(|| {
            let inherited = of_all(self.context.defaults?)?;
            self.diag.note_inherited(&raw.place, key);
            Some(inherited)
        })
    }
}
