//! Authorization: policies decide on facts and do no I/O. The result is a [`Permit`], which only
//! this module makes and without which no target is reached.
//!
//! ```text
//! Facts (client, time, token) ─▶ Policy ─ Rule: networks │ TokenRule ─▶ Permit or Denied
//! LoggedIn (service, file, certificate) ▶ Policy ─ LoginRule ──────────▶ Permit or Denied
//! keys of a request ───────────▶ ApiKeys ─────────────────────────────▶ Permit or Denied
//! ```

mod api_keys;
mod by_login;
mod certificate;
mod decide;
mod denied;
mod facts;
mod login;
mod networks;
mod on_expiry;
mod permit;
mod rule;
mod token_rule;

pub use api_keys::ApiKeys;
pub use certificate::{CertificateField, CertificateLogin, CertificateRule, certificate_claims};
pub use decide::Policy;
pub use denied::Denied;
pub use facts::{Facts, Token};
pub use login::{Basic, ForwardAuth, LoggedIn, LoginRule, LoginService, USERS};
pub use networks::Networks;
pub use on_expiry::OnExpiry;
pub use permit::Permit;
pub use rule::{Conditions, Requirement, Rule};
pub use token_rule::{AcceptedIssuer, IssuerId, TokenRule};

#[cfg(test)]
mod tests;
