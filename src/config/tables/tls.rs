//! `[tls]`.

use std::path::PathBuf;

use super::section;
use crate::config::problem::{Place, Spanned};
use crate::config::read::List;
use crate::host::HostName;
use crate::tls::MinVersion;

section! {
    /// Certificates and the handshake. Suites are AEAD with ECDHE only. A client that names no
    /// server gets the certificate of the address that it has connected to, or else the first one;
    /// one that names a server which no certificate covers is rejected, unless `default` is set or
    /// it is a [trusted proxy](behind-a-proxy.md). Either `certificates` or `self_signed` must be
    /// there, but not where `listen.https` has no address.
    "[tls]" => struct RawTls {
        /// The oldest version that is spoken.
        min_version: MinVersion = default(MinVersion::default());
        /// Certificates on disk. Names are read from the certificate. Of several for one name,
        /// ECDSA and RSA for example, each client gets one that it can use. Files that change are
        /// reloaded within seconds; if the new ones cannot be used, the old ones stay in use and
        /// the log says why. A certificate that has expired, or that expires soon, is a warning.
        certificates: List<RawPair> = optional("none");
        /// Names for development that no certificate has: they get one that is made under `certs/`,
        /// by a local CA, for clients that trust `certs/ca.pem`.
        self_signed: List<HostName> = optional("none");
        /// Whether unknown names get the first certificate instead of a rejected handshake. The
        /// `Host` of such a client's requests then decides on the route.
        default: bool = default(false);
        /// PEM: the CAs of clients, for policies with
        /// [`client_certificate`](#policiesclient_certificate). A certificate that is not that of a
        /// CA is accepted as itself. The file is reloaded within seconds of a change, and what is
        /// open by a certificate is judged again.
        client_ca: Spanned<PathBuf> = optional("no certificate of a client is accepted");
        /// PEM: the lists of revoked certificates (CRL) of these CAs, each in the same file. A
        /// certificate is rejected if its issuer has no list there, or one that is out of date.
        /// Reloaded in the same way.
        client_crl: Spanned<PathBuf> = optional("nothing is revoked");
    }
    also {
        /// Whether `client_ca` is there, valid or not.
        client_ca_is_written: bool = |table| table.has("client_ca");
        place: Place = |table| table.place().clone();
        /// Whether `certificates` is there, valid or not.
        certificates_is_written: bool = |table| table.has("certificates");
        /// Whether `self_signed` is there, valid or not.
        self_signed_is_written: bool = |table| table.has("self_signed");
    }
}

section! {
    /// A certificate and its key. A file that is missing, or a key that is not the certificate's,
    /// keeps the gateway from starting, and makes a reload fail.
    "tls.certificates" => struct RawPair {
        /// PEM: the server's certificate, then its issuers.
        cert: PathBuf = required("missing; write the path of a PEM file");
        /// PEM: the private key, without a passphrase. The gateway's user must be able to read it.
        key: PathBuf = optional("the file of `cert` has both, as Kurento's `cert+key.pem`");
    }
}
