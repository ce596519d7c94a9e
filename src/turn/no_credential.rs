//! Why no credential is issued to a client that may have one.

/// The methods of a TURN route.
pub const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Why no credential is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCredential {
    /// The method is none of [`METHODS`].
    #[error("credentials are asked for with GET or POST")]
    Method,
    /// The client asks for another service.
    #[error("service is not turn")]
    Service,
    /// Janus could use none of the URIs.
    #[error("none of the uris is an IPv4 address or a name that resolves")]
    NoUri,
}
