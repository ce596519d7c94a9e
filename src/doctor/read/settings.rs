//! Files of lines: `turnserver.conf`, `*.conf.ini` of Kurento, `renewal/*.conf` of certbot.

use std::sync::Arc;

use super::cursor::Cursor;
use crate::doctor::place::Place;

/// A line that sets something.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The `[section]` that it is in; empty before the first.
    pub section: String,
    /// The name.
    pub name: String,
    /// The value; empty for a name alone.
    pub value: String,
    /// Of the name.
    pub place: Place,
}

/// A file of settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub file: Arc<str>,
    /// In the order of the file.
    pub all: Vec<Setting>,
}

impl Settings {
    /// Every setting of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Setting> {
        self.all.iter().filter(move |setting| setting.name == name)
    }

    /// The setting of a name that holds: the last.
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a Setting> {
        self.all(name).last()
    }

    /// Where the file begins.
    pub fn start(&self) -> Place {
        Place::start_of(&self.file)
    }

    /// Whether an option without an argument is on.
    pub fn is_on(&self, name: &str) -> bool {
        let off = ["0", "false", "off", "no", "f", "n"];
        self.get(name)
            .is_some_and(|setting| !off.contains(&setting.value.to_ascii_lowercase().as_str()))
    }
}

/// `turnserver.conf`: `name=value` or `name value`, `#` begins a comment line, and no sections.
pub fn turnserver(file: &Arc<str>, text: &str) -> Settings {
    let lines = lines(file, text, &['#']);
    let all = lines.filter_map(|(place, line)| {
        let end = line.find(|c: char| c == '=' || c.is_whitespace());
        let (name, value) = line.split_at(end.unwrap_or(line.len()));
        let value = value.trim_start_matches(|c: char| c == '=' || c.is_whitespace());
        (!name.is_empty()).then(|| setting("", name, value, place))
    });
    Settings {
        file: file.clone(),
        all: all.collect(),
    }
}

/// An INI file: `[section]`, `name = value`, comments with `;` or `#`.
pub fn ini(file: &Arc<str>, text: &str) -> Settings {
    let (mut section, mut all) = (String::new(), Vec::new());
    for (place, line) in lines(file, text, &['#', ';']) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']', ' ', '\t']).to_owned();
        } else if let Some((name, value)) = line.split_once('=') {
            all.push(setting(&section, name.trim(), value.trim(), place));
        }
    }
    Settings {
        file: file.clone(),
        all,
    }
}

fn setting(section: &str, name: &str, value: &str, place: Place) -> Setting {
    let value = value.trim();
    let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    Setting {
        section: section.to_owned(),
        name: name.to_owned(),
        value: quoted.unwrap_or(value).to_owned(),
        place,
    }
}

/// Lines that are neither empty nor comments, without white space around them.
fn lines<'a>(
    file: &'a Arc<str>,
    text: &'a str,
    comments: &'a [char],
) -> impl Iterator<Item = (Place, &'a str)> {
    let mut cursor = Cursor::new(file, text);
    std::iter::from_fn(move || {
        loop {
            cursor.skip_space();
            let place = cursor.place();
            let line = cursor.take_line().trim_end();
            if line.is_empty() {
                return None;
            }
            if !line.starts_with(comments) {
                return Some((place, line));
            }
        }
    })
}
