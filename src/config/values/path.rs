//! Paths: of URLs and of files.

use std::path::PathBuf;

use http::StatusCode;

use super::{STRING, one_for_each, pattern, quoted};
use crate::config::problem::{self, Spanned};
use crate::config::read::{List, Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::route::files::PageFile;
use crate::route::local::{BadLocal, LocalUrl};
use crate::route::path::{BadPath, PathPrefix};
use crate::route::redirect::RedirectSpec;
use crate::route::tenant::VARIABLE;
use crate::telemetry::audit::AuditTarget;

impl Read for PathPrefix {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "path",
        expected: STRING,
        text: "The path of a URL. It stands for itself and for what is below it, by whole \
               segments: `/janus` is `/janus/info` and never `/januswhatever`. Case counts. A \
               slash at the end changes nothing.",
        good: &["\"/\"", "\"/janus\"", "\"/media/janus/\""],
        bad: ("\"janus\"", "\"janus\" does not begin with \"/\""),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        if value.is_list() {
            return one_for_each(value);
        }
        value.parse_with(STRING, path)
    }
}

fn path(text: &str) -> Result<PathPrefix, String> {
    if let Some((path, query)) = text.split_once('?')
        && (query.starts_with("prefix=") || query.contains("&prefix="))
    {
        return Err(format!(
            "has a query; write \"{path}\": where the route's path has \"{VARIABLE}\", the gateway \
             sets prefix by itself"
        ));
    }
    if text.split('/').any(|segment| segment == VARIABLE) {
        return Err(format!(
            "has \"{VARIABLE}\", which only the path of a route can have, and which does not reach \
             the server: leave it out"
        ));
    }
    if let Some((found, front)) = pattern::in_path(text, None) {
        return Err(has_pattern(found, front));
    }
    check_characters(text)?;
    text.parse().map_err(|why| bad_path(text, why))
}

pub(super) fn has_pattern(found: &str, front: &str) -> String {
    format!(
        "has \"{found}\", and paths have no patterns and no variables; \"{front}\" stands for \
         itself and what is below it: write that, or a route for each path"
    )
}

/// Rejects characters that no request has in its path: such a route would never be found.
pub(super) fn check_characters(text: &str) -> Result<(), String> {
    const NEVER: [char; 7] = ['?', '#', ' ', '<', '>', '"', '`'];
    match text.chars().find(|c| NEVER.contains(c)) {
        Some(c) => Err(format!(
            "has a {c:?}; paths have no query, and other characters are percent-encoded"
        )),
        None => Ok(()),
    }
}

pub(super) fn bad_path(text: &str, why: BadPath) -> String {
    match why {
        BadPath::NotAbsolute if text.starts_with(['~', '=', '^']) => {
            "does not begin with \"/\"; paths have no patterns and no modifiers, and each stands \
             for itself and what is below it"
                .to_owned()
        }
        BadPath::NotAbsolute => not_absolute(text),
        why => format!("is ambiguous: {why}"),
    }
}

fn not_absolute(text: &str) -> String {
    let after_host = text.split_once("://").map(|(_, rest)| rest);
    let with_slash = match after_host {
        Some(rest) => rest.find('/').map(|at| rest[at..].to_owned()),
        None => Some(format!("/{text}")),
    };
    let right = with_slash.filter(|path| path.parse::<PathPrefix>().is_ok());
    let right = right.map(|path| format!("; write \"{path}\""));
    format!("does not begin with \"/\"{}", right.unwrap_or_default())
}

impl Read for LocalUrl {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "path on this host",
        expected: STRING,
        text: "A path, with or without a query.",
        good: &["\"/admin.html\"", "\"/start?lang=en\""],
        bad: (
            "\"https://elsewhere.example/\"",
            "\"https://elsewhere.example/\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(STRING, |text| {
            text.parse().map_err(|why| match why {
                BadLocal::Path(_) if text.contains("://") || text.starts_with("//") => {
                    "leads to another host; write a path of this one, such as \"/admin.html\""
                        .to_owned()
                }
                BadLocal::Path(BadPath::NotAbsolute) => "does not begin with \"/\"".to_owned(),
                BadLocal::Path(why) => format!("is ambiguous: {why}"),
                why => why.to_string(),
            })
        })
    }
}

impl Read for RedirectSpec {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "URL or path",
        expected: STRING,
        text: "",
        good: &["\"https://example.com/\"", "\"/start.html\""],
        bad: (
            "\"example.com\"",
            "\"example.com\" is neither a URL, \"https://example.org/\", nor a path, \
             \"/elsewhere\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(STRING, |text| match pattern::in_url(text) {
            Some(found) => Err(format!(
                "has \"{found}\", and there are no variables; a target that ends with \"/\", or is \
                 an origin only, takes over the rest of the path and the query by itself"
            )),
            None => text.parse().map_err(|why: &str| why.to_owned()),
        })
    }
}

/// A status that sends a client elsewhere.
pub(in crate::config) struct RedirectStatus;

impl Read for RedirectStatus {
    type Out = StatusCode;
    const FORM: Form = Form::One(&Kind {
        name: "redirect status",
        expected: "an integer",
        text: "301 and 302 make a GET of a POST in most clients; 307 and 308 keep the method and \
               the body.",
        good: &["301", "302", "307", "308"],
        bad: (
            "303",
            "must be 301, 302, 307 or 308; the last two keep the method and body",
        ),
    });

    fn read(value: &Value<'_>) -> Option<StatusCode> {
        const WRONG: &str = "must be 301, 302, 307 or 308; the last two keep the method and body";
        let number = value.integer_in(300, 399)?;
        let mut known = RedirectSpec::STATUSES.into_iter();
        known
            .find(|status| u64::from(status.as_u16()) == number)
            .or_else(|| value.refuse(WRONG))
    }
}

impl Write for RedirectStatus {
    type Plain = StatusCode;

    fn write(value: &StatusCode) -> String {
        value.as_u16().to_string()
    }
}

impl Read for PathBuf {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "file",
        expected: STRING,
        text: "A path on disk. Relative ones begin at the folder of the file that has them, \
               `gateway.toml` or an [included](#include) one, whatever the working folder is.",
        good: &["\"certs/fullchain.pem\"", "\"/usr/share/janus/demos\""],
        bad: ("\"\"", "is empty; write the path of a file"),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        match value.text(STRING)? {
            "" => value.refuse("is empty; write the path of a file"),
            text if text.contains('\0') => {
                let text = problem::quoted(text);
                value.refuse(format!("{text} has a NUL, which no path has"))
            }
            text => Some(value.path(text)),
        }
    }
}

impl Read for PageFile {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "page",
        expected: STRING,
        text: "A file below the folder of the route's `files`, written as its path from there. The \
               same names are left out as in requests: those that begin with a dot.",
        good: &["\"index.html\"", "\"errors/404.html\""],
        bad: (
            "\"/index.html\"",
            "\"/index.html\" begins with \"/\"; write the path below the folder of files, as \
             \"index.html\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(STRING, |text| text.parse::<Self>())
    }
}

/// A path of a socket, or none.
pub(in crate::config) struct SocketPath(pub(in crate::config) Option<PathBuf>);

impl Read for SocketPath {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "socket",
        expected: "a path or false",
        text: "The path of a Unix socket, or `false` for none. Relative paths begin at the folder \
               of the file that has them.",
        good: &["\"/run/ianitor/control.sock\"", "false"],
        bad: (
            "true",
            "is true; write the path of the socket, or false for none",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        match value.boolean() {
            Some(false) => Some(Self(None)),
            Some(true) => value.refuse("is true; write the path of the socket, or false for none"),
            None => {
                let text = value.text("a path or false")?;
                if text.starts_with('@') {
                    let text = problem::quoted(text);
                    return value.refuse(format!(
                        "{text} is an abstract socket, which has no file and so no permissions; \
                         write the path of a file"
                    ));
                }
                PathBuf::read(value).map(|path| Self(Some(path)))
            }
        }
    }
}

impl Read for AuditTarget {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "audit log",
        expected: "\"stdout\", a path or false",
        text: "`stdout` for standard output, the path of a file, or `false` for none. Relative \
               paths begin at the folder of the file that has them.",
        good: &["\"stdout\"", "\"/var/log/ianitor/audit.log\"", "false"],
        bad: (
            "true",
            "is true; write \"stdout\", the path of a file, or false for none",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        const WRONG: &str = "is true; write \"stdout\", the path of a file, or false for none";
        match value.boolean() {
            Some(false) => Some(Self::Off),
            Some(true) => value.refuse(WRONG),
            None => match value.text("\"stdout\", a path or false")? {
                "stdout" => Some(Self::Stdout),
                word @ ("stderr" | "syslog" | "journal" | "on" | "off" | "-") => {
                    value.refuse(format!(
                        "\"{word}\" is no target; write \"stdout\", the path of a file, or false \
                         for none"
                    ))
                }
                _ => PathBuf::read(value).map(Self::File),
            },
        }
    }
}

impl Write for AuditTarget {
    type Plain = Self;

    fn write(value: &Self) -> String {
        match value {
            Self::Off => "false".to_owned(),
            Self::Stdout => quoted("stdout"),
            Self::File(path) => quoted(path.display()),
        }
    }
}

impl Write for PathBuf {
    type Plain = Self;

    fn write(value: &Self) -> String {
        quoted(value.display())
    }
}

/// One file, or a list of two; that there are no more is for a later check.
pub(in crate::config) struct OneOrTwoFiles;

impl Read for OneOrTwoFiles {
    type Out = List<PathBuf>;
    const FORM: Form = Form::One(&Kind {
        name: "file, or two",
        expected: STRING,
        text: "A file, or a list of two.",
        good: &[
            "\"secrets/turn\"",
            "[\"secrets/turn-new\", \"secrets/turn\"]",
        ],
        bad: ("\"\"", "is empty; write the path of a file"),
    });
    const OR_LIST: bool = true;

    fn read(value: &Value<'_>) -> Option<List<PathBuf>> {
        one_or_list::<PathBuf>(value)
    }
}

/// One of something, or a list of them.
pub(super) fn one_or_list<K: Read>(value: &Value<'_>) -> Option<List<K::Out>> {
    match value.is_list() {
        true => List::<K>::read(value),
        false => Spanned::<K>::read(value).map(|one| vec![Some(one)]),
    }
}

/// Permissions of a file.
pub(in crate::config) struct FileMode;

impl Read for FileMode {
    type Out = u32;
    // A text, because 0640 is no number of TOML, and 640 would be a different one.
    const FORM: Form = Form::One(&Kind {
        name: "mode",
        expected: "the mode in quotes, such as \"0640\"",
        text: "Permissions in octal, in quotes.",
        good: &["\"0640\"", "\"600\""],
        bad: (
            "\"rw-r-----\"",
            "\"rw-r-----\" is no mode; write it in octal, such as \"0640\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<u32> {
        value.parse_with("the mode in quotes, such as \"0640\"", |text| {
            let has_digits =
                matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
            let mode = u32::from_str_radix(text, 8).ok();
            match mode.filter(|mode| has_digits && *mode <= 0o777) {
                None => Err("is no mode; write it in octal, such as \"0640\""),
                Some(mode) if mode & 0o600 != 0o600 => {
                    Err("keeps even the owner from the file; write \"0600\"")
                }
                Some(mode) => Ok(mode),
            }
        })
    }
}

impl Write for FileMode {
    type Plain = u32;

    fn write(value: &u32) -> String {
        quoted(format!("{value:04o}"))
    }
}
