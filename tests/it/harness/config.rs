//! `gateway.toml` as a story needs it.

use std::fmt::Write as _;

use super::Upstream;

/// A configuration in the making.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    listen: String,
    log: String,
    limits: String,
    tls: String,
    tables: String,
}

impl Config {
    /// Free ports of loopback, a certificate for `localhost`, no route yet.
    pub(crate) fn new() -> Self {
        Self {
            listen: "https = [\"127.0.0.1:0\"]\nworkers = 2".to_owned(),
            log: String::new(),
            limits: String::new(),
            tls: "self_signed = [\"localhost\"]".to_owned(),
            tables: String::new(),
        }
    }

    /// Everything goes to one upstream, called `app`.
    pub(crate) fn to(upstream: &Upstream) -> Self {
        Self::new()
            .upstream("app", &upstream.url())
            .route("/", "app")
    }

    /// Lines of `[listen]`, in place of the ones there were.
    pub(crate) fn listen(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.listen);
        self
    }

    /// Lines of `[log]`.
    pub(crate) fn log(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.log);
        self
    }

    /// Lines of `[limits]`.
    pub(crate) fn limits(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.limits);
        self
    }

    /// Lines of `[tls]`, in place of the ones there were.
    pub(crate) fn tls(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.tls);
        self
    }

    /// One more upstream.
    pub(crate) fn upstream(mut self, name: &str, url: &str) -> Self {
        let _ = write!(self.tables, "\n[upstreams.{name}]\nservers = [\"{url}\"]\n");
        self
    }

    /// One more policy, with an allow list.
    pub(crate) fn policy(mut self, name: &str, networks: &str) -> Self {
        let _ = write!(self.tables, "\n[policies.{name}]\nallow = [{networks}]\n");
        self
    }

    /// One more route, open to everybody.
    pub(crate) fn route(self, path: &str, upstream: &str) -> Self {
        self.route_with(path, upstream, "policy = \"open\"")
    }

    /// One more route with lines of its own, its policy among them.
    pub(crate) fn route_with(mut self, path: &str, upstream: &str, lines: &str) -> Self {
        let _ = write!(
            self.tables,
            "\n[[routes]]\npath = \"{path}\"\nupstream = \"{upstream}\"\n{lines}\n"
        );
        self
    }

    /// Any more tables.
    pub(crate) fn table(mut self, text: &str) -> Self {
        let _ = write!(self.tables, "\n{text}\n");
        self
    }

    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let Self {
            listen,
            log,
            limits,
            tls,
            tables,
        } = self;
        format!("[listen]\n{listen}\n[log]\n{log}\n[limits]\n{limits}\n[tls]\n{tls}\n{tables}")
    }
}
