//! What can go wrong with a request's body.

/// What went wrong with a client's body.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the route accepts.
    #[error("the body is larger than the route allows")]
    TooLarge,
    /// Nothing came for as long as the route waits.
    #[error("the body stalled")]
    Stalled,
    /// Its client has as much in memory as it may have.
    #[error("the client has as much in memory as it may have")]
    NoRoom,
    /// It came more slowly than the lowest rate.
    #[error("the body came too slowly")]
    Slow,
    /// The client broke off, or its framing was wrong.
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
}
