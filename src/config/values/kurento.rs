//! Messages of Kurento: what rules say about them.

use super::STRING;
use super::message::LEAVE_OUT;
use super::token::gather;
use crate::config::problem::{Spanned, quoted};
use crate::config::read::{List, Read, Value};
use crate::config::schema::{Form, Kind};
use crate::config::suggest;
use crate::signalling::janus::VERBS;
use crate::signalling::kurento::{ABSTRACT_TYPES, METHODS, OPERATIONS, TYPES};
use crate::signalling::rules::Objects;
use crate::signalling::uri::{UriPrefix, UriProblem};
use crate::token::claims::Wanted;

/// A method of Kurento.
pub(in crate::config) struct MethodName;

impl Read for MethodName {
    type Out = &'static str;
    const FORM: Form = Form::One(&Kind {
        name: "method",
        expected: STRING,
        text: "What the member `method` of a request to Kurento says: `create`, `invoke`, \
               `subscribe`, `release`, `transaction` and so on; case counts. Or a list of them.",
        good: &["\"create\"", "[\"invoke\", \"release\"]"],
        bad: (
            "\"play\"",
            "\"play\" is no method but an operation of objects; write operation = \"play\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<&'static str> {
        value.parse_with(STRING, |text| {
            let known: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
            if let Some(method) = known.iter().find(|name| **name == text) {
                return Ok(*method);
            }
            Err(match suggest::nearest(text, &known) {
                _ if text == "*" => format!("is no method; {LEAVE_OUT}"),
                _ if OPERATIONS.contains(&text) => format!(
                    "is no method but an operation of objects; write operation = {}",
                    quoted(text)
                ),
                Some(near) => format!("is no method of Kurento, did you mean \"{near}\"?"),
                None if VERBS.contains(&text) => {
                    format!("is a verb of Janus; write verb = {}", quoted(text))
                }
                None => "is no method of Kurento, such as \"create\" or \"invoke\"".to_owned(),
            })
        })
    }
}

/// A type of Kurento's objects, known or not.
pub(in crate::config) struct TypeName;

impl Read for TypeName {
    type Out = String;
    const FORM: Form = Form::One(&Kind {
        name: "type of an object",
        expected: STRING,
        text: "The type of an object as `create` names it and as ids end, without `kurento.`; \
               case counts. One of a module that the gateway does not know is allowed: its \
               operations are not checked. Where `create` names it with its module, \
               `chroma.ChromaFilter`, write both names: ids are compared without the module. Or a \
               list of them.",
        good: &[
            "\"WebRtcEndpoint\"",
            "[\"PlayerEndpoint\", \"RecorderEndpoint\"]",
            "\"ChromaFilter\"",
        ],
        bad: (
            "\"kurento.PlayerEndpoint\"",
            "\"kurento.PlayerEndpoint\" is written without its module; write \"PlayerEndpoint\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<String> {
        let name = value.parse_with(STRING, |text| {
            if TYPES.contains(&text) {
                return Ok(text.to_owned());
            }
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_plain);
            let same = TYPES.iter().find(|name| name.eq_ignore_ascii_case(text));
            Err(match text.strip_prefix("kurento.") {
                _ if text == "*" => format!("is no type; {LEAVE_OUT}"),
                Some(name) if is_word(name) => {
                    format!("is written without its module; write {}", quoted(name))
                }
                _ if ABSTRACT_TYPES.contains(&text) => {
                    "is what several types have in common, and no object has it; write the types, \
                     such as \"PlayerEndpoint\""
                        .to_owned()
                }
                _ if !text.split('.').all(is_word) => {
                    "is no type, such as \"PlayerEndpoint\"".to_owned()
                }
                _ => match same {
                    Some(same) => format!("is no type, did you mean \"{same}\"?"),
                    None => return Ok(text.to_owned()),
                },
            })
        })?;
        if !TYPES.contains(&&*name) {
            let near = suggest::nearest(&name, &TYPES);
            let near = near.map_or_else(String::new, |near| format!(", did you mean \"{near}\"?"));
            let text = format!("{} is not known to the gateway{near}", quoted(&name));
            value.warn(value.place(), text);
        }
        Some(name)
    }
}

/// Whose objects a rule is about.
pub(in crate::config) struct ObjectsWord;

const OBJECTS: [(&str, Objects); 2] = [("own", Objects::Own), ("any", Objects::Any)];

impl Read for ObjectsWord {
    type Out = Objects;
    const FORM: Form = Form::Word(|| OBJECTS.map(|(name, _)| name).to_vec());

    fn read(value: &Value<'_>) -> Option<Objects> {
        value.choose("word", &OBJECTS)
    }
}

/// The parameters that a request must have. A table in it is a parameter that is an object.
pub(in crate::config) struct Parameters;

impl Read for Parameters {
    type Out = Vec<(String, Spanned<List<Wanted>>)>;
    const FORM: Form = Form::Values(&Kind {
        name: "value of a parameter",
        expected: "a string, an integer, true or false",
        text: "A text, a whole number, or true or false; or a list of them, of which one is \
               enough. `\"*\"` is any value.",
        good: &[
            "\"WEBM\"",
            "[\"WEBM\", \"MP4\"]",
            "3",
            "true",
            "\"*\"",
            "{ width = 640 }",
        ],
        bad: (
            "[]",
            "an empty list is met by no message; write the values, or leave the parameter out",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self::Out> {
        let empty =
            "an empty list is met by no message; write the values, or leave the parameter out";
        gather(value, empty)
    }
}

impl Read for UriPrefix {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "beginning of URIs",
        expected: STRING,
        text: "`scheme://host/path`: URIs with this scheme, host and port, and this path or one \
               below it by whole segments. The schemes are `http`, `https`, `rtsp`, `rtsps` and \
               `s3`. `*.example.com` is one more label, and `*` every host that is not on an \
               [inner network](messages.md#uris). `file:///folder/` is for files of the media \
               server; the whole disk, `file:///`, can only be denied. Or a list of them.",
        good: &[
            "\"https://media.example.com/vod/\"",
            "\"s3://recordings/\"",
            "\"rtsp://*.cameras.example.com/\"",
            "\"http://10.0.0.7:8080/\"",
        ],
        bad: (
            "\"media.example.com/vod/\"",
            "\"media.example.com/vod/\" is not written as scheme://host/path; write \
             \"https://media.example.com/vod/\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        // The text is not cited, for that would show the password.
        let parsed = |text: &str| text.parse::<Self>();
        if value.as_text().map(parsed) == Some(Err(UriProblem::UserInfo)) {
            return value.refuse("has a user name or password in it; take it out");
        }
        let prefix =
            value.parse_with(STRING, |text| parsed(text).map_err(|why| advice(text, why)))?;
        if prefix.is_for_all_files() {
            // Only a deny may have it, and there it is right.
        } else if prefix.is_for_files() {
            let text = "lets clients have the media server read and write files below it; symbolic \
                        links in it are followed";
            value.warn(value.place(), text);
        } else if prefix.is_for_all_hosts() {
            let text = "is every host on the internet, and a name may resolve to an address of an \
                        inner network all the same; write the hosts";
            value.warn(value.place(), text);
        }
        Some(prefix)
    }
}

/// What is wrong with a prefix, and what to write.
fn advice(text: &str, why: UriProblem) -> String {
    let is_prefix = |text: &String| text.parse::<UriPrefix>().is_ok();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    if path.contains('*') {
        return "has a \"*\" in its path, and stands for everything below it; write it up to the \
                slash before that"
            .to_owned();
    }
    let write = match why {
        _ if text == "*" => Some("https://*/".to_owned()),
        UriProblem::Host if rest.is_empty() => Some(format!("{text}*/")),
        UriProblem::Relative | UriProblem::Host if text.starts_with("file:") => {
            let path = text.trim_start_matches("file:").trim_start_matches('/');
            Some(format!("file:///{path}"))
        }
        UriProblem::Relative if text.starts_with('/') => Some(format!("file://{text}")),
        UriProblem::Relative => Some(format!("https://{text}")),
        UriProblem::Path if rest.contains('?') => text.split('?').next().map(str::to_owned),
        _ => None,
    };
    match write.filter(is_prefix) {
        Some(write) => format!("{why}; write {}", quoted(&write)),
        None => why.to_string(),
    }
}
