//! The proxy that the environment names for `https` URLs, as curl and other programs read it.

use std::env;
use std::fmt;
use std::net::IpAddr;

use http::header::HeaderValue;
use http::uri::{Scheme, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

/// The variables, each with its other spelling.
const PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy, and which URLs it is for.
pub(super) struct Proxy {
    /// The variable that names it.
    pub(super) variable: &'static str,
    /// `None` if the value is not the URL of an HTTP proxy.
    found: Option<Intercept>,
    /// Matches every URL that is not an exception, whatever the proxy is.
    matcher: Matcher,
}

impl Proxy {
    /// The proxy that the environment names, if it names one.
    pub(super) fn from_environment() -> Option<Self> {
        Self::from(|name| {
            let value = env::var_os(name)?;
            Some(value.to_string_lossy().into_owned())
        })
    }

    fn from(value_of: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let first = |names: [&'static str; 2]| {
            let mut values = names.into_iter().filter_map(|name| {
                let value = value_of(name)?.trim().to_owned();
                (!value.is_empty()).then_some((name, value))
            });
            values.next()
        };
        let (variable, value) = first(PROXY)?;
        let exceptions = first(EXCEPTIONS).map(|(_, value)| value);
        let any = Matcher::builder().https("http://proxy.invalid");
        Some(Self {
            variable,
            found: parse(&value),
            matcher: any.no(exceptions.unwrap_or_default()).build(),
        })
    }

    /// Whether requests for this URL go through it. No proxy leads to this very machine.
    pub(super) fn is_for(&self, url: &Uri) -> bool {
        let is_here = url.host().is_none_or(|host| {
            let address = host.trim_start_matches('[').trim_end_matches(']').parse();
            host.eq_ignore_ascii_case("localhost")
                || address.is_ok_and(|ip: IpAddr| ip.is_loopback())
        });
        !is_here && self.matcher.intercept(url).is_some()
    }

    /// Its URL, without a user and password.
    pub(super) fn url(&self) -> Option<Uri> {
        self.found.as_ref().map(|found| found.uri().clone())
    }

    /// The value of `Proxy-Authorization`, if the URL has a user and password.
    pub(super) fn auth(&self) -> Option<HeaderValue> {
        self.found.as_ref()?.basic_auth().cloned()
    }
}

/// The URL of a proxy; `http` where it has no scheme.
fn parse(value: &str) -> Option<Intercept> {
    let matcher = Matcher::builder().https(value).build();
    let found = matcher.intercept(&Uri::from_static("https://server.invalid/"))?;
    let scheme = found.uri().scheme();
    (scheme == Some(&Scheme::HTTP) || scheme == Some(&Scheme::HTTPS)).then_some(found)
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.url() {
            Some(url) => write!(f, "{url} ({})", self.variable),
            None => f.write_str(self.variable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(variables: &[(&str, &str)]) -> Option<Proxy> {
        Proxy::from(|name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some((*value).to_owned())
        })
    }

    #[test]
    fn the_environment_names_a_proxy_as_it_does_for_other_programs() {
        for (variables, want) in [
            (
                &[("HTTPS_PROXY", "http://proxy:3128")][..],
                "http://proxy:3128/ (HTTPS_PROXY)",
            ),
            (
                &[("https_proxy", "proxy:3128")],
                "http://proxy:3128/ (https_proxy)",
            ),
            (
                &[("HTTPS_PROXY", " "), ("https_proxy", "https://p")],
                "https://p/ (https_proxy)",
            ),
            (
                &[("HTTPS_PROXY", "http://user:secret@p:1/x")],
                "http://p:1/ (HTTPS_PROXY)",
            ),
            (&[("HTTPS_PROXY", "socks5://p:1")], "HTTPS_PROXY"),
            (&[("HTTPS_PROXY", "http://")], "HTTPS_PROXY"),
        ] {
            assert_eq!(proxy(variables).unwrap().to_string(), want);
        }
        for variables in [
            &[][..],
            &[("HTTPS_PROXY", "")],
            &[("HTTP_PROXY", "http://p:1")],
        ] {
            assert!(proxy(variables).is_none(), "{variables:?}");
        }
        let with_password = proxy(&[("HTTPS_PROXY", "http://user:p%40ss@p:1")]).unwrap();
        // base64 of `user:p@ss`.
        assert_eq!(with_password.auth().unwrap(), "Basic dXNlcjpwQHNz");
        assert!(with_password.auth().unwrap().is_sensitive());
    }

    #[test]
    fn exceptions_and_this_machine_are_reached_directly() {
        let exceptions = "corp.example, .other.example,192.0.2.0/24, 2001:db8::1";
        let proxy = proxy(&[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", exceptions)]).unwrap();
        for (url, is_for) in [
            ("https://acme.example/directory", true),
            ("https://corp.example/", false),
            ("https://login.corp.example/", false),
            ("https://notcorp.example/", true),
            ("https://x.other.example:8443/", false),
            ("https://192.0.2.7/", false),
            ("https://192.0.3.7/", true),
            ("https://[2001:db8::1]/", false),
            ("https://localhost:14000/dir", false),
            ("https://127.0.0.1/", false),
            ("https://[::1]/", false),
            ("http://127.0.0.1/", false),
            ("http://acme.example/", false),
        ] {
            assert_eq!(proxy.is_for(&url.parse().unwrap()), is_for, "{url}");
        }
        let none = super::tests::proxy(&[("https_proxy", "p:1"), ("no_proxy", "*")]).unwrap();
        assert!(!none.is_for(&"https://acme.example/".parse().unwrap()));
    }
}
