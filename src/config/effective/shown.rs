//! The result as TOML with comments, and as JSON.

use serde_json::{Value as Json, json};

use super::{Effective, Entry, Origin, Shown};

/// Comments are in a column of their own, unless values are longer than this.
const WIDEST: usize = 48;

impl Effective {
    /// As TOML: each value on a line, with a comment where it is from. Secrets are comments.
    pub fn toml(&self) -> String {
        let mut out = String::new();
        for table in self
            .entries
            .chunk_by(|_, next| matches!(next, Entry::Key { .. }))
        {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&table_as_toml(table));
        }
        out
    }

    /// As JSON: a list of keys, each with `value`, or `secret` in its place, and with `from`.
    pub fn json(&self) -> Json {
        self.entries.iter().filter_map(as_json).collect()
    }
}

fn table_as_toml(entries: &[Entry]) -> String {
    let lines: Vec<(String, String)> = entries.iter().map(line).collect();
    let widths = lines.iter().filter(|(_, comment)| !comment.is_empty());
    let widths = widths.map(|(text, _)| text.chars().count());
    let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    let shown = lines.iter().map(|(text, comment)| match &**comment {
        "" => format!("{text}\n"),
        comment => format!("{text:width$}  # {comment}\n"),
    });
    shown.collect()
}

/// A line and its comment.
fn line(entry: &Entry) -> (String, String) {
    match entry {
        Entry::Header(text) => (text.clone(), String::new()),
        Entry::Key {
            name, shown, from, ..
        } => match shown {
            Shown::Secret => (format!("# {name} is left out"), from.comment()),
            Shown::Value { toml, left_out, .. } => {
                let mut comment = from.comment();
                if !left_out.is_empty() {
                    comment += &format!("; {:?} is left out", left_out.join(", "));
                }
                (format!("{name} = {toml}"), comment)
            }
        },
    }
}

fn as_json(entry: &Entry) -> Option<Json> {
    let Entry::Key {
        path, shown, from, ..
    } = entry
    else {
        return None;
    };
    let mut member = json!({ "key": path, "from": from.json() });
    match shown {
        Shown::Secret => member["secret"] = Json::Bool(true),
        Shown::Value { json, left_out, .. } => {
            member["value"] = json.clone();
            if !left_out.is_empty() {
                member["left_out"] = json!(left_out);
            }
        }
    }
    Some(member)
}

impl Origin {
    fn comment(&self) -> String {
        let Self::File {
            place,
            variables,
            is_inherited,
        } = self
        else {
            return "default".to_owned();
        };
        let mut text = place.clone();
        if *is_inherited {
            text += ", [defaults]";
        }
        if !variables.is_empty() {
            text += &format!(", environment {}", variables.join(", "));
        }
        text
    }

    fn json(&self) -> Json {
        match self {
            Self::Default => json!("default"),
            Self::File {
                place,
                variables,
                is_inherited,
            } => json!({
                "place": place,
                "environment": variables,
                "inherited": is_inherited,
            }),
        }
    }
}
