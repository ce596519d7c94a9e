//! `[[passthrough]]`: entries that no connection reaches.

use crate::config::diagnostics::Diagnostics;
use crate::config::read::List;
use crate::config::tables::RawPassthrough;
use crate::host::HostPattern;

/// Warns about entries that are never reached.
pub(super) fn note_unreached(
    entries: &List<RawPassthrough>,
    has_https: bool,
    diag: &Diagnostics<'_>,
) {
    for name in entries
        .iter()
        .flatten()
        .filter_map(|entry| entry.value.sni.as_ref())
    {
        let is_address = matches!(&name.value, HostPattern::Exact(host) if host.ip().is_some());
        if !has_https {
            let text = "is never reached: TLS arrives at listen.https, which has no address";
            diag.warning(&name.place, text);
        } else if is_address {
            let text = "is never reached: clients of TLS send names and no addresses (RFC 6066, \
                        section 3); write the name";
            diag.warning(&name.place, text);
        }
    }
}
