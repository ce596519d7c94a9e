//! The names by which resources are known, and what a request asks for.

/// A path at the server, with its query.
#[derive(Clone, Copy, Debug)]
pub struct ResourcePath<'t> {
    /// In its one spelling.
    pub path: &'t str,
    /// Some servers name resources by it.
    pub query: Option<&'t str>,
}

impl ResourcePath<'_> {
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

/// What a request asks for.
pub(super) struct Asked<'t> {
    /// As it is written.
    pub(super) spelling: &'t str,
    pub(super) path: String,
    pub(super) parameters: Parameters,
    /// In lower case.
    pub(super) folded: Parameters,
    /// What may be the longest parameter of a resource.
    pub(super) keys: Vec<Option<Parameter>>,
}

impl<'t> Asked<'t> {
    pub(super) fn new(target: ResourcePath<'t>) -> Self {
        let path = target.canonical_path();
        let parameters = Parameters::parse(target.query);
        let folded = parameters.folded();
        Self {
            spelling: target.path,
            keys: folded.0.iter().cloned().map(Some).collect(),
            path,
            parameters,
            folded,
        }
    }
}

/// A parameter of a query: its name and its value.
pub(super) type Parameter = (String, String);

/// The parameters of a query, decoded and sorted, each once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters(Vec<Parameter>);

impl Parameters {
    pub(super) fn parse(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default().as_bytes();
        Self::sorted(form_urlencoded::parse(query).into_owned().collect())
    }

    /// Each with its name.
    pub(super) fn pairs(&self) -> &[Parameter] {
        &self.0
    }

    pub(super) fn sorted(mut all: Vec<Parameter>) -> Self {
        all.sort();
        all.dedup();
        Self(all)
    }

    /// Whether the others are among these.
    pub(super) fn have(&self, others: &Self) -> bool {
        let is_here = |other| self.0.binary_search(other).is_ok();
        others.0.iter().all(is_here)
    }

    /// The same in lower case: some servers do not compare it.
    pub(super) fn folded(&self) -> Self {
        let lower =
            |(key, value): &Parameter| (key.to_ascii_lowercase(), value.to_ascii_lowercase());
        Self::sorted(self.0.iter().map(lower).collect())
    }

    /// The longest one, in lower case: it seldom belongs to several resources.
    pub(super) fn longest(&self) -> Option<Parameter> {
        let Self(all) = self.folded();
        all.into_iter().max_by_key(|(_, value)| value.len())
    }
}
