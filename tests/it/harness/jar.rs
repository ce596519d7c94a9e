//! The cookies of the gateway's own name that a browser keeps, by path.

use std::collections::BTreeMap;

use super::message::Head;

/// Path and value.
#[derive(Debug, Default)]
pub(crate) struct Jar(BTreeMap<String, String>);

impl Jar {
    /// Keeps and forgets what an answer says.
    pub(crate) fn take(&mut self, answer: &Head) {
        for cookie in answer.all("set-cookie") {
            let mut parts = cookie.split("; ");
            let value = parts.next().unwrap().strip_prefix("ianitor=").unwrap();
            let parts: Vec<&str> = parts.collect();
            let path = parts
                .iter()
                .find_map(|part| part.strip_prefix("Path="))
                .unwrap();
            match parts.contains(&"Max-Age=0") {
                true => self.0.remove(path),
                false => self.0.insert(path.to_owned(), value.to_owned()),
            };
        }
    }

    /// The header line for a request's target (RFC 6265, section 5.1.4), or nothing.
    pub(crate) fn line(&self, target: &str) -> String {
        let goes = |path: &str| {
            target
                .strip_prefix(path)
                .is_some_and(|rest| path.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
        };
        let sent: Vec<String> = self
            .0
            .iter()
            .filter(|(path, _)| goes(path))
            .map(|(_, value)| format!("ianitor={value}"))
            .collect();
        if sent.is_empty() {
            String::new()
        } else {
            format!("Cookie: {}\r\n", sent.join("; "))
        }
    }

    /// Whether a value is kept anywhere.
    pub(crate) fn has(&self, value: &str) -> bool {
        self.0.values().any(|kept| kept == value)
    }
}
