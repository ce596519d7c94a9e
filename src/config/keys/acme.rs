//! `[acme]`: certificates from a CA.

use super::kinds::{ENVIRONMENT, FILE, Kind, SECRET, SWITCH};
use super::{Form, Keys, Unset, key, quoted, word, words};
use crate::acme::{ChallengeKind, KeyType};
use crate::config::lower::acme::STORE;

static DIRECTORY: Kind = Kind {
    name: "directory of a CA",
    expected: "a string",
    text: "`\"letsencrypt\"`, `\"letsencrypt-staging\"` (to try things out: trusted by nobody, with wide limits), or the URL \
           of any other: `https://…`; `http://` only on this very machine.",
    good: &[
        "\"letsencrypt\"",
        "\"https://ca.internal/acme/directory\"",
        "\"http://127.0.0.1:14000/dir\"",
    ],
    bad: (
        "\"http://ca.internal/directory\"",
        "\"http://ca.internal/directory\" is not https: whoever is on the way could play the CA",
    ),
};

static CONTACT: Kind = Kind {
    name: "mail address",
    expected: "a string",
    text: "One or a list of them, with or without `mailto:`.",
    good: &[
        "\"mailto:ops@example.com\"",
        "[\"ops@example.com\", \"mailto:tls@example.com\"]",
    ],
    bad: (
        "\"ops\"",
        "\"ops\" is no mail address, such as \"mailto:ops@example.com\"",
    ),
};

static CERT_HOST: Kind = Kind {
    name: "host of a certificate",
    expected: "a string",
    text: "A DNS name. Addresses are refused, and so are wildcards: they need the DNS-01 challenge.",
    good: &["\"media.example.com\""],
    bad: (
        "\"*.example.com\"",
        "\"*.example.com\" needs the DNS-01 challenge, which ianitor does not speak; name the hosts one by one",
    ),
};

static PROFILE: Kind = Kind {
    name: "profile",
    expected: "a string",
    text: "The name of a profile that the CA offers.",
    good: &["\"shortlived\"", "\"tlsserver\""],
    bad: ("\"\"", "is empty"),
};

static KEY_ID: Kind = Kind {
    name: "key id",
    expected: "a string",
    text: "",
    good: &["\"kid-1\""],
    bad: ("\"\"", "is empty"),
};

pub(in crate::config) static ACME: Keys = Keys {
    table: "[acme]",
    about: "Certificates that the gateway orders from a CA by ACME (RFC 8555), renews and keeps. See [Certificates](\
            certificates.md). An account is made at the first order; **who writes `[acme]` agrees to the CA's terms of \
            service**, whose address the log names then.",
    keys: &[
        key(
            "directory",
            Form::One(&DIRECTORY),
            Unset::Is(|| quoted("letsencrypt")),
            "The CA.",
        ),
        key(
            "directory_ca",
            Form::One(&FILE),
            Unset::Means("the system's CAs"),
            "PEM: the CAs to trust when the directory is asked, instead. For a CA of your own.",
        ),
        key(
            "staging",
            Form::One(&DIRECTORY),
            Unset::Means(
                "`\"letsencrypt-staging\"` where `directory` is one of Let's Encrypt, else none",
            ),
            "Where `ianitor certs renew HOST --dry-run` orders; without one it is refused.",
        ),
        key(
            "contact",
            Form::One(&CONTACT),
            Unset::Means("nobody"),
            "Whom the CA may write to. A change is told to the CA before the next order.",
        ),
        key(
            "external_account",
            Form::Table(&EXTERNAL_ACCOUNT),
            Unset::Means("the account is the gateway's own"),
            "",
        ),
        key(
            "challenges",
            Form::Words(|| words(&ChallengeKind::NAMES)),
            Unset::Means("both, `\"tls-alpn-01\"` first; without a plain listener that one only"),
            "How names are proved, the first choice first; if one fails the next is tried. `tls-alpn-01`: the CA comes to \
             port 443 of the host, which has to arrive at `listen.https`. `http-01`: to port 80, which has to arrive at \
             `listen.http`.",
        ),
        key(
            "store",
            Form::One(&FILE),
            Unset::Is(|| quoted(STORE)),
            "The folder of accounts, certificates and keys. The gateway's user must be able to write there. Several \
             gateways may share it: only one of them orders at a time.",
        ),
        key(
            "placeholder",
            Form::One(&SWITCH),
            Unset::Is(|| bool::default().to_string()),
            "Whether a host that has no certificate yet is answered with a self-signed one instead of a refused handshake. \
             `/readyz` says what is missing either way.",
        ),
        key(
            "certificates",
            Form::Tables(&CERTIFICATE),
            Unset::Required,
            "",
        ),
    ],
};

pub(in crate::config) static EXTERNAL_ACCOUNT: Keys = Keys {
    table: "acme.external_account",
    about: "An account that you have with the CA already, to which the gateway's is bound (external account binding). The \
            key comes from exactly one of `key_file`, `key_env` and `key`.",
    keys: &[
        key(
            "key_id",
            Form::One(&KEY_ID),
            Unset::Required,
            "Its key id, as the CA shows it.",
        ),
        key(
            "key_file",
            Form::One(&FILE),
            Unset::Means("another key says where it is"),
            "Its HMAC key in base64url, as the CA shows it, in a file.",
        ),
        key(
            "key_env",
            Form::One(&ENVIRONMENT),
            Unset::Means("another key says where it is"),
            "The same, from a variable of the environment.",
        ),
        key(
            "key",
            Form::One(&SECRET),
            Unset::Means("another key says where it is"),
            "The same, here. A file with a secret that everybody on the machine may read is a warning.",
        ),
    ],
};

pub(in crate::config) static CERTIFICATE: Keys = Keys {
    table: "acme.certificates",
    about: "A certificate to order. In the store it is called by its first host, and by its kind of key if that is not the \
            default; two of one name are refused, and two of the same hosts and kind of key are a warning.",
    keys: &[
        key(
            "hosts",
            super::Form::List(&CERT_HOST),
            Unset::Required,
            "Its names, from 1 to 100. One that cannot be proved keeps the whole certificate from coming, so put \
             hosts together that live together.",
        ),
        key(
            "key_type",
            Form::Word(|| words(&KeyType::NAMES)),
            Unset::Is(|| word(&KeyType::NAMES, KeyType::default())),
            "Its key, which is new at each renewal. Two certificates for one host, ECDSA and RSA, may stand side by side: \
             each client gets what it can use.",
        ),
        key(
            "profile",
            Form::One(&PROFILE),
            Unset::Means("the CA's default"),
            "The CA's profile to ask for, where the CA has some: `shortlived` of Let's Encrypt is good for six days.",
        ),
    ],
};
