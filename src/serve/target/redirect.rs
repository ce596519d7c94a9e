//! Redirects to where the route says.

use http::header::{self, HeaderValue};
use http::{Response, Uri};

use crate::route::path::{BadPath, PathPrefix};
use crate::route::redirect::RedirectSpec;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;

/// The redirect of a request target.
pub(super) fn redirect(
    asked: &Uri,
    spec: &RedirectSpec,
    route: &PathPrefix,
) -> Result<Response<ResponseBody>, Rejection> {
    // It is made of a URI and a request target, which have no characters that a header could not.
    let location = HeaderValue::try_from(spec.location(route, asked.path(), asked.query()))
        .map_err(|_| Rejection::Path(BadPath::Control))?;
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = spec.status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
