//! Findings in the files of Kurento.

use super::Severity::{Danger, Hint, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "kurento-public",
        Danger,
        "The control port is bound to more than this machine or a private network. Kurento asks \
         for no password, and `PlayerEndpoint` and `RecorderEndpoint` read and write \
         files and addresses.",
        "Tried with Kurento 7.3.",
    ),
    entry(
        "kurento-wss-public",
        Danger,
        "`secure` is on. Its listener ignores `address` and is bound to all addresses; TLS does \
         not ask for a password either.",
        "Tried with Kurento 7.3.",
    ),
    entry(
        "kurento-pem",
        Danger,
        "The combined file of certificate and key lacks one of them, or begins with the \
         certificate of a CA.",
        "Documentation of Kurento (wss, DTLS).",
    ),
    entry(
        "kurento-turn-static",
        Hint,
        "`turnURL` has a user and a password, which hold for ever.",
        "Documentation of Kurento.",
    ),
    entry(
        "kurento-stun-name",
        Warning,
        "`stunServerAddress` is a name. Kurento takes only an address.",
        "Documentation of Kurento.",
    ),
];
