//! Requests that name no host, which HTTP/1.0 allows: mostly health checks of balancers.

use http::{Request, Version};

use super::ConnInfo;
use crate::host::{Authority, HostName};

/// The host that such a request is for: the TLS server name, or else the address that the client
/// has connected to (RFC 9112, section 3.3). `None` if the request must name one.
pub(super) fn implied<B>(request: &Request<B>, conn: &ConnInfo) -> Option<Authority> {
    if request.version() > Version::HTTP_10 {
        return None;
    }
    let host = match &conn.sni {
        Some(name) => name.clone(),
        None => HostName::from(conn.local?),
    };
    let port = (conn.port != 443).then_some(conn.port);
    Some(Authority { host, port })
}
