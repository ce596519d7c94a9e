//! Of a rule for Janus, conditions that no message meets together.

use super::{each, place};
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Spanned, quoted};
use crate::config::suggest;
use crate::config::tables::RawRule;
use crate::signalling::janus::plugins::{self, PLUGINS, Plugin, RoomUse};
use crate::signalling::janus::{ADMIN_VERBS, VERBS};
use crate::signalling::rules::Effect;

/// Checks a rule.
pub(super) fn note(raw: &RawRule, diag: &Diagnostics<'_>) {
    note_pairs(raw, diag);
    note_verbs(raw, diag);
    note_ptype(raw, diag);
    note_requests(raw, diag);
    note_rooms(raw, diag);
}

fn note_pairs(raw: &RawRule, diag: &Diagnostics<'_>) {
    if let (Some(_), Some(claims)) = (&raw.room, &raw.room_claims) {
        diag.problem(
            &claims.place,
            "does not go with room; write a rule for each",
        );
    }
    if let (Some(_), Some(claim)) = (&raw.hosts, &raw.host_claim) {
        diag.problem(
            &claim.place,
            "does not go with hosts; write a rule for each",
        );
    }
}

/// Verbs whose messages do not have what another condition asks for.
fn note_verbs(raw: &RawRule, diag: &Diagnostics<'_>) {
    let is_about_rooms = raw.room.is_some() || raw.room_claims.is_some();
    let sends_media = raw.hosts.is_some() || raw.host_claim.is_some();
    let conditions = [
        (
            raw.plugin.is_some(),
            has_plugin as fn(&str) -> bool,
            "plugin",
        ),
        (raw.request.is_some(), has_request, "request"),
        (raw.ptype.is_some(), has_body, "ptype"),
        (sends_media, has_body, "host"),
    ];
    for verb in each(&raw.verb) {
        let mut conditions = conditions.iter();
        let lacks = conditions.find(|(is_asked, has, _)| *is_asked && !has(verb.value));
        if let Some((_, _, what)) = lacks {
            let text = format!(
                "\"{}\" has no {what}, so that the rule never matches it; take it out, or write a \
                 rule for it without {what}",
                verb.value
            );
            diag.problem(&verb.place, text);
        }
    }
    let verbs: Vec<&str> = each(&raw.verb).map(|verb| verb.value).collect();
    if let (false, true, false) = (
        verbs.is_empty(),
        is_about_rooms,
        verbs.iter().any(|verb| has_body(verb)),
    ) {
        let rooms = place(&raw.room).or(place(&raw.room_claims));
        let text =
            "is about rooms, which only \"message\" and \"message_plugin\" have; take it out";
        rooms
            .into_iter()
            .for_each(|place| diag.problem(place, text));
    }
}

/// Whether messages with this verb are for a plugin.
fn has_plugin(verb: &str) -> bool {
    has_body(verb) || matches!(verb, "attach" | "trickle" | "hangup" | "detach")
}

/// Whether they ask for something.
fn has_request(verb: &str) -> bool {
    has_body(verb) || verb.starts_with("query_")
}

/// Whether they have what a plugin reads.
fn has_body(verb: &str) -> bool {
    matches!(verb, "message" | "message_plugin")
}

fn note_ptype(raw: &RawRule, diag: &Diagnostics<'_>) {
    let Some(ptype) = &raw.ptype else {
        return;
    };
    let is_other = |name: &&Spanned<String>| {
        plugins::find(&name.value).is_some() && name.value != "janus.plugin.videoroom"
    };
    for plugin in each(&raw.plugin).filter(is_other) {
        let text = format!(
            "{} has no ptype, which only VideoRoom has; write a rule for it without ptype",
            quoted(&plugin.value)
        );
        diag.problem(&plugin.place, text);
    }
    let joins = |request: &Spanned<String>| {
        ["join", "joinandconfigure"]
            .iter()
            .any(|join| request.value.eq_ignore_ascii_case(join))
    };
    if raw.request.is_some() && !each(&raw.request).any(joins) {
        let text = "is what \"join\" and \"joinandconfigure\" have, and the rule names neither; \
                    take it out";
        diag.problem(&ptype.place, text);
    }
}

/// Requests that none of the rule's plugins is known to have. A later release of a plugin may have
/// one, so only what looks like a slip is an error.
fn note_requests(raw: &RawRule, diag: &Diagnostics<'_>) {
    // What is configured by `query_…` depends on the module.
    if each(&raw.verb).any(|verb| verb.value.starts_with("query_")) {
        return;
    }
    let Some(known) = known_plugins(raw) else {
        return;
    };
    for request in each(&raw.request).filter(|request| use_of(request, &known).is_none()) {
        match unknown_request(&request.value, &known, raw.plugin.is_some()) {
            Ok(text) => {
                diag.warning(&request.place, format!("{} {text}", quoted(&request.value)));
            }
            Err(text) => {
                diag.problem(&request.place, format!("{} {text}", quoted(&request.value)));
            }
        }
    }
}

/// The plugins that the rule is about; `None` if one of them is not known.
fn known_plugins(raw: &RawRule) -> Option<Vec<&'static Plugin>> {
    match &raw.plugin {
        None => Some(PLUGINS.iter().collect()),
        Some(names) => {
            let names = names.value.iter();
            names
                .map(|name| plugins::find(&name.as_ref()?.value))
                .collect()
        }
    }
}

/// How the request names its room, if one of the plugins knows it.
fn use_of(request: &Spanned<String>, plugins: &[&Plugin]) -> Option<RoomUse> {
    let is = |name: &str| request.value.eq_ignore_ascii_case(name);
    plugins.iter().find_map(|plugin| plugin.room_use(is))
}

/// What to say of it: a warning, or an error.
fn unknown_request(request: &str, plugins: &[&Plugin], are_named: bool) -> Result<String, String> {
    let is = |name: &str| name.eq_ignore_ascii_case(request);
    let requests = plugins.iter().flat_map(|plugin| plugin.requests());
    let requests: Vec<&str> = requests.collect();
    let names: Vec<&str> = plugins.iter().map(|plugin| plugin.name).collect();
    let names = names.join(" and ");
    let near = suggest::nearest(request, &requests);
    let owner = PLUGINS.iter().find(|plugin| plugin.requests().any(is));
    Err(match (near, owner) {
        _ if VERBS
            .into_iter()
            .chain(ADMIN_VERBS.iter().map(|(verb, _)| *verb))
            .any(is) =>
        {
            format!(
                "is a verb, not what a plugin is asked for; write verb = {}",
                quoted(request)
            )
        }
        (_, Some(owner)) => format!("is a request of {}, and not of {names}", owner.name),
        (Some(near), _) if are_named => {
            format!("is no request of {names}, did you mean \"{near}\"?")
        }
        (Some(near), _) => format!("is no request of a known plugin, did you mean \"{near}\"?"),
        (None, _) if requests.is_empty() => format!("is no request of {names}; there are none"),
        (None, _) if are_named => {
            let known = requests.join(", ");
            return Ok(format!(
                "is not known as a request of {names}; where there is one, this rule decides about \
                 it. Known: {known}"
            ));
        }
        (None, _) => "is no request of a known plugin; name the plugin that it is for, plugin = \
                      \"janus.plugin.…\""
            .to_owned(),
    })
}

/// Rooms of plugins that have none, and of requests that name none.
fn note_rooms(raw: &RawRule, diag: &Diagnostics<'_>) {
    let Some(rooms) = place(&raw.room).or(place(&raw.room_claims)) else {
        return;
    };
    let Some(known) = known_plugins(raw).filter(|known| !known.is_empty()) else {
        return;
    };
    if known.iter().all(|plugin| plugin.room.is_none()) {
        let names: Vec<&str> = known.iter().map(|plugin| plugin.name).collect();
        let text = format!(
            "is about rooms, of which there are none in {}; take it out",
            names.join(" and ")
        );
        diag.problem(rooms, text);
        return;
    }
    let mut requests = each(&raw.request).peekable();
    let names_none = |request: &Spanned<String>| use_of(request, &known) == Some(RoomUse::None);
    if raw.effect == Some(Effect::Deny) && requests.peek().is_some() && requests.all(names_none) {
        let text = "is about rooms, and the requests of the rule are for the room that a client is \
                    in already and name none, so that none is ever denied; take it out";
        diag.problem(rooms, text);
    }
}
