//! What Janus says.

use crate::signalling::document::{Object, Text};

/// What a message of Janus says.
#[derive(Default)]
pub(super) struct Event<'m> {
    pub(super) kind: Option<Text<'m>>,
    pub(super) transaction: Option<Text<'m>>,
    pub(super) session: Option<i64>,
    pub(super) sender: Option<i64>,
    pub(super) data: Option<Object<'m>>,
    pub(super) error: Option<Object<'m>>,
    pub(super) plugindata: Option<Object<'m>>,
}

impl<'m> Event<'m> {
    pub(super) fn read(object: Object<'m>) -> Self {
        let mut event = Self::default();
        for member in object.members() {
            let (name, value) = (member.name, member.value);
            match () {
                () if name.is("janus") => event.kind = value.text(),
                () if name.is("transaction") => event.transaction = value.text(),
                () if name.is("session_id") => event.session = value.integer(),
                () if name.is("sender") => event.sender = value.integer(),
                () if name.is("data") => event.data = value.object(),
                () if name.is("error") => event.error = value.object(),
                () if name.is("plugindata") => event.plugindata = value.object(),
                () => {}
            }
        }
        event
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind.is_some_and(|mine| mine.is(kind))
    }

    /// The id of what a request has created.
    pub(super) fn created(&self) -> Option<i64> {
        self.data?.get("id")?.integer()
    }

    pub(super) fn code(&self) -> Option<i64> {
        self.error?.get("code")?.integer()
    }
}
