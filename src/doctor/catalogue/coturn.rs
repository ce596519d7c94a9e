//! Findings in `turnserver.conf`.

use super::Severity::{Danger, Hint, Warning};
use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "coturn-no-auth",
        Danger,
        "There is neither a secret nor a user, or `no-auth` is set. The file that Debian \
         installs is such a one: coturn then relays for everybody.",
        "Tried with coturn 4.6.1 and turnutils_uclient.",
    ),
    entry(
        "coturn-private-peers",
        Danger,
        "`denied-peer-ip` does not cover 10/8, 172.16/12, 192.168/16, 100.64/10, 169.254/16, \
         fc00::/7 and fe80::/10. Everybody with a credential reaches what listens there, such \
         as the metadata service of a cloud.",
        "Documentation of coturn; CVE-2020-26262 for loopback, which coturn denies itself.",
    ),
    entry(
        "coturn-peer-network",
        Danger,
        "An address with a prefix length in `denied-peer-ip` or `allowed-peer-ip`. coturn \
         writes `Wrong address format` to its log and goes on without the line.",
        "Tried with coturn 4.6.1.",
    ),
    entry(
        "coturn-loopback-peers",
        Danger,
        "`allow-loopback-peers` lets clients reach what listens on 127.0.0.1, such as Janus \
         behind this gateway.",
        "Documentation of coturn.",
    ),
    entry(
        "coturn-proxy-port",
        Danger,
        "`tcp-proxy-port` takes PROXY headers from everybody, on all addresses: clients can \
         write any address of theirs into coturn's log and limits.",
        "Documentation of coturn.",
    ),
    entry(
        "coturn-secret-weak",
        Danger,
        "`static-auth-secret` is shorter than 16 characters, or made of the words of examples. \
         It can be tried out against any credential that coturn gave, without asking coturn.",
        "draft-uberti-behave-turn-rest-00.",
    ),
    entry(
        "coturn-cli-open",
        Danger,
        "The telnet console of coturn is on, with a password that can be guessed or beyond this \
         machine. It changes settings while coturn runs.",
        "Documentation of coturn.",
    ),
    entry(
        "coturn-own-address-denied",
        Warning,
        "The relay's own public address is in `denied-peer-ip`: two clients that both need the \
         relay cannot reach each other.",
        "coturn, issue 584.",
    ),
    entry(
        "coturn-certificate-unreadable",
        Warning,
        "`cert` or `pkey` lies below /etc/letsencrypt, which is open to root alone, and the \
         package runs coturn as `turnserver`.",
        "coturn.service of Debian 12.",
    ),
    entry(
        "coturn-user-ignored",
        Warning,
        "`user` stands beside a secret. coturn then looks at no user: the login is refused.",
        "Tried with coturn 4.6.1.",
    ),
    entry(
        "coturn-secret-twice",
        Hint,
        "There are several `static-auth-secret` lines. coturn takes credentials of all, which a \
         change of the secret needs, but not after it.",
        "Tried with coturn 4.6.1.",
    ),
    entry(
        "coturn-auth-implicit",
        Hint,
        "`static-auth-secret` without `use-auth-secret`. It works in 4.6.1, and is not \
         promised.",
        "Tried with coturn 4.6.1.",
    ),
    entry(
        "coturn-oauth",
        Hint,
        "`oauth` beside a secret announces third-party authorization to clients, which has \
         nothing to do with the secret.",
        "Tried with coturn 4.6.1.",
    ),
    entry(
        "coturn-cli",
        Hint,
        "`no-cli` is missing. coturn 4.6.1 leaves its console off as long as it has no \
         password; older versions did not.",
        "Tried with coturn 4.6.1.",
    ),
    entry(
        "coturn-port-range",
        Hint,
        "There is no `min-port` and `max-port`: relays use 49152 to 65535, and the firewall has \
         to leave them all open.",
        "Documentation of coturn.",
    ),
];
