//! Why a TLS handshake failed: one word for the counters, and a warning where an operator may want
//! to know which clients cannot connect.

use std::io;

use rustls::{Error, PeerIncompatible};

use super::Worker;
use crate::addr::PeerAddr;
use crate::host::HostName;
use crate::telemetry::{Chain, summed};

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HandshakeFailure {
    /// Only TLS versions below `tls.min_version`.
    OldVersion,
    /// No common cipher suite.
    Cipher,
    /// No common group for the key exchange; also a client that knows only key exchange by RSA.
    Group,
    /// No common signature scheme that a certificate could be used with.
    Signature,
    /// No common protocol (ALPN).
    Protocol,
    /// No certificate for the client's server name.
    UnknownName,
    /// No certificate for the client at all, or none that it can verify.
    NoCertificate,
    /// The client sent an alert: it does not accept the certificate, for instance.
    Alert,
    /// The client closed the connection.
    Closed,
    /// Not TLS, or not as the protocol says.
    Malformed,
}

impl HandshakeFailure {
    /// The failure behind an error of the TLS library or the socket.
    pub(super) fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(Error::PeerIncompatible(why)) => Self::incompatible(why),
            Some(Error::NoApplicationProtocol) => Self::Protocol,
            Some(Error::AlertReceived(_)) => Self::Alert,
            // "no server certificate chain resolved"
            Some(Error::General(_)) => Self::NoCertificate,
            Some(_) => Self::Malformed,
            None if error.kind() == io::ErrorKind::InvalidData => Self::Malformed,
            None => Self::Closed,
        }
    }

    fn incompatible(why: &PeerIncompatible) -> Self {
        use PeerIncompatible as P;
        match why {
            P::Tls12NotOffered
            | P::Tls12NotOfferedOrEnabled
            | P::ServerDoesNotSupportTls12Or13
            | P::SupportedVersionsExtensionRequired => Self::OldVersion,
            P::NoCipherSuitesInCommon => Self::Cipher,
            P::NoKxGroupsInCommon
            | P::NamedGroupsExtensionRequired
            | P::NoEcPointFormatsInCommon
            | P::EcPointsExtensionRequired
            | P::UncompressedEcPointsRequired => Self::Group,
            P::NoSignatureSchemesInCommon | P::SignatureAlgorithmsExtensionRequired => {
                Self::Signature
            }
            _ => Self::Malformed,
        }
    }

    /// The reason in metrics and in the log.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::OldVersion => "old_version",
            Self::Cipher => "no_common_cipher",
            Self::Group => "no_common_group",
            Self::Signature => "no_common_signature",
            Self::Protocol => "no_common_protocol",
            Self::UnknownName => "unknown_name",
            Self::NoCertificate => "no_certificate",
            Self::Alert => "alert",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
        }
    }

    /// What the log says; `None` for what scanners and impatient clients do.
    fn warning(self) -> Option<&'static str> {
        match self {
            Self::OldVersion => {
                Some("clients whose TLS versions are below tls.min_version were rejected")
            }
            Self::Cipher => Some("clients that offer none of the cipher suites were rejected"),
            Self::Group => {
                Some("clients without a common group for the key exchange were rejected")
            }
            Self::Signature => {
                Some("clients that cannot verify signatures of the certificate's key were rejected")
            }
            Self::Protocol => Some("clients that offer neither HTTP/1.1 nor HTTP/2 were rejected"),
            Self::UnknownName => {
                Some("clients asked for a name that no certificate has (see tls.default)")
            }
            Self::NoCertificate => Some("clients were rejected: there is no certificate for them"),
            Self::Alert | Self::Closed | Self::Malformed => None,
        }
    }
}

/// Counts and logs a handshake that failed with an error.
pub(super) fn note_error(worker: &Worker, peer: PeerAddr, error: &io::Error) {
    let failure = HandshakeFailure::of(error);
    tracing::debug!(
        %peer,
        reason = failure.word(),
        error = %Chain(error),
        "TLS handshake failed"
    );
    note(worker, peer, failure, None);
}

/// Counts and logs a handshake for a name that has no certificate.
pub(super) fn note_name(
    worker: &Worker,
    peer: PeerAddr,
    failure: HandshakeFailure,
    name: HostName,
) {
    tracing::debug!(%peer, reason = failure.word(), %name, "TLS handshake failed");
    note(worker, peer, failure, Some(name));
}

fn note(worker: &Worker, peer: PeerAddr, failure: HandshakeFailure, name: Option<HostName>) {
    let reason = failure.word();
    worker.metrics.handshake_failed(reason);
    let Some(warning) = failure.warning() else {
        return;
    };
    summed("handshake", reason, move |times| {
        let name = name.as_ref().map(tracing::field::display);
        tracing::warn!(%peer, name, times, reason, "{warning}");
    });
}
