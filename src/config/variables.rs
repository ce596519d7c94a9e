//! Variables of the environment in the strings of a configuration: `"http://${JANUS_HOST}:8088"`.
//!
//! Only `${` begins one, so a `$` in a password, a path or a regular expression is a `$`. `$${` is
//! the text `${`, as in Terraform. A value is put in as it is: it is not parsed as TOML, and `${`
//! in it begins no other variable.

use std::ffi::OsString;

use toml::Spanned as Node;
use toml::de::{DeTable, DeValue};

use super::problem::{Finding, Kind, Place, quoted};

/// Finds the value of a variable.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

/// The environment of this process.
pub(super) fn of_process(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// All values together are no longer than this, whatever variables have and however often they are
/// named.
const LONGEST: usize = 1 << 20;

/// Puts variables into the values of a document.
pub(super) struct Variables<'e> {
    environment: Environment<'e>,
    left: usize,
    /// Variables that are not there, and texts that are no variables.
    pub(super) findings: Vec<Finding>,
    /// The position of each value with variables in it, and their names.
    pub(super) used: Vec<(usize, Vec<String>)>,
}

impl<'e> Variables<'e> {
    /// Nothing is replaced yet.
    pub(super) fn new(environment: Environment<'e>) -> Self {
        Self {
            environment,
            left: LONGEST,
            findings: Vec::new(),
            used: Vec::new(),
        }
    }

    /// Replaces the variables in every string value. Keys are as they are written.
    pub(super) fn replace(&mut self, document: &mut DeTable<'_>) {
        self.table(document, None);
    }

    fn table(&mut self, table: &mut DeTable<'_>, above: Option<&Way<'_>>) {
        for (key, value) in table.iter_mut() {
            let step = Step::Key(key.get_ref());
            self.value(value, above, step);
        }
    }

    fn value(&mut self, value: &mut Node<DeValue<'_>>, above: Option<&Way<'_>>, step: Step<'_>) {
        let at = value.span().start;
        let way = Way { above, step, at };
        match value.get_mut() {
            DeValue::Table(table) => self.table(table, Some(&way)),
            DeValue::Array(list) => {
                for (index, value) in list.iter_mut().enumerate() {
                    self.value(value, Some(&way), Step::Index(index));
                }
            }
            DeValue::String(text) => match expand(text, self.environment) {
                Ok(None) => {}
                Ok(Some(expanded)) if expanded.text.len() <= self.left => {
                    self.left -= expanded.text.len();
                    self.used.push((at, expanded.names));
                    *text = expanded.text.into();
                }
                Ok(Some(_)) => {
                    let most = LONGEST >> 10;
                    let text = format!("makes the values with variables longer than {most} KiB");
                    self.note(&way, text);
                }
                Err(text) => self.note(&way, text),
            },
            _ => {}
        }
    }

    fn note(&mut self, way: &Way<'_>, text: String) {
        self.findings.push(Finding {
            kind: Kind::Variable,
            place: way.place(),
            text,
        });
    }
}

/// The way to a value. Its place is made only where there is something to say.
struct Way<'w> {
    above: Option<&'w Way<'w>>,
    step: Step<'w>,
    at: usize,
}

enum Step<'s> {
    Key(&'s str),
    Index(usize),
}

impl Way<'_> {
    fn place(&self) -> Place {
        let above = self.above.map_or_else(Place::root, Way::place);
        match self.step {
            Step::Key(key) => above.key(key, self.at),
            Step::Index(index) => above.index(index, self.at),
        }
    }
}

/// A text with its variables replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// The variables, in their order. Empty for a text that has only `$${`.
    pub(super) names: Vec<String>,
}

/// Replaces the variables in a text; `None` if there is no `${`.
///
/// # Errors
/// What is wrong with a variable. The text is not cited, since it may be a secret.
pub(super) fn expand(text: &str, environment: Environment<'_>) -> Result<Option<Expanded>, String> {
    // Nearly all values have none, and one byte is found faster than two.
    if !text.contains('$') {
        return Ok(None);
    }
    let (mut done, mut rest) = (String::new(), text);
    let mut names = Vec::new();
    while let Some(at) = rest.find("${") {
        let (before, variable) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            done.push_str(before);
            done.push_str("${");
            rest = &variable[2..];
            continue;
        }
        done.push_str(before);
        let (name, default, behind) = split(&variable[2..])?;
        done.push_str(&value(name, default, environment)?);
        names.push(name.to_owned());
        rest = behind;
    }
    if rest.len() == text.len() {
        return Ok(None);
    }
    done.push_str(rest);
    Ok(Some(Expanded { text: done, names }))
}

/// The name, the default, and what stands behind the closing bracket.
fn split(text: &str) -> Result<(&str, Option<&str>, &str), String> {
    const LITERAL: &str = "for the text itself, write \"$${\"";
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, rest) = text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len()));
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "\"${{\" begins a variable of the environment, whose name has letters, digits and \
             \"_\": ${{NAME}}; {LITERAL}"
        ));
    }
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((name, None, rest));
    }
    let Some(rest) = rest.strip_prefix(":-") else {
        let text = format!("behind \"${{{name}\" stands neither \"}}\" nor \":-\" and a default");
        return Err(format!("{text}; {LITERAL}"));
    };
    let Some((default, rest)) = rest.split_once('}') else {
        return Err(format!(
            "\"${{{name}:-\" is not closed by \"}}\"; {LITERAL}"
        ));
    };
    if default.contains("${") {
        return Err(format!(
            "the default of ${{{name}}} has a variable in it; write the default itself"
        ));
    }
    Ok((name, Some(default), rest))
}

fn value(
    name: &str,
    default: Option<&str>,
    environment: Environment<'_>,
) -> Result<String, String> {
    let found = environment(name);
    if let (Some(default), true) = (default, found.as_ref().is_none_or(|it| it.is_empty())) {
        return Ok(default.to_owned());
    }
    let shown = shown(name);
    let Some(found) = found else {
        return Err(format!(
            "the environment has no {shown}; set it, or write a default, ${{{shown}:-…}}"
        ));
    };
    let is_text = found.into_string();
    is_text.map_err(|_| format!("the value of {shown} in the environment is not UTF-8"))
}

/// The name, on one line and not without end.
fn shown(name: &str) -> String {
    const LONGEST: usize = 80;
    match name.len() > LONGEST {
        true => quoted(name),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn environment(name: &str) -> Option<OsString> {
        Some(match name {
            "HOST" => "10.0.0.7".into(),
            "_a1" => "${HOST}\"\n".into(),
            "EMPTY" => "".into(),
            "BYTES" => OsString::from_vec(vec![0xff]),
            _ => return None,
        })
    }

    #[test]
    fn variables_are_replaced_once_and_other_dollars_stay() {
        for (text, want) in [
            ("${HOST}", "10.0.0.7"),
            (
                "http://${HOST}:8088/${HOST}",
                "http://10.0.0.7:8088/10.0.0.7",
            ),
            ("${_a1}x", "${HOST}\"\nx"),
            ("${EMPTY}", ""),
            ("${EMPTY:-x}", "x"),
            ("${NO:-}", ""),
            ("${NO:-a:-b $ {c}", "a:-b $ {c"),
            ("${HOST:-x}", "10.0.0.7"),
            ("$${HOST}", "${HOST}"),
            ("a$$${HOST}$${", "a$${HOST}${"),
        ] {
            let got = expand(text, &environment).unwrap().unwrap();
            assert_eq!(got.text, want, "{text}");
        }
        for text in [
            "", "$", "$$", "a$HOST", "$1", "^/x$", "pa$$word", "{$}", "%{x}", "$ {x}",
        ] {
            assert_eq!(expand(text, &environment), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_variable_is_a_problem() {
        for (text, want) in [
            ("${", "begins a variable"),
            ("x${}", "begins a variable"),
            ("${1}", "begins a variable"),
            ("${-}", "begins a variable"),
            ("${A", "behind \"${A\" stands neither"),
            ("${A-b}", "behind \"${A\" stands neither"),
            ("${A:b}", "behind \"${A\" stands neither"),
            ("${A:?b}", "behind \"${A\" stands neither"),
            ("${ä}", "begins a variable"),
            ("${A:-b", "is not closed"),
            ("${A:-${HOST}}", "the default of ${A} has a variable"),
            (
                "${NO}",
                "the environment has no NO; set it, or write a default, ${NO:-…}",
            ),
            (
                "${BYTES}",
                "the value of BYTES in the environment is not UTF-8",
            ),
        ] {
            let why = expand(text, &environment).unwrap_err();
            assert!(why.contains(want), "{text}: {why}");
        }
    }
}
