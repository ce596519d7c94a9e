//! The gateway's own pages, and what programs get instead. They have no script and load nothing.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::browser::offer::SignIn;
use super::navigation;
use super::response_body::ResponseBody;
use crate::html::Text;
use crate::route::local::{LocalUrl, OWN};
use crate::telemetry::request_id::RequestId;

const STYLE: &str = include_str!("page.css");

/// What a browser may do on these pages: use this one style, and send forms to this host.
static SECURITY_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    // Base64 is valid in any header value.
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // With no-referrer, browsers would send no origin with forms.
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
];

/// A page. `main` is HTML.
fn page(status: StatusCode, title: &str, main: &str, id: RequestId) -> Response<ResponseBody> {
    let title = Text(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <style>{STYLE}</style></head>\n\
         <body><main>\n<h1>{title}</h1>\n{main}\n\
         <footer>Request <code>{id}</code></footer>\n</main></body></html>\n"
    );
    let mut response = Response::new(ResponseBody::text(html));
    *response.status_mut() = status;
    response.headers_mut().extend(HEADERS);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, SECURITY_POLICY.clone());
    response
}

/// The form to sign in.
pub(super) fn sign_in(status: StatusCode, form: &SignIn, id: RequestId) -> Response<ResponseBody> {
    let message = form.message.map_or(String::new(), |text| {
        format!("<p class=\"bad\" role=\"alert\">{text}</p>\n")
    });
    let (place, to) = (Text(form.to.path()), Text(&form.to));
    let main = format!(
        "<p>Enter your token to go on to <code>{place}</code>.</p>\n\
         {message}<form method=\"post\" action=\"{OWN}/sign-in\">\n\
         <label for=\"token\">Token</label>\n\
         <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"off\" \
         autocapitalize=\"none\" \
         spellcheck=\"false\" required autofocus>\n\
         <input name=\"to\" type=\"hidden\" value=\"{to}\">\n<button>Sign in</button>\n</form>"
    );
    varied(page(status, "Sign in", &main, id))
}

/// The button to sign out.
pub(super) fn sign_out(to: Option<&LocalUrl>, id: RequestId) -> Response<ResponseBody> {
    let field = to.map_or(String::new(), |to| {
        format!(
            "<input name=\"to\" type=\"hidden\" value=\"{}\">\n",
            Text(to)
        )
    });
    let main = format!(
        "<p>This browser then forgets your token.</p>\n\
         <form method=\"post\" action=\"{OWN}/sign-out\">\n{field}\
         <button>Sign out</button>\n</form>"
    );
    page(StatusCode::OK, "Sign out", &main, id)
}

/// The confirmation after signing out.
pub(super) fn signed_out(to: Option<&LocalUrl>, id: RequestId) -> Response<ResponseBody> {
    let back = to.map_or(String::new(), |to| {
        format!(" <a href=\"{}\">Sign in again</a>", Text(to))
    });
    page(
        StatusCode::OK,
        "Signed out",
        &format!("<p>This browser has forgotten your token.{back}</p>"),
        id,
    )
}

/// What a rejected person sees. It does not say which rule of the policy failed.
pub(super) fn refusal(status: StatusCode, id: RequestId) -> Response<ResponseBody> {
    let (title, text) = match status {
        StatusCode::UNAUTHORIZED => ("Not signed in", "This page is for those who are."),
        StatusCode::FORBIDDEN => ("Not allowed", "You may not see this page."),
        StatusCode::TOO_MANY_REQUESTS => ("Too many attempts", "Wait a little, then try again."),
        StatusCode::SERVICE_UNAVAILABLE => ("Not now", "Try again in a few seconds."),
        _ => ("Not understood", "This request has more than one meaning."),
    };
    varied(page(status, title, &format!("<p>{text}</p>"), id))
}

/// The status in a line of text.
pub(super) fn words(status: StatusCode, id: RequestId) -> Response<ResponseBody> {
    let words = status.canonical_reason().unwrap_or("Refused");
    let mut response = Response::new(ResponseBody::text(format!(
        "{} {words}\nrequest {id}\n",
        status.as_u16()
    )));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A rejection for a program (RFC 9457).
pub(super) fn problem(status: StatusCode, id: RequestId) -> Response<ResponseBody> {
    let (title, code) = (
        status.canonical_reason().unwrap_or("Refused"),
        status.as_u16(),
    );
    // The words of a status and a hexadecimal number have nothing to escape.
    let json = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{code},\
         \"request\":\"{id}\"}}\n"
    );
    let mut response = Response::new(ResponseBody::text(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    varied(response)
}

fn varied(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static(navigation::VARY));
    response
}
