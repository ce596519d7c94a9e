//! Which servers' messages a rule or a preset is for.

use crate::config::problem::Place;
use crate::config::tables::RawRule;
use crate::signalling::Protocol;
use crate::signalling::janus::{ADMIN_VERBS, VERBS};

/// Protocols whose messages can be judged.
#[derive(Clone, Copy, Default)]
pub(in crate::config::lower) struct Protocols {
    janus: bool,
    janus_admin: bool,
    kurento: bool,
}

impl Protocols {
    pub(super) const ALL: Self = Self {
        janus: true,
        janus_admin: true,
        kurento: true,
    };

    /// Those that the keys of a rule are for.
    pub(super) fn of_rule(raw: &RawRule) -> Self {
        let verbs = raw.verb.iter().flat_map(|verbs| &verbs.value).flatten();
        let verbs: Vec<&str> = verbs.map(|verb| verb.value).collect();
        let has = |is_known: fn(&str) -> bool| {
            raw.verb.is_none() || verbs.iter().any(|verb| is_known(verb))
        };
        match Keys::of(raw) {
            // One that is wrong may be for any.
            Keys::Common | Keys::Both { .. } => Self::ALL,
            Keys::Kurento => Protocol::Kurento.into(),
            Keys::Janus => Self {
                janus: has(|verb| VERBS.contains(&verb)),
                janus_admin: has(|verb| ADMIN_VERBS.iter().any(|(known, _)| *known == verb)),
                kurento: false,
            },
        }
    }

    pub(in crate::config::lower) fn has(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Janus => self.janus,
            Protocol::JanusAdmin => self.janus_admin,
            Protocol::Kurento => self.kurento,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        !self.meet(Self::ALL)
    }

    pub(in crate::config::lower) fn add(&mut self, other: Self) {
        self.janus |= other.janus;
        self.janus_admin |= other.janus_admin;
        self.kurento |= other.kurento;
    }

    /// Whether they have one in common.
    pub(in crate::config::lower) fn meet(self, other: Self) -> bool {
        (self.janus && other.janus)
            || (self.janus_admin && other.janus_admin)
            || (self.kurento && other.kurento)
    }

    /// Whether all of the others are among them.
    pub(super) fn contain(self, other: Self) -> bool {
        (self.janus || !other.janus)
            && (self.janus_admin || !other.janus_admin)
            && (self.kurento || !other.kurento)
    }

    /// Whether messages of Kurento are all that they are for.
    pub(in crate::config::lower) fn are_kurento(self) -> bool {
        self.kurento && !self.janus && !self.janus_admin
    }
}

impl From<Protocol> for Protocols {
    fn from(protocol: Protocol) -> Self {
        Self {
            janus: protocol == Protocol::Janus,
            janus_admin: protocol == Protocol::JanusAdmin,
            kurento: protocol == Protocol::Kurento,
        }
    }
}

/// Whose keys a rule has.
pub(super) enum Keys<'r> {
    /// None but those that go with both.
    Common,
    Janus,
    Kurento,
    /// The first key of each.
    Both {
        janus: &'r Place,
        kurento: &'r Place,
    },
}

impl<'r> Keys<'r> {
    pub(super) fn of(raw: &'r RawRule) -> Self {
        macro_rules! places {
            ($($key:ident)*) => {
                [$(raw.$key.as_ref().map(|key| &key.place)),*]
            };
        }
        let first = |places: &[Option<&'r Place>]| {
            let places = places.iter().copied().flatten();
            places.min_by_key(|place| place.at)
        };
        let janus = first(&places![verb plugin request ptype room room_claims hosts host_claim]);
        let kurento = first(&places![method r#type operation object uri params]);
        match (janus, kurento) {
            (None, None) => Self::Common,
            (Some(_), None) => Self::Janus,
            (None, Some(_)) => Self::Kurento,
            (Some(janus), Some(kurento)) => Self::Both { janus, kurento },
        }
    }
}
