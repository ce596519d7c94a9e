//! Findings about certificates.

use super::Severity::{Danger, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "certificate-numbered",
        Danger,
        "A server names `fullchain1.pem` or the like: a file of certbot's archive, or a copy of \
         one. The next renewal has another number, and this one expires.",
        "Documentation of certbot (live and archive).",
    ),
    entry(
        "key-readable",
        Danger,
        "Every user of the machine can read a private key that a server names.",
        "Permissions that were seen.",
    ),
    entry(
        "certificate-stale",
        Warning,
        "A server names a copy, and certbot's own file for the same names is newer.",
        "Both certificates that were read.",
    ),
    entry(
        "certbot-standalone",
        Warning,
        "certbot renews by a server of its own on a port that a proxy has: the renewal fails.",
        "Documentation of certbot (standalone).",
    ),
    entry(
        "certbot-no-hook",
        Warning,
        "coturn names a certificate of certbot, and neither a hook of that certificate nor a \
         folder of hooks tells coturn: it reads new files only at SIGUSR2 or a start.",
        "Tried with coturn 4.6.1.",
    ),
];
