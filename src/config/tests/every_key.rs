//! What holds for every key, by the description of the tables.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::problems;
use crate::config::read::Section as _;
use crate::config::schema::{Form, Key, Keys, Kind, Unset};
use crate::config::tables::Raw;
use crate::config::{Report, parse};

/// How a kind of table is opened, and what its keys are called then.
struct Opened {
    keys: &'static Keys,
    header: String,
    prefix: String,
}

/// Every table, each after the one that it stands in.
fn tables() -> Vec<Opened> {
    fn add(outer: Opened, path: &str, all: &mut Vec<Opened>) {
        let (keys, header, prefix) = (outer.keys, outer.header.clone(), outer.prefix.clone());
        all.push(outer);
        for key in keys.keys {
            let Some(inner) = key.form.keys() else {
                continue;
            };
            let path = format!("{path}{}", key.name);
            let (line, path, element) = match key.form {
                Form::Named(_) => (format!("[{path}.a]"), format!("{path}.a"), ".a"),
                Form::Tables(_) => (format!("[[{path}]]"), path, "[0]"),
                _ => (format!("[{path}]"), path, ""),
            };
            // A table in a list belongs to the last element, which must be there.
            let above = if header.starts_with("[[") {
                format!("{header}\n")
            } else {
                String::new()
            };
            let opened = Opened {
                keys: inner,
                header: above + &line,
                prefix: format!("{prefix}{}{element}.", key.name),
            };
            add(opened, &format!("{path}."), all);
        }
    }
    let mut all = Vec::new();
    add(
        Opened {
            keys: Raw::KEYS,
            header: String::new(),
            prefix: String::new(),
        },
        "",
        &mut all,
    );
    all
}

/// The line below the header.
fn line_below(header: &str) -> usize {
    2 + header.matches('\n').count()
}

/// What the reader says it expects, of the value and of a part of it. The date is of no kind.
fn wrongly_typed(key: &Key) -> Vec<(&'static str, &'static str, &'static str)> {
    const DATE: &str = "1979-05-27";
    match key.form {
        Form::One(kind) => vec![(DATE, "", kind.expected)],
        Form::List(kind) => vec![(DATE, "", "a list"), ("[1979-05-27]", "[0]", kind.expected)],
        Form::Word(_) => vec![(DATE, "", "a string")],
        Form::Words(_) => vec![(DATE, "", "a list"), ("[1979-05-27]", "[0]", "a string")],
        Form::Values(kind) => {
            vec![
                (DATE, "", "a table"),
                ("{ x = 1979-05-27 }", ".x", kind.expected),
            ]
        }
        Form::Table(_) | Form::Named(_) => vec![(DATE, "", "a table")],
        Form::Tables(_) => vec![(DATE, "", "a list")],
    }
}

/// A key that is in the list and not read would be accepted and have no effect; one that is read
/// as something else would be explained wrongly.
#[test]
fn every_known_key_is_read_as_what_it_is_said_to_be() {
    for Opened {
        keys,
        header,
        prefix,
    } in tables()
    {
        for key in keys.keys {
            for (value, part, expected) in wrongly_typed(key) {
                let want = format!(
                    " {prefix}{}{part}: expected {expected}, found a date",
                    key.name
                );
                let got = problems(&format!("{header}\n{} = {value}\n", key.name));
                let start = format!("t:{}:", line_below(&header));
                let found = got
                    .iter()
                    .any(|line| line.starts_with(&start) && line.contains(&want));
                assert!(found, "{want}\n{got:#?}");
            }
        }
    }
}

/// The value of a key that consists of this.
fn whole(form: Form, value: &str) -> (String, &'static str) {
    match form {
        Form::List(_) | Form::Words(_) => (format!("[{value}]"), "[0]"),
        Form::Values(_) => (format!("{{ sessionId = {value} }}"), ".sessionId"),
        _ => (value.to_owned(), ""),
    }
}

#[test]
fn examples_of_values_are_taken_or_refused_as_the_reference_says() {
    for Opened {
        keys,
        header,
        prefix,
    } in tables()
    {
        for key in keys.keys {
            let (Form::One(kind) | Form::List(kind) | Form::Values(kind)) = key.form else {
                continue;
            };
            let Kind {
                good,
                bad: (bad, why),
                ..
            } = kind;
            for value in *good {
                let (value, part) = whole(key.form, value);
                let got = problems(&format!("{header}\n{} = {value}\n", key.name));
                let place = format!(" {prefix}{}{part}: ", key.name);
                // That it does not go with the rest of the table is nothing against the value.
                let is_refused =
                    |line: &String| line.contains(&place) && !line.contains(": is about ");
                assert!(!got.iter().any(is_refused), "{value}: {got:#?}");
            }
            let (value, part) = whole(key.form, bad);
            let want = format!(" {prefix}{}{part}: {why}", key.name);
            let got = problems(&format!(
                "{}\n{} = {value}\n",
                with_required(&header),
                key.name
            ));
            assert!(
                got.iter().any(|line| line.contains(&want)),
                "{want}\n{got:#?}"
            );
        }
    }
}

/// What is said of some values in a route needs a whole route around them.
fn with_required(header: &str) -> String {
    const ROUTE: &str = "[upstreams.a]\nservers = [\"http://a\"]\n[[routes]]\npath = \"/\"\n\
                         policy = \"open\"\nupstream = \"a\"\n[";
    header.replace("[[routes]]\n[", ROUTE)
}

#[test]
fn every_word_of_a_choice_is_taken() {
    for Opened {
        keys,
        header,
        prefix,
    } in tables()
    {
        for key in keys.keys {
            let (Form::Word(words) | Form::Words(words)) = key.form else {
                continue;
            };
            let check = |word: &str| {
                let (value, part) = whole(key.form, &format!("\"{word}\""));
                let got = problems(&format!("{header}\n{} = {value}\n", key.name));
                got.into_iter()
                    .find(|line| line.contains(&format!(" {prefix}{}{part}: unknown ", key.name)))
            };
            assert_eq!(words().into_iter().find_map(check), None);
            let known: Vec<String> = words().iter().map(|word| format!("\"{word}\"")).collect();
            let want = format!("known: {}", known.join(", "));
            assert!(
                check("zzzzzz").is_some_and(|line| line.contains(&want)),
                "{want}"
            );
        }
    }
}

/// A whole configuration with every table but those that are for another target.
fn base(target: &str) -> String {
    let of_upstreams = if target.starts_with("upstream") {
        "[routes.timeouts]\n"
    } else {
        ""
    };
    format!(
        "[listen]\nhttps = [\"[::]:443\"]\n[log]\n[limits]\n[tls]\n[[tls.certificates]]\n\
         cert = \"a\"\n\
         [[passthrough]]\nsni = \"a\"\nto = \"a:1\"\n[upstreams.a]\nservers = [\"http://a\"]\n\
         [upstreams.a.health]\n\
         [issuers.a]\nalgorithms = [\"ES256\"]\nkey_file = \"k\"\naudience = \"a\"\n\
         [turn.a]\nsecret = \"s\"\nuris = [\"turn:a\"]\n\
         [acme]\n[[acme.certificates]]\nhosts = [\"a\"]\n\
         [[deploy]]\nhost = \"a\"\nto = \"files\"\ncert = \"c\"\n\
         [defaults.cors]\norigins = [\"https://a\"]\n[defaults.timeouts]\n[reload]\n\
         [policies.a]\nissuers = [\"a\"]\nsatisfy = \"any\"\n\
         [policies.a.forward_auth]\nurl = \"http://a/b\"\n\
         [[routes]]\npath = \"/\"\npolicy = \"a\"\n{target}\n\
         [routes.headers]\n[routes.headers.response]\n[routes.cors]\norigins = [\"https://a\"]\n\
         {of_upstreams}"
    )
}

fn debug(text: &str) -> Result<String, Report> {
    parse(Path::new("t"), text).map(|loaded| format!("{:?}", loaded.config))
}

/// Writing the default that the reference names changes nothing.
#[test]
fn defaults_are_what_they_are_said_to_be() {
    let targets = [
        "upstream = \"a\"",
        "files = \"a\"",
        "redirect = \"https://a/\"",
    ];
    for Opened {
        keys,
        header,
        prefix,
    } in tables()
    {
        let opening = header.lines().last().unwrap_or_default();
        for key in keys.keys {
            let (Unset::Is(value) | Unset::Usually(value)) = key.unset else {
                continue;
            };
            let mut taken = 0;
            for base in targets.map(base) {
                let written = base.replacen(
                    opening,
                    &format!("{opening}\n{} = {}", key.name, value()),
                    1,
                );
                let Ok(got) = debug(&written) else { continue };
                assert_eq!(got, debug(&base).unwrap(), "{prefix}{}", key.name);
                taken += usize::from(written != base);
            }
            assert!(
                taken > 0,
                "{prefix}{} = {} is not taken; does base() have its table?",
                key.name,
                value()
            );
        }
    }
}

#[test]
fn every_text_is_there() {
    for Opened { keys, prefix, .. } in tables() {
        for key in keys.keys {
            let text = key.form.keys().map_or(key.text, |inner| inner.about);
            assert!(
                text.trim_end().ends_with('.'),
                "{prefix}{}: {text:?}",
                key.name
            );
        }
    }
}

/// Adds the path of every key that is written.
fn written(keys: &Keys, value: &DeValue<'_>, path: &str, all: &mut Vec<String>) {
    for (name, value) in value.as_table().into_iter().flatten() {
        let path = format!("{path}{}", name.get_ref());
        if let Some(key) = keys.keys.iter().find(|key| key.name == name.get_ref()) {
            let inner: Vec<&DeValue<'_>> = match (key.form, value.get_ref()) {
                (Form::Tables(_), DeValue::Array(list)) => {
                    list.iter().map(|value| value.get_ref()).collect()
                }
                (Form::Named(_), DeValue::Table(named)) => {
                    named.values().map(|value| value.get_ref()).collect()
                }
                (_, value) => vec![value],
            };
            for value in inner {
                key.form
                    .keys()
                    .into_iter()
                    .for_each(|keys| written(keys, value, &format!("{path}."), all));
            }
        }
        all.push(path);
    }
}

/// Every key that there is, as `written` has it.
fn known(keys: &Keys, path: &str, all: &mut Vec<String>) {
    for key in keys.keys {
        let path = format!("{path}{}", key.name);
        key.form
            .keys()
            .into_iter()
            .for_each(|keys| known(keys, &format!("{path}."), all));
        all.push(path);
    }
}

#[test]
fn the_annotated_example_has_every_key() {
    let text = include_str!("../../../docs/gateway.toml");
    let (mut there, mut all) = (Vec::new(), Vec::new());
    let document = DeTable::parse(text).unwrap();
    written(
        Raw::KEYS,
        &DeValue::Table(document.into_inner()),
        "",
        &mut there,
    );
    known(Raw::KEYS, "", &mut all);
    // A file has one external account, whose key comes from one place; `pin` excludes `ca_file`.
    let others = [
        "acme.external_account.key_env",
        "acme.external_account.key",
        "upstreams.pin",
    ];
    all.retain(|key| !there.contains(key) && !others.contains(&key.as_str()));
    // What routes have too is shown there.
    all.retain(|key| {
        !["defaults.cors.", "defaults.timeouts."]
            .iter()
            .any(|of| key.starts_with(of))
    });
    assert_eq!(all, [""; 0]);
}
