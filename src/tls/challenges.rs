//! Responses to the ACME challenges of open orders. All workers share one table, because a CA's
//! validation may arrive at any of them.
//!
//! A response stays in the table until its [`Offer`] is dropped, which happens with the order.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{placeholder, provider};
use crate::clock;
use crate::host::HostName;
use crate::keyed_mutex::{KeyGuards, KeyedMutex};
use crate::telemetry::Chain;

/// The ALPN protocol of the TLS-ALPN-01 challenge (RFC 8737, section 4).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// The responses to the challenges of open orders.
pub struct Challenges {
    table: ArcSwap<Table>,
    /// Held while the table is being replaced.
    change: Mutex<()>,
    /// Names that are being validated.
    validating: KeyedMutex<HostName>,
    changed: Notify,
}

#[derive(Clone, Default)]
struct Table {
    http: HashMap<(HostName, Box<str>), Arc<str>>,
    alpn: HashMap<HostName, Arc<ServerConfig>>,
    /// Of each of these, the digest that the certificate has.
    digests: HashMap<HostName, Vec<u8>>,
    /// For hosts with a token: handshakes with a CA that a proxy in front of the gateway redirected
    /// to https.
    redirected: HashMap<HostName, Arc<ServerConfig>>,
}

impl Challenges {
    /// An empty table.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            table: ArcSwap::default(),
            change: Mutex::new(()),
            validating: KeyedMutex::default(),
            changed: Notify::new(),
        })
    }

    /// Waits until no other order validates any of the names. A TLS handshake of a CA does not say
    /// which order it belongs to, so orders for an ECDSA and an RSA certificate of the same host
    /// would overwrite each other's responses.
    pub async fn lock_names(&self, hosts: &[HostName]) -> KeyGuards {
        self.validating.lock_all(hosts.iter().cloned()).await
    }

    /// Whether there is nothing to respond to, which is nearly always the case.
    pub fn is_empty(&self) -> bool {
        let table = self.table.load();
        table.http.is_empty() && table.alpn.is_empty()
    }

    /// The key authorization for the token of a name (RFC 8555, section 8.3).
    pub fn http(&self, host: &HostName, token: &str) -> Option<Arc<str>> {
        self.table
            .load()
            .http
            .get(&(host.clone(), token.into()))
            .cloned()
    }

    /// The handshake for a TLS-ALPN-01 validation of a name (RFC 8737, section 3).
    pub fn alpn(&self, host: &HostName) -> Option<Arc<ServerConfig>> {
        self.table.load().alpn.get(host).cloned()
    }

    /// The handshake with a CA that was redirected to https during an HTTP-01 validation of a name
    /// that has no certificate yet. CAs do not verify the certificate there (RFC 8555, section
    /// 8.3), so it is a self-signed one.
    pub fn redirected(&self, host: &HostName) -> Option<Arc<ServerConfig>> {
        self.table.load().redirected.get(host).cloned()
    }

    /// Responds to HTTP-01 for a name and a token until the offer is dropped.
    pub fn offer_http(
        self: &Arc<Self>,
        host: &HostName,
        token: &str,
        key_authorization: &str,
    ) -> Offer {
        let key = (host.clone(), token.into());
        let redirected = for_redirected(host).map_err(|error| {
            let error = Chain(&error);
            tracing::warn!(
                %host,
                %error,
                "ACME validations that are redirected to https will fail"
            );
        });
        self.change(|table| {
            table.http.insert(key, key_authorization.into());
            if let Ok(config) = redirected {
                table.redirected.insert(host.clone(), config);
            }
        });
        Offer {
            challenges: Arc::clone(self),
            host: host.clone(),
            token: Some(token.into()),
        }
    }

    /// Responds to TLS-ALPN-01 for a name until the offer is dropped. The digest is the SHA-256 of
    /// the key authorization.
    ///
    /// # Errors
    /// If the certificate of the challenge cannot be generated or used.
    pub fn offer_alpn(self: &Arc<Self>, host: &HostName, digest: &[u8]) -> Result<Offer, NoOffer> {
        let config = config(host, digest)?;
        self.change(|table| {
            table.alpn.insert(host.clone(), config);
            table.digests.insert(host.clone(), digest.to_vec());
        });
        Ok(Offer {
            challenges: Arc::clone(self),
            host: host.clone(),
            token: None,
        })
    }

    fn change(&self, change: impl FnOnce(&mut Table)) {
        let _alone = self.change.lock();
        let mut table = Table::clone(&self.table.load());
        change(&mut table);
        self.table.store(Arc::new(table));
        self.changed.notify_one();
    }

    /// Resolves when the table has changed since the last call.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// All responses, for the process that replaces this one: CAs validate there.
    pub fn hand_over(&self) -> Vec<HandedChallenge> {
        let table = self.table.load();
        let http =
            table
                .http
                .iter()
                .map(|((host, token), key_authorization)| HandedChallenge::Http {
                    host: host.to_string(),
                    token: token.clone(),
                    key_authorization: Box::from(&**key_authorization),
                });
        let alpn = table
            .digests
            .iter()
            .map(|(host, digest)| HandedChallenge::Alpn {
                host: host.to_string(),
                digest: digest.clone(),
            });
        http.chain(alpn).collect()
    }

    /// Responds to a challenge of an order of another process, until the offer is dropped. `None`
    /// if it cannot be responded to.
    pub fn offer_handed(self: &Arc<Self>, handed: &HandedChallenge) -> Option<Offer> {
        match handed {
            HandedChallenge::Http {
                host,
                token,
                key_authorization,
            } => Some(self.offer_http(&host.parse().ok()?, token, key_authorization)),
            HandedChallenge::Alpn { host, digest } => {
                self.offer_alpn(&host.parse().ok()?, digest).ok()
            }
        }
    }
}

/// A response that the process that replaces this one gives as well.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandedChallenge {
    /// To HTTP-01.
    Http {
        /// The name that is validated.
        host: String,
        /// The token.
        token: Box<str>,
        /// The response.
        key_authorization: Box<str>,
    },
    /// To TLS-ALPN-01.
    Alpn {
        /// The name that is validated.
        host: String,
        /// The SHA-256 of the key authorization.
        digest: Vec<u8>,
    },
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}

/// A response that is removed from the table when this is dropped.
#[derive(Debug)]
#[must_use = "the response is removed when this is dropped"]
pub struct Offer {
    challenges: Arc<Challenges>,
    host: HostName,
    /// `None` for TLS-ALPN-01.
    token: Option<Box<str>>,
}

impl Drop for Offer {
    fn drop(&mut self) {
        let (host, token) = (self.host.clone(), self.token.take());
        self.challenges.change(|table| match token {
            Some(token) => {
                let key = (host, token);
                table.http.remove(&key);
                let has_another = table.http.keys().any(|(other, _)| *other == key.0);
                if !has_another {
                    table.redirected.remove(&key.0);
                }
            }
            None => {
                table.alpn.remove(&host);
                table.digests.remove(&host);
            }
        });
    }
}

/// Why a challenge cannot be responded to.
#[derive(Debug, thiserror::Error)]
pub enum NoOffer {
    /// Generating the certificate failed.
    #[error("the certificate of the challenge could not be generated")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library rejected the certificate or the settings.
    #[error("the certificate of the challenge could not be used")]
    Tls(#[from] rustls::Error),
}

/// A handshake with the certificate that proves control of the host.
fn config(host: &HostName, digest: &[u8]) -> Result<Arc<ServerConfig>, NoOffer> {
    let mut params = CertificateParams::new([host.as_str().to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    self_signed(&params, ACME_TLS)
}

/// A handshake with a self-signed certificate, as the ordered one does not exist yet.
fn for_redirected(host: &HostName) -> Result<Arc<ServerConfig>, NoOffer> {
    let params = placeholder::params(std::slice::from_ref(host), clock::wall())?;
    self_signed(&params, b"http/1.1")
}

fn self_signed(params: &CertificateParams, protocol: &[u8]) -> Result<Arc<ServerConfig>, NoOffer> {
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider().key_provider.load_private_key(key)?;
    // Not `with_single_cert`: it parses the certificate and may reject its critical extension,
    // which it does not know.
    let certified = SingleCertAndKey::from(CertifiedKey::new(vec![cert.der().clone()], key));
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certified));
    config.alpn_protocols = vec![protocol.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
