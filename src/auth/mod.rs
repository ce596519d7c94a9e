//! Verifying tokens and API keys, with what must be remembered for it. Nothing here needs an HTTP
//! request, so a token inside a message of an open connection is verified in the same way.
//!
//! ```text
//! cached ─ in the cache ─▶ Signed                       synchronous, without allocation
//! verify ─ signature ─▶ Signed
//!    │        └ unknown key ─▶ the issuer's key task ─▶ signature, once more
//!    └ forged ─▶ counted against the client, answered later and later, then not at all
//! ```
//!
//! A [`Signed`] token says only who signed what. Whether it is good now, and good enough, is for
//! the [policy](crate::policy) to decide.

mod api_keys;
mod cache;
mod context;
mod failures;
mod handed;
pub mod passwords;
mod successor;
mod verify;

pub use api_keys::check_api_keys;
pub use cache::{Signed, Tagger, TaggerKey, TokenCache};
pub use context::{Context, Failure};
pub use failures::{AuthFailures, HandedFailures};
pub use handed::{HandedToken, merge};
pub use successor::{NotRenewed, NotSuccessor, successor, successor_in_message, verify_successor};
pub use verify::{cached, verify};
