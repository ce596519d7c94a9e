//! What the layers hand outward: a response, and whether it is a rejection.

use http::Response;

use super::reject::Rejection;
use super::response_body::ResponseBody;

/// A response on its way out.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) response: Response<ResponseBody>,
    /// The request was rejected. A route's edits of headers do not apply, and the request's body
    /// has not been read.
    pub(super) is_rejection: bool,
}

/// What a layer returns: a reply, or a rejection that [`super::rescue`] turns into one.
pub(super) type Served = Result<Reply, Rejection>;

impl From<Response<ResponseBody>> for Reply {
    fn from(response: Response<ResponseBody>) -> Self {
        Self {
            response,
            is_rejection: false,
        }
    }
}
