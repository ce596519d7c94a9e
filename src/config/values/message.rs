//! Messages: what rules say about them.

use super::STRING;
use super::path::one_or_list;
use super::text::nonempty_texts;
use crate::config::problem::quoted;
use crate::config::read::{List, Read, Value};
use crate::config::schema::{Form, Kind};
use crate::config::suggest;
use crate::signalling::janus::{ADMIN_VERBS, VERBS, plugins};
use crate::signalling::presets;
use crate::signalling::rules::RoomId;

/// One of something, or a list of them that is not empty.
pub(in crate::config) struct OneOrMore<K>(std::marker::PhantomData<K>);

impl<K: Read> Read for OneOrMore<K> {
    type Out = List<K::Out>;
    const FORM: Form = K::FORM;
    const OR_LIST: bool = true;

    fn read(value: &Value<'_>) -> Option<Self::Out> {
        match one_or_list::<K>(value)? {
            list if list.is_empty() => {
                value.refuse("is an empty list; write what is meant, or leave it out")
            }
            list => Some(list),
        }
    }
}

/// A preset, by its name.
pub(in crate::config) struct PresetName;

impl Read for PresetName {
    type Out = &'static str;
    const FORM: Form = Form::Word(|| presets::all().map(|preset| preset.name).collect());

    fn read(value: &Value<'_>) -> Option<&'static str> {
        let names: Vec<_> = presets::all().map(|one| (one.name, one.name)).collect();
        value.choose("preset", &names)
    }
}

/// A verb of one of Janus' two APIs, in small letters.
pub(in crate::config) struct Verb;

impl Read for Verb {
    type Out = &'static str;
    const FORM: Form = Form::One(&Kind {
        name: "verb",
        expected: STRING,
        text: "What the member `janus` of a message says, in any case: `create`, `attach`, \
               `message` and so on, or a verb of the admin API. Or a list of them.",
        good: &[
            "\"message\"",
            "[\"attach\", \"trickle\"]",
            "\"list_sessions\"",
        ],
        bad: (
            "\"kick\"",
            "\"kick\" is no verb but what a plugin is asked for; write request = \"kick\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<&'static str> {
        value.parse_with(STRING, |text| {
            let known: Vec<&str> = verbs().collect();
            let same = |name: &&&str| name.eq_ignore_ascii_case(text);
            if let Some(verb) = known.iter().find(same) {
                return Ok(*verb);
            }
            let is_request = plugins::PLUGINS.iter().any(|plugin| {
                let use_of = plugin.room_use(|name| name.eq_ignore_ascii_case(text));
                use_of.is_some()
            });
            Err(match suggest::nearest(text, &known) {
                _ if text == "*" => format!("is no verb; {LEAVE_OUT}"),
                _ if is_request => format!(
                    "is no verb but what a plugin is asked for; write request = {}",
                    quoted(text)
                ),
                Some(near) => format!("is no verb of Janus, did you mean \"{near}\"?"),
                None => "is no verb of Janus, such as \"message\" or \"list_sessions\"".to_owned(),
            })
        })
    }
}

/// Every verb of both APIs; some are in both.
fn verbs() -> impl Iterator<Item = &'static str> {
    let of_admin = ADMIN_VERBS.iter().map(|(verb, _)| *verb);
    VERBS.into_iter().chain(of_admin)
}

/// A plugin of Janus, known or not.
pub(in crate::config) struct PluginName;

/// What the names of all plugins begin with.
const OF_PLUGINS: &str = "janus.plugin.";

impl Read for PluginName {
    type Out = String;
    const FORM: Form = Form::One(&Kind {
        name: "plugin",
        expected: STRING,
        text: "The name of a plugin as `attach` has it; case counts. One that the gateway does not \
               know, `janus.plugin.sip` or your own, is allowed: its requests are compared with \
               those that the rule names, and not checked. Or a list of them.",
        good: &[
            "\"janus.plugin.videoroom\"",
            "[\"janus.plugin.echotest\", \"janus.plugin.sip\"]",
        ],
        bad: (
            "\"videoroom\"",
            "\"videoroom\" is no plugin, did you mean \"janus.plugin.videoroom\"?",
        ),
    });

    fn read(value: &Value<'_>) -> Option<String> {
        let name = value.parse_with(STRING, |text| {
            let is_name = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'*');
            let is_plugin = text.len() > OF_PLUGINS.len()
                && text.starts_with(OF_PLUGINS)
                && text.bytes().all(is_name);
            let near = || plugin_name(text).or_else(|| nearest_plugin(text).map(str::to_owned));
            match near() {
                _ if is_plugin => Ok(text.to_owned()),
                _ if text == "*" => Err(format!("is no plugin; {LEAVE_OUT}")),
                Some(near) => Err(format!("is no plugin, did you mean \"{near}\"?")),
                None => Err("is no plugin, such as \"janus.plugin.videoroom\"".to_owned()),
            }
        })?;
        if let Some(near) = nearest_plugin(&name) {
            let text = format!(
                "{} is not known to the gateway, did you mean \"{near}\"?",
                quoted(&name)
            );
            value.warn(value.place(), text);
        }
        Some(name)
    }
}

/// What to do about `*`.
pub(super) const LEAVE_OUT: &str = "leave the key out, and the rule is about all of them";

/// Every plugin that the gateway knows or that comes with Janus.
fn usual_plugins() -> impl Iterator<Item = &'static str> {
    let known = plugins::PLUGINS.iter().map(|plugin| plugin.name);
    known.chain(plugins::OTHERS)
}

/// The whole name of a plugin, from `videoroom` or from the whole one.
pub fn plugin_name(text: &str) -> Option<String> {
    let is_whole = text.len() > OF_PLUGINS.len() && text.starts_with(OF_PLUGINS);
    let whole = || usual_plugins().find(|name| name.strip_prefix(OF_PLUGINS) == Some(text));
    match is_whole {
        true => Some(text.to_owned()),
        false => whole().map(str::to_owned),
    }
}

/// The plugin that was probably meant by a name, with or without its beginning, which is none of
/// the usual ones.
pub fn nearest_plugin(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_prefix(OF_PLUGINS).unwrap_or(&lower);
    let short_of = |name: &'static str| name.strip_prefix(OF_PLUGINS).unwrap_or(name);
    if usual_plugins().any(|name| name == text || short_of(name) == text) {
        return None;
    }
    let shorts: Vec<&str> = usual_plugins().map(short_of).collect();
    let near = suggest::nearest(short, &shorts)?;
    usual_plugins().find(|name| short_of(name) == near)
}

/// As what a client joins a room of VideoRoom.
pub(in crate::config) struct Ptype;

/// Every ptype of Janus 1.1.2.
const PTYPES: [&str; 2] = ["publisher", "subscriber"];

impl Read for Ptype {
    type Out = &'static str;
    const FORM: Form = Form::Word(|| PTYPES.to_vec());

    fn read(value: &Value<'_>) -> Option<&'static str> {
        if value.text(STRING)? == "*" {
            return value.refuse(format!("\"*\" is no ptype; {LEAVE_OUT}"));
        }
        value.choose("ptype", &PTYPES.map(|ptype| (ptype, ptype)))
    }
}

/// A room: Janus has rooms that are numbers and, with `string_ids`, rooms that are texts.
pub(in crate::config) struct Room;

impl Read for Room {
    type Out = RoomId;
    const FORM: Form = Form::One(&Kind {
        name: "room",
        expected: "an integer or a string",
        text: "A room or, of the Streaming plugin, a mountpoint, as messages have it: a number, \
               or a text if Janus has `string_ids`. `1` and `\"1\"` are two rooms. Or a list of \
               them.",
        good: &["1234", "\"lobby\"", "[1234, 1235]"],
        bad: ("-1", "must be from 0 to 9007199254740992"),
    });

    fn read(value: &Value<'_>) -> Option<RoomId> {
        if value.integer().is_some() {
            let number = value.integer_in(0, 1 << 53)?;
            return i64::try_from(number).ok().map(RoomId::Number);
        }
        if let Some(hint) = value.hint_if_whole() {
            return value.expected("an integer or a string", &hint);
        }
        match value.text("an integer or a string")? {
            "" => value.refuse("is empty"),
            "*" => value.refuse(format!("\"*\" is no room; {LEAVE_OUT}")),
            text => Some(RoomId::Text(text.into())),
        }
    }
}

/// The name of a rule in logs and metrics.
pub(in crate::config) struct RuleName;

impl Read for RuleName {
    type Out = String;
    const FORM: Form = Form::One(&Kind {
        name: "name of a rule",
        expected: STRING,
        text: "Letters, digits, `-` and `_`.",
        good: &["\"no-recording\""],
        bad: (
            "\"no recording\"",
            "\"no recording\" is not a name; use letters, digits, \"-\" and \"_\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<String> {
        value.parse_with(STRING, |text| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            match !text.is_empty() && text.len() <= 64 && text.bytes().all(is_plain) {
                true => Ok(text.to_owned()),
                false => Err("is not a name; use letters, digits, \"-\" and \"_\""),
            }
        })
    }
}

/// A name that is not `*`, which here stands for nothing.
fn name(value: &Value<'_>, text: String, kind: &str) -> Option<String> {
    match &*text {
        "*" => value.refuse(format!("\"*\" is no {kind}; {LEAVE_OUT}")),
        _ => Some(text),
    }
}

nonempty_texts! {
    /// What a plugin is asked for.
    RequestName: "request",
        "What the member `request` of a plugin's message says (`kind` of janus-plugin-sfu), in any \
         case. Or a list of them.",
        ["\"join\"", "[\"configure\", \"publish\"]"], name;
    /// A claim of a token.
    ClaimName: "claim",
        "The name of a claim; `a.b` is a member of an object.",
        ["\"room_ids\"", "\"realm_access.rooms\""], name;
    /// What an object of Kurento is asked for.
    OperationName: "operation",
        "What the member `operation` of `invoke` says, or with `method = \"subscribe\"` the event; \
         case counts. Or a list of them.",
        ["\"processOffer\"", "[\"play\", \"pause\"]"], name;
    /// A member of a plugin's message, which may have any name, or of Kurento's parameters.
    MemberName: "member of a message",
        "The name of a member, as it is written. Or a list of them.",
        ["\"record\"", "[\"record\", \"filename\"]"];
    /// Where media is sent.
    MediaHost: "host of media",
        "A name or an address, as messages have it: nothing is looked up. Or a list of them.",
        ["\"192.0.2.9\"", "[\"recorder.internal\", \"192.0.2.9\"]"], name;
}
