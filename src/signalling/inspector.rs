//! The inspector of an upstream, whatever it speaks.

use std::borrow::Cow;

use super::document::{SyntaxError, Value};
use super::janus::{AdminApi, Api};
use super::kurento;
use super::{Context, Direction, Inspector, Protocol, Verdict};

/// Judges the documents of one connection by the protocol of its upstream.
#[derive(Debug)]
pub enum AnyInspector {
    /// Janus' API for clients.
    Janus(Api),
    /// Janus' admin API.
    JanusAdmin(AdminApi),
    /// Kurento's JSON-RPC.
    Kurento(kurento::Api),
}

impl AnyInspector {
    /// For a new connection, with a random number.
    pub fn new(protocol: Protocol, nonce: u64) -> Self {
        match protocol {
            Protocol::Janus => Self::Janus(Api::new(nonce)),
            Protocol::JanusAdmin => Self::JanusAdmin(AdminApi),
            Protocol::Kurento => Self::Kurento(kurento::Api::new(nonce)),
        }
    }

    /// Whether it has to see the answer to a message that it let pass.
    pub fn is_waiting(&self) -> bool {
        match self {
            Self::Janus(api) => api.is_waiting(),
            Self::JanusAdmin(_) => false,
            Self::Kurento(api) => api.is_waiting(),
        }
    }
}

impl Inspector for AnyInspector {
    fn inspect<'m>(
        &mut self,
        direction: Direction,
        document: Value<'m>,
        context: &Context<'_>,
    ) -> Verdict<'m> {
        match self {
            Self::Janus(api) => api.inspect(direction, document, context),
            Self::JanusAdmin(api) => api.inspect(direction, document, context),
            Self::Kurento(api) => api.inspect(direction, document, context),
        }
    }

    fn unreadable(&self, error: SyntaxError, context: &Context<'_>) -> Verdict<'static> {
        match self {
            Self::Janus(api) => api.unreadable(error, context),
            Self::JanusAdmin(api) => api.unreadable(error, context),
            Self::Kurento(api) => api.unreadable(error, context),
        }
    }

    fn restore<'m>(&self, message: &'m str) -> Cow<'m, str> {
        match self {
            Self::Janus(api) => api.restore(message),
            Self::JanusAdmin(api) => api.restore(message),
            Self::Kurento(api) => api.restore(message),
        }
    }

    fn recheck(&mut self, context: &Context<'_>) -> Result<(), &'static str> {
        match self {
            Self::Janus(api) => api.recheck(context),
            Self::JanusAdmin(api) => api.recheck(context),
            Self::Kurento(api) => api.recheck(context),
        }
    }

    fn keep(&mut self, context: &Context<'_>) {
        match self {
            Self::Janus(api) => api.keep(context),
            Self::JanusAdmin(api) => api.keep(context),
            Self::Kurento(api) => api.keep(context),
        }
    }
}
