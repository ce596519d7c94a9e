//! Findings about ports and `gateway.toml`.

use super::Severity::Danger;
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "port-reachable",
        Danger,
        "One of 7088, 7188, 8088, 8188, 8888, 5280 and 9090 listens on all addresses, and the \
         rules of the firewall let connections from anywhere in. Without rules, or with rules \
         that depend on more than port, source and state, it is not known.",
        "/proc/net and the rules that were given.",
    ),
    entry(
        "port-taken-twice",
        Danger,
        "coturn and a proxy want the same port: the one that starts later fails.",
        "Both lines.",
    ),
    entry(
        "gateway-invalid",
        Danger,
        "`ianitor check` would reject the file.",
        "The reader of the gateway itself.",
    ),
];
