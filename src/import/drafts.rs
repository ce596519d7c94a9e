//! The routes of a server while they are collected.

use super::access::{Access, Why};
use super::context::Context;
use super::extras;
use super::guard::Guard;
use super::led::Led;
use super::location::Location;
use super::model::{Matching, Route};
use super::report::Outcome;
use crate::nginx::Directive;

/// The routes of a server, before guards have closed some.
pub(super) struct Drafts {
    pub(super) routes: Vec<Route>,
    pub(super) guards: Vec<Guard>,
}

/// The route of a location.
pub(super) fn route(
    location: &Location<'_>,
    matching: Matching,
    path: String,
    led: Led,
    hosts: &[String],
    ctx: &mut Context<'_>,
) -> Route {
    let (to, at_most) = led;
    let access = location.scope.access().stricter(at_most);
    let limited = location.scope.access() != Access::Open
        || matches!(access, Access::Closed(Why::AsBefore | Why::Returned));
    let extras = extras::read(&location.scope, &to, &access, &path, ctx);
    Route {
        hosts: hosts.to_vec(),
        path,
        matching,
        access,
        limited,
        target: to,
        extras,
        place: location.directive.place.clone(),
        from: location.directive.shown(),
    }
}

/// Adds a route; of two with one path, what is stricter in either.
pub(super) fn add(route: Route, directive: &Directive, drafts: &mut Drafts, ctx: &mut Context<'_>) {
    let Some(there) = drafts
        .routes
        .iter_mut()
        .find(|there| there.path == route.path)
    else {
        drafts.routes.push(route);
        return;
    };
    if there.target != route.target {
        let text = format!(
            "two locations have the path {}, and a route has one target",
            route.path
        );
        ctx.report.note(directive, Outcome::NeedsYou, text.clone());
        ctx.report
            .differs(format!("same-path {}", route.path), text);
    }
    let access = there.access.clone().stricter(route.access.clone());
    if there.matching == Matching::Exact {
        *there = route;
    }
    there.access = access;
}
