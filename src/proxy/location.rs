//! `Location` as the client has to see it: the upstream does not know its public name, nor that a prefix was taken off.

use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};

use super::Via;
use crate::host::Authority;

/// Rewrites `Location` and `Content-Location` where they point to the upstream itself.
pub fn rewrite(headers: &mut HeaderMap, via: &Via<'_>) {
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let Some(value) = headers.get(&name) else { continue };
        let Some(public) = value.to_str().ok().and_then(|value| public(value, via)) else { continue };
        if let Ok(public) = HeaderValue::try_from(public) {
            headers.insert(name, public);
        }
    }
}

/// The public form, or `None` where the value may stay as it is.
fn public(value: &str, via: &Via<'_>) -> Option<String> {
    if value.starts_with('/') && !value.starts_with("//") {
        return if via.path.is_none() { None } else { via.path.to_public(value) };
    }
    let uri: Uri = value.parse().ok()?;
    // Without a scheme it is a relative path, though it may look like an authority.
    uri.scheme()?;
    let authority: Authority = uri.authority()?.as_str().parse().ok()?;
    let is_public_in_plain = uri.scheme_str() == Some("http") && authority == *via.authority;
    if !is_upstream(&authority, via) && !is_public_in_plain {
        return None;
    }
    let rest = uri.path_and_query().map_or("/", |p| p.as_str());
    let path = via.path.to_public(rest).unwrap_or_else(|| rest.to_owned());
    let fragment = value.find('#').map_or("", |at| &value[at..]);
    Some(format!("https://{}{path}{fragment}", via.authority))
}

fn is_upstream(authority: &Authority, via: &Via<'_>) -> bool {
    via.upstream.spec().servers.iter().any(|server| server.is(authority))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::sync::Arc;

    use crate::addr::ClientAddr;
    use crate::proxy::cluster::Cluster;
    use crate::proxy::headers::Origin;
    use crate::route::PathChange;
    use crate::route::upstream::{Balance, Protocol, UpstreamSpec, UpstreamTls};
    use crate::telemetry::access::{AccessSink, Exchange};
    use crate::telemetry::request_id::RequestIds;
    use crate::tick::Ticks;

    fn rewritten(value: &str, strip: &str, add: &str) -> String {
        let spec = UpstreamSpec {
            name: "janus".into(),
            servers: ["http://127.0.0.1:8088".parse().unwrap()].into(),
            balance: Balance::Client,
            protocol: Protocol::Janus,
            tls: UpstreamTls::default(),
        };
        let client = ClientAddr::new("192.0.2.1".parse().unwrap());
        let ticks = Ticks::new();
        let exchange = Exchange::begin(RequestIds::new().next(), client, &AccessSink::new(None), |_| unreachable!());
        let via = Via {
            upstream: &Cluster::new(Arc::new(spec), Vec::new()),
            ticks: &ticks,
            path: &PathChange { strip: strip.into(), add: add.into() },
            origin: &Origin::new(client, 443),
            authority: &"media.example.com".parse().unwrap(),
            body_limit: 0,
            exchange: &Rc::clone(&exchange),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, HeaderValue::try_from(value).unwrap());
        rewrite(&mut headers, &via);
        headers[header::LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn what_points_to_the_upstream_points_to_the_gateway() {
        for (value, strip, add, want) in [
            ("/janus/1", "", "", "/janus/1"),
            ("/janus/1", "/media", "", "/media/janus/1"),
            ("/janus/1?x=/y", "/media/janus", "/janus", "/media/janus/1?x=/y"),
            ("/elsewhere", "/media/janus", "/janus", "/elsewhere"),
            ("http://127.0.0.1:8088/janus/1", "", "", "https://media.example.com/janus/1"),
            ("http://127.0.0.1:8088/janus/1", "/media", "", "https://media.example.com/media/janus/1"),
            ("http://media.example.com/janus/1", "", "", "https://media.example.com/janus/1"),
            ("https://login.example.org/x", "/media", "", "https://login.example.org/x"),
            ("//evil.example.org/x", "/media", "", "//evil.example.org/x"),
            ("relative", "/media", "", "relative"),
            ("127.0.0.1:8088", "", "", "127.0.0.1:8088"),
            ("http://127.0.0.1:8088/a?b#top", "", "", "https://media.example.com/a?b#top"),
        ] {
            assert_eq!(rewritten(value, strip, add), want, "{value}");
        }
    }
}
