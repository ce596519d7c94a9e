//! Bridges: servers that the path of a request names by an id.

use crate::config::diagnostics::Diagnostics;
use crate::config::tables::RawUpstream;
use crate::route::upstream::Protocol;

/// The longest id in bytes.
const LONGEST: usize = 63;

/// The ids of an upstream's bridges, in order, without those whose servers are not valid. Reports
/// the keys that do not go with them.
pub(super) fn ids(raw: &RawUpstream, diag: &Diagnostics<'_>) -> Box<[Box<str>]> {
    let Some(bridges) = &raw.bridges else {
        return Box::default();
    };
    let problem = |text: &str| diag.problem(&bridges.place, text);
    if bridges.value.is_empty() {
        problem("is empty; write the bridges, { jvb1 = \"http://10.0.0.4:9090\" }");
    }
    if let Some(servers) = &raw.servers {
        let line = diag.line(&servers.place);
        problem(&format!(
            "is in place of servers ({line}); take one of them out"
        ));
    }
    let protocol = raw.protocol();
    if protocol != Protocol::Http {
        let name = protocol.name();
        problem(&format!(
            "is for servers that speak http, and the upstream speaks {name}; write an upstream of \
             its own for them"
        ));
    }
    if let Some(balance) = &raw.balance {
        let text = "has no use beside bridges: the path names the server; take it out";
        diag.problem(&balance.place, text);
    }
    for (id, _) in &bridges.value {
        match &*id.value {
            "." | ".." => diag.problem(&id.place, "is never a segment of a path; take another id"),
            id_text if id_text.len() > LONGEST => diag.problem(
                &id.place,
                format!("is longer than the {LONGEST} characters that an id may have"),
            ),
            _ => {}
        }
    }
    let valid = bridges.value.iter().filter(|(_, server)| server.is_some());
    valid.map(|(id, _)| (&*id.value).into()).collect()
}
