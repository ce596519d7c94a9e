//! Kurento's JSON-RPC, as KMS 7 reads it.
//!
//! ```text
//! client ─▶ Request ─▶ each operation: session and objects: whose? ─▶ Facts ─▶ rules ─▶ KMS
//! client ◀── id of the client ◀── what was created, released, closed ◀── KMS
//! ```
//!
//! KMS has no authentication: who can send it messages reads and writes files, reaches the inner
//! network, and uses the objects and sessions of all clients. What it cannot read makes it drop the
//! connection without collecting the session, so that nothing goes on that is not a request with
//! one reading. The operations of a `transaction` are judged one by one, also in transactions
//! inside it.
//!
//! In rules the verb is the method, the plugin is the type of the object, and the request is the
//! operation of `invoke` or the event of `subscribe`; all are compared with case, as KMS does.
//! Refusals are errors of KMS with the client's id; of a request that no rule allows they do not
//! say why.

mod api;
mod changes;
mod conclusion;
mod explain;
mod facts;
mod id;
mod judge;
mod lost;
mod names;
mod params;
mod references;
mod refusal;
mod renewal;
mod request;
mod target;

pub use api::Api;
pub use explain::{Explained, operations};
pub use names::{ABSTRACT_TYPES, EVENTS, METHODS, OPERATIONS, TYPES, members};
pub use refusal::Refusal;
pub use renewal::explain_renewal;
pub(in crate::signalling) use renewal::renewal_token;

#[cfg(test)]
mod tests;
