//! `[acme]`: certificates from a CA.

use std::path::PathBuf;

use super::section;
use crate::acme::{AcmeSpec, ChallengeKind, KeyType};
use crate::config::problem::Spanned;
use crate::config::read::{List, Table};
use crate::config::values::{
    CertHost, Contacts, DirectoryUrl, EnvVar, KeyId, ProfileName, SecretText,
};

section! {
    /// Certificates that the gateway orders from a CA by ACME (RFC 8555), renews and keeps. See
    /// [Certificates](certificates.md). An account is made at the first order; **using `[acme]`
    /// accepts the CA's terms of service**, whose address is then in the log.
    "[acme]" => struct RawAcme {
        /// The CA.
        directory: DirectoryUrl = default(AcmeSpec::LETS_ENCRYPT.into());
        /// PEM: the CAs to trust when the directory is asked, instead. For a CA of your own. A
        /// certificate that is not that of a CA is accepted as itself, whatever names and dates are
        /// in it.
        directory_ca: PathBuf = optional("the system's CAs");
        /// Where an order is tried before a CA that has refused one is asked again, and where
        /// `ianitor certs renew HOST --dry-run` orders; without a directory for it, the command is
        /// rejected.
        staging: DirectoryUrl = optional(
            "`\"letsencrypt-staging\"` where `directory` is one of Let's Encrypt, else none"
        );
        /// Whom the CA may write to. The CA gets a change before the next order.
        contact: Contacts = or_empty("none");
        external_account: RawExternal = optional("the account is the gateway's own");
        /// How names are proved, the first choice first; if one fails the next is tried.
        /// `tls-alpn-01`: the CA comes to port 443 of the host, which has to arrive at
        /// `listen.https`. `http-01`: to port 80, which has to arrive at `listen.http`.
        challenges: Spanned<List<ChallengeKind>> = optional(
            "both, `\"tls-alpn-01\"` first; without a plain listener that one only"
        );
        /// The folder of accounts, certificates and keys. The gateway's user must be able to write
        /// there. Several gateways may share it: only one of them orders at a time.
        store: PathBuf = default("certs/acme".into());
        /// Whether a host that has no certificate yet is answered with a self-signed one instead of
        /// a rejected handshake. `/readyz` says what is missing either way.
        placeholder: bool = default(false);
        certificates: Spanned<List<RawCert>> = required(concat!(
            "missing; write what to order, certificates = [{ hosts = [\"media.example.com\"] ",
            "}]",
        ));
    }
}

section! {
    /// An account that you have with the CA already, to which the gateway's is bound (external
    /// account binding). The key comes from exactly one of `key_file`, `key_env` and `key`.
    "acme.external_account" => struct RawExternal {
        /// Its key id, as the CA shows it.
        key_id: KeyId = required("missing; write the key id that the CA gave you");
        /// Its HMAC key in base64url, as the CA shows it, in a file.
        key_file: Spanned<PathBuf> = optional("another key says where it is");
        /// The same, from a variable of the environment.
        key_env: Spanned<EnvVar> = optional("another key says where it is");
        /// The same, here. If every user of the machine may read the file, that is a warning.
        key: Spanned<SecretText> = optional("another key says where it is");
    }
    check hmac_key;
}

fn hmac_key(_: &RawExternal, table: &Table<'_>) {
    let text = concat!(
        "missing; write the file that has the HMAC key that the CA gave you, ",
        "key_file = \"secrets/eab\""
    );
    table.require_one_of(&["key_file", "key_env", "key"], text);
}

section! {
    /// A certificate to order. In the store it is called by its first host, and by its kind of key
    /// if that is not the default; two of one name are rejected, and two of the same hosts and kind
    /// of key are a warning.
    "acme.certificates" => struct RawCert {
        /// Its names, from 1 to 100. One that cannot be proved keeps the whole certificate from
        /// coming, so put hosts together that live together.
        hosts: Spanned<List<CertHost>> = required(
            "missing; write the names, hosts = [\"media.example.com\"]"
        );
        /// Its key, which is new at each renewal. Two certificates for one host, ECDSA and RSA, may
        /// stand side by side: each client gets what it can use.
        key_type: KeyType = default(KeyType::default());
        /// The CA's profile to ask for, where the CA has some: `shortlived` of Let's Encrypt is
        /// good for six days.
        profile: ProfileName = optional("the CA's default");
    }
}
