//! What a message says, without the connection that it would come on.

use super::envelope::Envelope;
use super::refusal::Refusal;
use super::{admin, api};
use crate::signalling::document::Value;
use crate::signalling::owners::PluginName;
use crate::signalling::rules::{Entries, Facts};
use crate::signalling::{Ids, Protocol};

/// Why a message cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// It would be refused whatever the rules are.
    #[error("{0}")]
    Refused(Refusal),
    /// It is for a handle, whose plugin is not known.
    #[error(
        "it is for a handle, and the rules depend on the plugin that the handle is attached to"
    )]
    NoPlugin,
}

impl From<Refusal> for Unclear {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a document says, if its session and its handle are the client's, and the handle is attached
/// to this plugin.
///
/// # Errors
/// Why it cannot be judged.
pub fn facts<'m>(
    protocol: Protocol,
    document: Value<'m>,
    plugin: Option<&str>,
) -> Result<Facts<'m>, Unclear> {
    let envelope = Envelope::read(document, Ids::default()).map_err(|bad| bad.refusal)?;
    if protocol == Protocol::JanusAdmin {
        return Ok(admin::facts_of(&envelope)?);
    }
    let is_of_handle = api::is_of_handle(envelope.verb);
    if is_of_handle && plugin.is_none() {
        return Err(Unclear::NoPlugin);
    }
    let attached = plugin.filter(|_| is_of_handle);
    let attached = attached.map(|name| PluginName::Owned(name.to_owned()));
    Ok(api::facts_with(&envelope, attached, Entries::default())?)
}
