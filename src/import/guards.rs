//! Paths that were closed by something that is no route of its own. A wider route would take them
//! over, so it is closed until a person has looked.

use super::access::{Access, Why};
use super::drafts::Drafts;
use super::guard::{Guard, is_redirect};
use super::model::{Extras, Matching, Route, Target};
use super::report::{Outcome, Report};
use crate::nginx::Place;

/// Closes what would be more open than it was.
pub(super) fn close(drafts: &mut Drafts, report: &mut Report) {
    let guards = std::mem::take(&mut drafts.guards);
    for guard in &guards {
        by_guard(guard, &mut drafts.routes, report);
    }
    wider_than_exact(&mut drafts.routes, report);
    whatever(&mut drafts.routes, report);
}

fn by_guard(guard: &Guard, routes: &mut Vec<Route>, report: &mut Report) {
    let front = &guard.front;
    let is_folder = front.ends_with('/') && front.len() > 1;
    let own = super::location::path(front).filter(|path| path != "/");
    let widest = (!is_folder || own.is_none())
        .then(|| holder(front, routes))
        .flatten();
    for (at, route) in routes.iter_mut().enumerate() {
        let below = format!("{}/", route.path.trim_end_matches('/'));
        let is_below = below.starts_with(front.as_str());
        let is_it = is_below || widest == Some(at);
        if is_it && guard.is_about(route) {
            close_one(route, &guard.place, &guard.shown, report);
        }
    }
    let has_own = own
        .as_ref()
        .is_some_and(|own| routes.iter().any(|route| route.path == *own));
    let holder = holder(front, routes).and_then(|at| routes.get(at));
    if let (Some(path), false, Some(holder)) = (own, has_own, holder.cloned())
        && guard.is_about(&holder)
    {
        let limit = guard.shown.clone();
        let place = guard.place.clone();
        routes.push(Route {
            path,
            target: Target::Nothing,
            access: Access::Closed(Why::ToBeWritten { place, limit }),
            place: guard.place.clone(),
            from: guard.shown.clone(),
            extras: Extras::default(),
            limited: false,
            ..holder
        });
    }
}

/// The route that gets paths which begin so and have no route of their own.
fn holder(front: &str, routes: &[Route]) -> Option<usize> {
    let folder = &front[..front.rfind('/').map_or(0, |at| at + 1)];
    let folder = if folder.is_empty() { "/" } else { folder };
    let covers = |route: &Route| {
        let below = format!("{}/", route.path.trim_end_matches('/'));
        folder.starts_with(&below)
    };
    let holders = routes.iter().enumerate().filter(|(_, route)| covers(route));
    holders
        .max_by_key(|(_, route)| route.path.len())
        .map(|(at, _)| at)
}

fn close_one(route: &mut Route, place: &Place, limit: &str, report: &mut Report) {
    if route.access.is_closed() {
        return;
    }
    let text = format!(
        "{} is closed until you write its policy: paths that {limit} ({place}) kept back would \
         come here, too",
        route.path
    );
    report.note_at(&route.place, &route.from, Outcome::NeedsYou, text);
    report.differs(
        format!("closed {}", route.path),
        format!("{} is closed", route.path),
    );
    route.access = Access::Closed(Why::ToBeWritten {
        place: place.clone(),
        limit: limit.to_owned(),
    });
}

/// `location = /x` becomes `/x` and what is below, which another location kept back.
fn wider_than_exact(routes: &mut [Route], report: &mut Report) {
    for at in 0..routes.len() {
        let route = &routes[at];
        let is_widened = matches!(route.matching, Matching::Exact | Matching::Regexp)
            && matches!(route.target, Target::Upstream { .. });
        let front = route.path.trim_end_matches('/').to_owned();
        let Some(above) = is_widened.then(|| holder(&front, routes)).flatten() else {
            continue;
        };
        let above = routes[above].clone();
        let is_stricter = above.access != Access::Open
            && above.access != routes[at].access
            && above.access != Access::Closed(Why::Returned);
        if above.path != routes[at].path && is_stricter {
            close_one(&mut routes[at], &above.place, &above.from, report);
        }
    }
}

/// `location /admin` is `/admin.php` too, and here that goes to a wider route.
fn whatever(routes: &mut [Route], report: &mut Report) {
    for at in 0..routes.len() {
        let limited = routes[at].clone();
        let by_characters = matches!(limited.matching, Matching::Prefix | Matching::Priority)
            && limited.path != "/"
            && !limited.from.trim_end_matches(" { … }").ends_with('/');
        if !by_characters || limited.access == Access::Open {
            continue;
        }
        let Some(above) = holder(limited.path.as_str(), routes) else {
            continue;
        };
        let above = &mut routes[above];
        let is_as_strict = above.access == limited.access || is_redirect(above);
        if above.path != limited.path && !is_as_strict && limited.limited {
            close_one(above, &limited.place, &limited.from, report);
        }
    }
}
