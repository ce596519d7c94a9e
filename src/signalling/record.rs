//! What is recorded of each document of a client.

use std::fmt;

use super::rules::{Facts, Rule};

/// Sees what became of each document of a client.
pub trait Observer {
    /// A document was judged.
    fn judged(&self, record: &Record<'_>);
}

/// Sees nothing.
impl Observer for () {
    fn judged(&self, _: &Record<'_>) {}
}

/// A document, and what became of it.
#[derive(Clone, Copy)]
pub struct Record<'r> {
    /// What it says, if that could be read.
    pub facts: Option<&'r Facts<'r>>,
    /// The session that it names.
    pub session: Option<i64>,
    /// The handle that it names.
    pub handle: Option<i64>,
    /// What became of it.
    pub outcome: Outcome<'r>,
}

/// What became of a document.
#[derive(Clone, Copy)]
pub enum Outcome<'r> {
    /// It went on, by this rule, if there are rules.
    Allowed(Option<&'r Rule>),
    /// It did not.
    Refused {
        /// The rule that denied it, if one did.
        rule: Option<&'r str>,
        /// Why.
        reason: &'r dyn fmt::Display,
    },
}
