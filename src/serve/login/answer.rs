//! What an answer of the service means, and where a browser signs in.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode, Uri};

use super::failure::LoginFailure;
use crate::policy::ForwardAuth;

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The request is admitted.
    Admitted,
    /// The client has to log in.
    NoLogin,
    /// The client is logged in, and may not.
    Forbidden,
}

/// What an answer means.
///
/// # Errors
/// If it means nothing that is known.
pub(super) fn verdict(
    answer: &Response<()>,
    service: &ForwardAuth,
) -> Result<Verdict, LoginFailure> {
    match answer.status() {
        status if status.is_success() => Ok(Verdict::Admitted),
        StatusCode::UNAUTHORIZED => Ok(Verdict::NoLogin),
        StatusCode::FORBIDDEN => Ok(Verdict::Forbidden),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => match service.sign_in {
            Some(_) => Ok(Verdict::NoLogin),
            None => Err(LoginFailure::Redirect),
        },
        status => Err(LoginFailure::Status(status)),
    }
}

/// Where a browser that asked for `url` signs in: where the answer says, if that is at the origin
/// of `sign_in`, else at `sign_in` itself. `None` without `sign_in`.
pub(super) fn sign_in(
    headers: &HeaderMap,
    service: &ForwardAuth,
    url: &str,
) -> Option<HeaderValue> {
    let sign_in = service.sign_in.as_deref()?;
    let said = headers.get(header::LOCATION);
    if let Some(said) = said
        && said.to_str().is_ok_and(|said| is_place(said, sign_in, url))
    {
        return Some(said.clone());
    }
    let url: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let to = match (sign_in.contains(URL), sign_in.contains('?')) {
        (true, _) => sign_in.replace(URL, &url),
        (false, false) => format!("{sign_in}?rd={url}"),
        (false, true) => format!("{sign_in}&rd={url}"),
    };
    HeaderValue::try_from(to).ok()
}

/// What stands for the requested URL in `sign_in`.
const URL: &str = "{url}";

/// Whether a location is at the origin of `sign_in`, which is that of the request if it is a path.
fn is_place(location: &str, sign_in: &str, url: &str) -> bool {
    let origin = if sign_in.starts_with('/') {
        url
    } else {
        sign_in
    };
    // A browser reads a backslash as a slash, and skips tabs and line ends.
    let is_plain = location.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    is_plain && origin_of(location).is_some_and(|found| Some(found) == origin_of(origin))
}

fn origin_of(url: &str) -> Option<(String, String)> {
    // Placeholders are behind the origin.
    let end = url.find(['?', '#', '{']).unwrap_or(url.len());
    let uri: Uri = url[..end].parse().ok()?;
    let authority = uri.authority()?.as_str();
    let is_host = !authority.contains('@');
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let authority = authority.to_ascii_lowercase();
    let default = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default).unwrap_or(&authority);
    is_host.then(|| (scheme, authority.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn service(sign_in: Option<&str>) -> ForwardAuth {
        ForwardAuth {
            upstream: "forward_auth:p".into(),
            url: "http://127.0.0.1:1/auth".into(),
            target: "/auth".into(),
            host: HeaderValue::from_static("127.0.0.1:1"),
            copy_headers: Box::default(),
            subject: None,
            sign_in: sign_in.map(Into::into),
            cache: Duration::ZERO,
            recheck: None,
            timeout: Duration::from_secs(5),
        }
    }

    #[test]
    fn a_browser_is_sent_to_sign_in_alone() {
        let url = "https://media.example.com/a?b=c&d";
        let coded = "https%3A%2F%2Fmedia.example.com%2Fa%3Fb%3Dc%26d";
        let auth = "https://auth.example.com/";
        for (sign_in, said, want) in [
            (None, Some(auth), None),
            (Some(auth), None, Some(format!("{auth}?rd={coded}"))),
            (
                Some("/oauth2/start?x=1"),
                None,
                Some(format!("/oauth2/start?x=1&rd={coded}")),
            ),
            (
                Some("https://auth.example.com/?to={url}"),
                None,
                Some(format!("{auth}?to={coded}")),
            ),
            (
                Some(auth),
                Some("https://AUTH.example.com:443/?rd=x&rm=GET"),
                Some("https://AUTH.example.com:443/?rd=x&rm=GET".to_owned()),
            ),
            (
                Some("/start"),
                Some("https://media.example.com/start?x"),
                Some("https://media.example.com/start?x".to_owned()),
            ),
            // Anywhere else is not gone to.
            (
                Some(auth),
                Some("https://evil.example/"),
                Some(format!("{auth}?rd={coded}")),
            ),
            (
                Some(auth),
                Some("https://auth.example.com@evil.example/"),
                Some(format!("{auth}?rd={coded}")),
            ),
            (
                Some(auth),
                Some("http://auth.example.com/"),
                Some(format!("{auth}?rd={coded}")),
            ),
            (
                Some(auth),
                Some("https://auth.example.com\\@evil.example/"),
                Some(format!("{auth}?rd={coded}")),
            ),
            (
                Some("/start"),
                Some("//evil.example/"),
                Some(format!("/start?rd={coded}")),
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(header::LOCATION, said.parse().unwrap());
            }
            let to = super::sign_in(&headers, &service(sign_in), url);
            let to = to.map(|to| to.to_str().unwrap().to_owned());
            assert_eq!(to, want, "{sign_in:?} {said:?}");
        }
    }

    #[test]
    fn only_success_admits() {
        let of = |status: u16, sign_in| {
            let mut answer = Response::new(());
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            verdict(&answer, &service(sign_in)).ok()
        };
        for (status, without, with) in [
            (200, Some(Verdict::Admitted), Some(Verdict::Admitted)),
            (202, Some(Verdict::Admitted), Some(Verdict::Admitted)),
            (302, None, Some(Verdict::NoLogin)),
            (304, None, None),
            (401, Some(Verdict::NoLogin), Some(Verdict::NoLogin)),
            (403, Some(Verdict::Forbidden), Some(Verdict::Forbidden)),
            (404, None, None),
            (407, None, None),
            (500, None, None),
        ] {
            assert_eq!(of(status, None), without, "{status}");
            assert_eq!(of(status, Some("/in")), with, "{status}");
        }
    }
}
