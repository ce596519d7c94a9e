//! The path of a route.

use super::path::{bad_path, check_characters, has_pattern};
use super::{STRING, one_for_each, pattern};
use crate::config::read::{Read, Value};
use crate::config::schema::{Form, Kind};
use crate::route::tenant::{BadRoutePath, RoutePath, VARIABLE, XMPP_PATHS};

impl Read for RoutePath {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "path of a route",
        expected: STRING,
        text: "A [path](#path), which may have [`{tenant}`](#routespath) in it.",
        good: &["\"/\"", "\"/janus\"", "\"/media/janus/\""],
        bad: (
            "\"/{tenant}\"",
            "\"/{tenant}\" has nothing behind \"{tenant}\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        if value.is_list() {
            return one_for_each(value);
        }
        value.parse_with(STRING, route_path)
    }
}

fn route_path(text: &str) -> Result<RoutePath, String> {
    if let Some((found, front)) = pattern::in_path(text, Some(VARIABLE)) {
        return Err(misplaced(text, found, front));
    }
    if let Some(segment) = text
        .split('/')
        .find(|segment| is_meant_as_variable(segment))
    {
        return Err(slip(text, segment));
    }
    check_characters(text)?;
    text.parse().map_err(|why| match why {
        BadRoutePath::Path(why) => bad_path(text, why),
        BadRoutePath::Last => {
            let text = text.trim_end_matches('/');
            if let Some(path) = with_tenant_first(text) {
                return format!(
                    "has nothing behind \"{VARIABLE}\"; Jitsi Meet has the tenant first, so write \
                     \"{path}\""
                );
            }
            format!(
                "has nothing behind \"{VARIABLE}\"; write what each tenant has there, such as \
                 \"{text}/http-bind\""
            )
        }
        BadRoutePath::Twice => {
            format!("has \"{VARIABLE}\" twice; a path is for one tenant, so take one out")
        }
    })
}

/// Whether a segment is `{tenant}` with a slip in it: `{tenant`, `$tenant`.
fn is_meant_as_variable(segment: &str) -> bool {
    const SIGNS: [char; 11] = ['{', '}', '$', '%', '<', '>', '[', ']', '(', ')', ':'];
    let name = segment.trim_matches(SIGNS);
    segment != VARIABLE && segment != name && name.eq_ignore_ascii_case("tenant")
}

/// What to write in place of such a segment.
fn slip(text: &str, segment: &str) -> String {
    let path = text.replacen(segment, VARIABLE, 1);
    let right = path
        .parse::<RoutePath>()
        .is_ok_and(|path| path.has_tenant());
    let write = if right { &path } else { "/{tenant}/http-bind" };
    format!("has \"{segment}\", and the variable is \"{VARIABLE}\"; write \"{write}\"")
}

/// `/{tenant}/http-bind` of `/http-bind/{tenant}`.
fn with_tenant_first(text: &str) -> Option<String> {
    let front = text.strip_suffix(VARIABLE)?.strip_suffix('/')?;
    let (before, last) = front.split_at(front.rfind('/')?);
    let is_xmpp = XMPP_PATHS.contains(&last);
    is_xmpp.then(|| format!("{before}/{VARIABLE}{last}"))
}

/// What to write in place of a pattern, or of a variable other than one whole `{tenant}`.
fn misplaced(text: &str, found: &str, front: &str) -> String {
    if found == VARIABLE {
        return format!(
            "has \"{VARIABLE}\" in a segment with other text; it stands for a whole segment, as in \
             \"/{VARIABLE}/http-bind\""
        );
    }
    if text.split('/').any(|segment| segment == VARIABLE) {
        return format!(
            "has \"{found}\", and paths have no patterns and no variable but one \"{VARIABLE}\"; \
             write a route for each path"
        );
    }
    let problem = has_pattern(found, front);
    match with_tenant(text) {
        Some(path) => format!("{problem}; for the tenants of a Jitsi, write \"{path}\""),
        None => problem,
    }
}

/// The path with `{tenant}` in place of its pattern, which may be a regular expression of
/// NGINX, if that is one.
fn with_tenant(text: &str) -> Option<RoutePath> {
    let text = text.trim_start_matches(['~', '*', '^', '=', ' ']);
    let text = text.trim_end_matches('$');
    let (_, front) = pattern::in_path(text, Some(VARIABLE))?;
    let front = front.trim_end_matches('/');
    let pattern = text.get(front.len()..)?.strip_prefix('/')?;
    let end = match pattern.starts_with('(') {
        // `([^/]+)` has a slash in it.
        true => pattern.find(")/")? + ")".len(),
        false => pattern.find('/')?,
    };
    let path = format!("{front}/{VARIABLE}{}", &pattern[end..]);
    let is_whole = pattern::in_path(&path, Some(VARIABLE)).is_none();
    let is_path = is_whole && check_characters(&path).is_ok();
    path.parse().ok().filter(|_| is_path)
}
