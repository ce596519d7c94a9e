//! Finds control ports of media servers that have no `protocol`: by their well-known port, or
//! because another upstream declares the same server.

use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::Named;
use crate::config::tables::RawUpstream;
use crate::route::upstream::{Protocol, ServerAddr};

/// The default control ports of media servers.
const WELL_KNOWN: [(u16, &str, Protocol); 7] = [
    (7088, "Janus' admin API", Protocol::JanusAdmin),
    (7089, "Janus' admin API", Protocol::JanusAdmin),
    (7188, "Janus' admin API by WebSocket", Protocol::JanusAdmin),
    (7889, "Janus' admin API by TLS", Protocol::JanusAdmin),
    (
        7989,
        "Janus' admin API by secure WebSocket",
        Protocol::JanusAdmin,
    ),
    (8433, "Kurento's control port by TLS", Protocol::Kurento),
    (8888, "Kurento's control port", Protocol::Kurento),
];

/// The control port that usually is on this port.
fn well_known(server: &ServerAddr) -> Option<(&'static str, Protocol)> {
    let ServerAddr::Tcp { port, .. } = server else {
        return None;
    };
    WELL_KNOWN
        .iter()
        .find(|(known, ..)| known == port)
        .map(|(_, what, protocol)| (*what, *protocol))
}

/// A server that an upstream declares to be a control port.
pub(super) struct Declared {
    server: ServerAddr,
    protocol: Protocol,
    /// Where the upstream is.
    by: Place,
}

/// All servers that an upstream declares to be a control port.
pub(super) fn declared(upstreams: &Named<RawUpstream>) -> Vec<Declared> {
    let control = upstreams
        .iter()
        .filter_map(|(name, raw)| Some((name, raw.as_ref()?)));
    let control = control.filter(|(_, raw)| raw.protocol().is_control());
    control
        .flat_map(|(name, raw)| {
            raw.all_servers().map(|server| Declared {
                server: server.value.clone(),
                protocol: raw.protocol(),
                by: name.place.clone(),
            })
        })
        .collect()
}

/// A server that seems to be a control port.
pub(super) struct ControlServer {
    server: ServerAddr,
    /// Text to be appended to the server: ", where … usually is".
    why: String,
    protocol: Protocol,
    /// The key and line of the server.
    place: String,
}

impl ControlServer {
    /// The problem that a route with this policy lets every client reach it.
    pub(super) fn open_to_everybody(&self, policy: &str) -> String {
        let Self {
            server,
            why,
            protocol,
            place,
        } = self;
        format!(
            "\"{policy}\" lets everybody reach {server}, {why} ({place}), and that upstream has \
             no protocol; write \
             protocol = \"{}\" there and a policy with an allow list here, or, if it is \
             something else, \
             protocol = \"http\" there",
            protocol.name()
        )
    }
}

/// The first server of an upstream without `protocol` that seems to be a control port, with a
/// warning, because it is not protected as one whatever the policy. The same for a server that is
/// declared as Janus on an admin port.
pub(super) fn undeclared(
    raw: &RawUpstream,
    declared: &[Declared],
    diag: &Diagnostics<'_>,
) -> Option<ControlServer> {
    if raw.protocol() == Protocol::Janus {
        note_as_janus(raw, diag);
    }
    if raw.protocol_is_written {
        return None;
    }
    let (
        Spanned {
            value: server,
            place,
        },
        (why, protocol),
    ) = raw
        .all_servers()
        .find_map(|server| Some((server, control_of(&server.value, declared, diag)?)))?;
    let text = format!(
        "{server} is {why}; write protocol = \"{}\", so that it is guarded as such, or protocol \
         = \"http\" if it is \
         something else",
        protocol.name()
    );
    diag.warning(place, text);
    let place = format!("{}, {}", place.key, diag.line(place));
    Some(ControlServer {
        server: server.clone(),
        why,
        protocol,
        place,
    })
}

/// Whether a server seems to be a control port, of which kind, and why.
fn control_of(
    server: &ServerAddr,
    declared: &[Declared],
    diag: &Diagnostics<'_>,
) -> Option<(String, Protocol)> {
    if let Some((what, protocol)) = well_known(server) {
        return Some((format!("where {what} usually is"), protocol));
    }
    let said = declared
        .iter()
        .find(|declared| declared.server.is_same_socket(server))?;
    let (key, line, protocol) = (&said.by.key, diag.line(&said.by), said.protocol);
    let text = format!("where {key} ({line}) speaks {}", protocol.name());
    Some((text, protocol))
}

fn note_as_janus(raw: &RawUpstream, diag: &Diagnostics<'_>) {
    for Spanned {
        value: server,
        place,
    } in raw.all_servers()
    {
        let Some((what, protocol)) = well_known(server) else {
            continue;
        };
        let text = format!(
            "{server} is where {what} usually is, and not the Janus API; write protocol = \"{}\" \
             if it is that one",
            protocol.name()
        );
        diag.warning(place, text);
    }
}

/// A passed-through control port is open to every client, because policies need requests that the
/// gateway can read.
pub(super) fn note_passed_through(to: &Spanned<ServerAddr>, diag: &Diagnostics<'_>) {
    let Spanned {
        value: server,
        place,
    } = to;
    let Some((what, protocol)) = well_known(server) else {
        return;
    };
    let text = format!(
        "{server} is where {what} usually is, and everybody gets there whatever the policies \
         say; write an upstream \
         with https:// and protocol = \"{}\", and a route to it",
        protocol.name()
    );
    diag.warning(place, text);
}
