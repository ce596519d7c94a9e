//! Routes with `{tenant}` in their paths.

use super::names::Names;
use super::upstreams::Upstream;
use crate::config::problem::Spanned;
use crate::config::tables::RawRoute;
use crate::route::tenant::{RoutePath, VARIABLE};
use crate::route::upstream::Protocol;

impl Names<'_> {
    /// Only Jitsi has tenants, and their paths are no paths of cookies.
    pub(super) fn note_tenant(
        &self,
        raw: &RawRoute,
        path: &Spanned<RoutePath>,
        upstreams: &[&Upstream],
    ) {
        if !path.value.has_tenant() {
            return;
        }
        let others = [
            ("files", raw.files.is_some()),
            ("redirect", raw.redirect.is_some()),
            ("turn", raw.turn.is_some()),
        ];
        let other = others.into_iter().find(|(_, is_there)| *is_there);
        let mut upstreams = upstreams.iter();
        let not_jitsi = |to: &&&Upstream| to.has_protocol && to.protocol != Protocol::Jitsi;
        if let (Some((target, _)), None) = (other, &raw.upstream) {
            let text = format!(
                "\"{VARIABLE}\" is for routes to an upstream with protocol = \"jitsi\", not for \
                 {target}; write a route for each path"
            );
            self.diag.problem(&path.place, text);
        } else if let Some(upstream) = upstreams.find(not_jitsi) {
            let text = format!(
                "\"{VARIABLE}\" is for the tenants of a Jitsi, and upstream \"{}\" speaks {}; \
                 write protocol = \"jitsi\" there, or a route for each path here",
                upstream.name.value,
                upstream.protocol.name()
            );
            self.diag.problem(&path.place, text);
        }
        if let Some(after) = &raw.after_sign_in {
            let text = format!(
                "is about signing in by browser, for which a path with \"{VARIABLE}\" has no \
                 cookie; take it out"
            );
            self.diag.problem(&after.place, text);
        }
    }
}
