//! Signing in by browser: a token becomes a cookie that no script can read and no other site can
//! have sent.
//!
//! ```text
//! GET /admin ── 401 and a form ──▶ POST /.ianitor/sign-in ── the policy of /admin
//!            ◀── 303, and a cookie for /admin and below ──
//! ```
//!
//! 1. A form is accepted from the gateway's own pages only: no other site can sign a browser in or
//!    out.
//! 2. The browser returns to a URL of the same host, and the policy of that URL's route decides.
//! 3. Renewal ([`super::renew`]) keeps issuer and subject: otherwise another user's token could
//!    take over the open sockets.
//! 4. The cookie is for the route's path alone. A second one with the same token is for
//!    `/.ianitor`: from that one the gateway knows whose sockets a renewal is about.

pub(super) mod cookie;
pub(super) mod fields;
pub(super) mod offer;
pub(super) mod own_page;
pub(super) mod return_to;
pub(super) mod sign_in;
pub(super) mod sign_out;
