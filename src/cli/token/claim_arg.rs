//! `--claim NAME=VALUE`, where the name may be a path.

use serde_json::{Map, Value};

/// Readers of JSON stop at 128 levels.
const DEEPEST: usize = 64;

/// A claim on the command line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ClaimArg {
    /// The names of the objects that it is in, the outermost first.
    parents: Vec<String>,
    name: String,
    value: Value,
}

impl ClaimArg {
    /// Reads `NAME=VALUE`.
    ///
    /// # Errors
    /// What to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (path, value) = text.split_once('=').ok_or("a claim is NAME=VALUE")?;
        let mut parents = names(path);
        let name = parents.pop().unwrap_or_default();
        if name.is_empty() || parents.iter().any(String::is_empty) {
            return Err(format!(
                "\"{path}\" has an empty name; a.b is the member b of the object a, and a dot that \
                 belongs to a name is written \\."
            ));
        }
        if parents.len() > DEEPEST {
            return Err(format!(
                "a claim can be in at most {DEEPEST} objects; this one is in {}",
                parents.len()
            ));
        }
        let value = match serde_json::from_str(value) {
            Ok(value) => value,
            // Hardly meant as text: a bracket or a quotation mark that is not closed.
            Err(error) if value.starts_with(['[', '{', '"']) => {
                return Err(format!(
                    "the value of {path} begins as JSON does, and is none: {error}; close it, or \
                     write a text in quotes, with \\\" for a quotation mark in it"
                ));
            }
            Err(_) => Value::String(value.to_owned()),
        };
        Ok(Self {
            parents,
            name,
            value,
        })
    }

    /// Adds it to the claims of a token. A claim of the same name is replaced.
    ///
    /// # Errors
    /// If one of the objects that it is to be in is something else.
    pub(super) fn add_to(&self, claims: &mut Map<String, Value>) -> Result<(), String> {
        let mut members = claims;
        for parent in &self.parents {
            let inner = members
                .entry(parent)
                .or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else {
                let name = &self.name;
                return Err(format!(
                    "\"{parent}\" is {inner}, which cannot have a member \"{name}\"; if the dot \
                     belongs to the name, write \\."
                ));
            };
            members = inner;
        }
        members.insert(self.name.clone(), self.value.clone());
        Ok(())
    }
}

/// The names of a path. A backslash makes the dot or backslash after it a part of the name.
fn names(path: &str) -> Vec<String> {
    let (mut names, mut name) = (Vec::new(), String::new());
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => name.push(
                letters
                    .next_if(|next| matches!(next, '.' | '\\'))
                    .unwrap_or('\\'),
            ),
            '.' => names.push(std::mem::take(&mut name)),
            _ => name.push(letter),
        }
    }
    names.push(name);
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(arguments: &[&str]) -> Result<Value, String> {
        let mut claims = Map::new();
        for argument in arguments {
            ClaimArg::parse(argument)?.add_to(&mut claims)?;
        }
        Ok(Value::Object(claims))
    }

    #[test]
    fn a_claim_is_not_deeper_than_readers_of_json_go() {
        let deep = |parents: usize| format!("{}x=1", "a.".repeat(parents));
        assert!(ClaimArg::parse(&deep(DEEPEST)).is_ok());
        for parents in [DEEPEST + 1, 20_000] {
            let error = ClaimArg::parse(&deep(parents)).unwrap_err();
            assert!(error.contains("at most 64 objects"), "{error}");
        }
    }

    #[test]
    fn a_path_names_a_member_of_an_object() {
        for (arguments, want) in [
            (&["role=ops"][..], json!({ "role": "ops" })),
            (&["n=1", "n=[2]"], json!({ "n": [2] })),
            (
                &["a.b=x", "a.c.d=true"],
                json!({ "a": { "b": "x", "c": { "d": true } } }),
            ),
            (
                &[r#"a={"b":1}"#, "a.c=2"],
                json!({ "a": { "b": 1, "c": 2 } }),
            ),
            (
                &[r"https://example\.com/role=ops"],
                json!({ "https://example.com/role": "ops" }),
            ),
            (
                &[r"a\.b.c\\.d=x"],
                json!({ "a.b": { "c\\": { "d": "x" } } }),
            ),
            (&[r"a\b=x=y"], json!({ "a\\b": "x=y" })),
        ] {
            assert_eq!(claims(arguments).unwrap(), want, "{arguments:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_path_is_an_error() {
        for (arguments, why) in [
            (&["role"][..], "NAME=VALUE"),
            (&["=x"], "empty name"),
            (&["rooms=[1234"], "the value of rooms begins as JSON does"),
            (&["a.b={"], "the value of a.b begins as JSON does"),
            (&["name=\"ada"], "begins as JSON does"),
            (&["a..b=x"], "empty name"),
            (&[".a=x"], "empty name"),
            (&["a.=x"], "empty name"),
            (
                &["a=1", "a.b=x"],
                "\"a\" is 1, which cannot have a member \"b\"",
            ),
        ] {
            let error = claims(arguments).unwrap_err();
            assert!(error.contains(why), "{arguments:?}: {error}");
        }
    }
}
