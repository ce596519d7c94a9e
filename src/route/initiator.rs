//! Which page a request comes from, by the headers that browsers send. Scripts cannot set these
//! headers (the Fetch standard, section 2.2.2), and other programs do not send them, so they
//! protect the users of browsers against pages, and nothing else.
//!
//! | `Origin` | `Sec-Fetch-Site` | |
//! |---|---|---|
//! | this host, with `https://` | | [`Initiator::OwnPage`] |
//! | this host, without a scheme, as kurento-client sends it | | [`Initiator::Unknown`] |
//! | `null`: a form under `Referrer-Policy: no-referrer` | `same-origin` | [`Initiator::OwnPage`] |
//! | any other, `null`, or two of them | | [`Initiator::OtherPage`] |
//! | none | `same-origin` | [`Initiator::OwnPage`] |
//! | none | `cross-site` | [`Initiator::OtherPage`] |
//! | none | none, or anything else | [`Initiator::Unknown`] |

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};

use super::web_origin::is_of;
use crate::host::Authority;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What made a client send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator<'h> {
    /// A page of the requested host itself, loaded by TLS.
    OwnPage,
    /// A page of another origin, with its `Origin` where there is exactly one.
    OtherPage(Option<&'h HeaderValue>),
    /// A program, a typed address, or a browser that sends neither header.
    Unknown,
}

impl<'h> Initiator<'h> {
    /// Reads the headers of a request to this host.
    pub fn of(headers: &'h HeaderMap, own: &Authority) -> Self {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(_), Some(_)) => Self::OtherPage(None),
            (Some(origin), None) if is_spelled_alike(origin, headers) || is_of(origin, own) => {
                Self::OwnPage
            }
            (Some(origin), None) if is_host_alone(origin, own) => Self::Unknown,
            (Some(origin), None) if origin == "null" && is_of_same_origin(headers) => Self::OwnPage,
            (Some(origin), None) => Self::OtherPage(Some(origin)),
            (None, _) => Self::by_site(headers),
        }
    }

    fn by_site(headers: &HeaderMap) -> Self {
        let says = |site: &str| {
            headers
                .get_all(SEC_FETCH_SITE)
                .iter()
                .any(|value| value == site)
        };
        if says("cross-site") {
            Self::OtherPage(None)
        } else if says("same-origin") {
            Self::OwnPage
        } else {
            Self::Unknown
        }
    }
}

/// Whether `Sec-Fetch-Site` is `same-origin` alone. A sandboxed page, whose origin is `null` too,
/// is cross-site.
fn is_of_same_origin(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    sites.next().is_some_and(|site| site == "same-origin") && sites.next().is_none()
}

/// Whether the origin is `https://` and the value of `Host`: the usual case, without parsing.
fn is_spelled_alike(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = origin.as_bytes().strip_prefix(b"https://");
    host.is_some_and(|host| {
        headers
            .get(header::HOST)
            .is_some_and(|own| own.as_bytes() == host)
    })
}

fn is_host_alone(origin: &HeaderValue, own: &Authority) -> bool {
    let authority: Option<Authority> = origin.to_str().ok().and_then(|text| text.parse().ok());
    let port = |authority: &Authority| authority.port.unwrap_or(443);
    authority.is_some_and(|said| said.host == own.host && port(&said) == port(own))
}

/// Whether a browser opens the response as a page of its own, as after a click on a link: the page
/// with the link cannot read it.
pub fn is_navigation<B>(request: &Request<B>) -> bool {
    let is = |name: HeaderName, value: &str| {
        let mut values = request.headers().get_all(name).iter();
        values.next().is_some_and(|one| one == value) && values.next().is_none()
    };
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.headers().contains_key(header::ORIGIN)
        && is(SEC_FETCH_MODE, "navigate")
        && is(SEC_FETCH_DEST, "document")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_apart_by_what_browsers_say() {
        let own: Authority = "media.example.com:8443".parse().unwrap();
        #[derive(Debug, PartialEq)]
        enum Want {
            Own,
            Other(Option<&'static str>),
            Unknown,
        }
        use Want::{Other, Own, Unknown};
        let site = "sec-fetch-site";
        #[rustfmt::skip]
        let cases: [(&[(&str, &str)], Want); 23] = [
            (&[][..], Unknown),
            (&[("origin", "https://media.example.com:8443")], Own),
            (&[("origin", "https://MEDIA.example.com.:8443")], Own),
            (&[("origin", "https://media.example.com:8443"), (site, "cross-site")], Own),
            (&[("origin", "media.example.com:8443")], Unknown),
            (&[("origin", "media.example.com")], Other(Some("media.example.com"))),
            (&[("origin", "https://media.example.com")], Other(Some("https://media.example.com"))),
            (&[("origin", "http://media.example.com:8443")],
             Other(Some("http://media.example.com:8443"))),
            (&[("origin", "https://www.media.example.com:8443")],
             Other(Some("https://www.media.example.com:8443"))),
            (&[("origin", "https://media.example.com:8443/")],
             Other(Some("https://media.example.com:8443/"))),
            (&[("origin", "https://media.example.com:8443@evil.example")],
             Other(Some("https://media.example.com:8443@evil.example"))),
            (&[("origin", "null")], Other(Some("null"))),
            (&[("origin", "")], Other(Some(""))),
            (&[("origin", "null"), (site, "same-origin")], Own),
            (&[("origin", "null"), (site, "cross-site")], Other(Some("null"))),
            (&[("origin", "null"), (site, "same-origin"), (site, "cross-site")],
             Other(Some("null"))),
            (&[("origin", "https://media.example.com:8443"), ("origin", "https://evil.example")],
             Other(None)),
            (&[("origin", "https://evil.example"), ("origin", "https://media.example.com:8443")],
             Other(None)),
            (&[(site, "cross-site")], Other(None)),
            (&[(site, "same-origin"), (site, "cross-site")], Other(None)),
            (&[(site, "same-origin")], Own),
            (&[(site, "same-site")], Unknown),
            (&[(site, "none")], Unknown),
        ];
        for (headers, want) in cases {
            for with_host in [false, true] {
                let mut map = HeaderMap::new();
                for (name, value) in headers {
                    map.append(
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    );
                }
                if with_host {
                    map.insert(
                        header::HOST,
                        HeaderValue::from_static("media.example.com:8443"),
                    );
                }
                let got = match Initiator::of(&map, &own) {
                    Initiator::OwnPage => Own,
                    Initiator::OtherPage(None) => Other(None),
                    Initiator::OtherPage(Some(_)) => Other(Some(headers[0].1)),
                    Initiator::Unknown => Unknown,
                };
                assert_eq!(got, want, "{headers:?}");
            }
        }
    }

    #[test]
    fn only_a_page_of_its_own_is_a_navigation() {
        let document = [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        for (method, headers, want) in [
            ("GET", &document[..], true),
            ("HEAD", &document, true),
            ("POST", &document, false),
            ("OPTIONS", &document, false),
            (
                "GET",
                &[document[0], document[1], ("origin", "null")],
                false,
            ),
            ("GET", &[document[0], ("sec-fetch-dest", "iframe")], false),
            (
                "GET",
                &[document[0], ("sec-fetch-dest", "iframe"), document[1]],
                false,
            ),
            ("GET", &[("sec-fetch-mode", "no-cors"), document[1]], false),
            (
                "GET",
                &[("sec-fetch-mode", "websocket"), document[1]],
                false,
            ),
            ("GET", &document[..1], false),
            ("GET", &[], false),
        ] {
            let mut request = Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            assert_eq!(
                is_navigation(&request.body(()).unwrap()),
                want,
                "{method} {headers:?}"
            );
        }
    }
}
