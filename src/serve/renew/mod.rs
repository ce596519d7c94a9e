//! `POST /.ianitor/renew`: what was opened with a token continues with a newer one of the same
//! issuer and subject.
//!
//! ```text
//! request ─ with the gateway's cookie ─▶ browser: its page, its cookies ─┐
//!         └ without ─▶ program: the old token is in the body ────────────┴▶ tokens ─▶ all workers
//! ```
//!
//! A browser sends its cookie by itself, so that its request counts only from a page of the
//! gateway's own host. A program has to know both tokens, so that its request counts from anywhere.

mod browser;
mod program;
mod request;
mod tokens;

pub(super) use request::renew;
