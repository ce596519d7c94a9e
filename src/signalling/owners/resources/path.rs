//! How resources are named.

/// A path at the server, with its query.
#[derive(Clone, Copy, Debug)]
pub struct ResourcePath<'t> {
    /// In its one spelling.
    pub path: &'t str,
    /// Some servers name resources by it.
    pub query: Option<&'t str>,
}

impl ResourcePath<'_> {
    /// As it is written.
    pub(super) fn spelling(self) -> String {
        match self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_owned(),
        }
    }

    /// The path by which a resource is known.
    pub(super) fn canonical_path(self) -> String {
        let lower = self.path.to_ascii_lowercase();
        let without = |segment: &str| {
            let end = segment.find(';').into_iter().chain(segment.find("%3b"));
            let end = end.min().unwrap_or(segment.len());
            segment[..end].to_owned()
        };
        let mut path = match lower.contains([';', '%']) {
            true => lower.split('/').map(without).collect::<Vec<_>>().join("/"),
            false => lower,
        };
        path.truncate(path.trim_end_matches('/').len());
        path
    }
}

/// The name of a resource whose query the server has written.
pub(super) fn with_query(path: &str, query: &str) -> String {
    format!("{path}?{}", query.to_ascii_lowercase())
}
