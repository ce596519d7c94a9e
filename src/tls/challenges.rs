//! What a CA is answered when it looks whether a name is ours. One table for all workers: a
//! validation may arrive at any.
//!
//! Only names and tokens of an open order are in it: an [`Offer`] is dropped with its order.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::{placeholder, provider};
use crate::host::HostName;
use crate::keyed_mutex::{Held, KeyedMutex};
use crate::telemetry::Chain;

/// What a CA asks for inside TLS (RFC 8737, section 4).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Answers to the challenges of open orders.
pub struct Challenges {
    table: ArcSwap<Table>,
    /// Held by whoever changes the table.
    change: Mutex<()>,
    /// Names that are being proved.
    proving: KeyedMutex<HostName>,
}

#[derive(Clone, Default)]
struct Table {
    http: HashMap<(HostName, Box<str>), Arc<str>>,
    alpn: HashMap<HostName, Arc<ServerConfig>>,
    /// For hosts with a token, how to shake hands with a CA that something in front of us has
    /// redirected to https.
    redirected: HashMap<HostName, Arc<ServerConfig>>,
}

impl Challenges {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            table: ArcSwap::default(),
            change: Mutex::new(()),
            proving: KeyedMutex::default(),
        })
    }

    /// Waits until no other order proves any of the names. A CA that shakes hands does not say for
    /// which order it comes, so that two certificates of one host, each with another kind of key,
    /// would get in each other's way.
    pub async fn proving(&self, hosts: &[HostName]) -> Held {
        self.proving.lock_all(hosts.iter().cloned()).await
    }

    /// Whether no order is open, which is nearly always.
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

    /// How to shake hands with a CA that looks at a name (RFC 8737, section 3).
    pub fn alpn(&self, host: &HostName) -> Option<Arc<ServerConfig>> {
        self.table.load().alpn.get(host).cloned()
    }

    /// How to shake hands with a CA that was redirected to https for a token of this name, where no
    /// certificate has the name. CAs verify none there (RFC 8555, section 8.3), and what they are
    /// shown is made for the purpose.
    pub fn redirected(&self, host: &HostName) -> Option<Arc<ServerConfig>> {
        self.table.load().redirected.get(host).cloned()
    }

    /// Answers for a name and a token until the offer is dropped.
    pub fn offer_http(
        self: &Arc<Self>,
        host: &HostName,
        token: &str,
        key_authorization: &str,
    ) -> Offer {
        let key = (host.clone(), token.into());
        let redirected = for_redirected(host).map_err(|error| {
            let error = Chain(&error);
            tracing::warn!(%host, %error, "a CA that is redirected to https is not answered");
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

    /// Answers handshakes for a name until the offer is dropped. The digest is the SHA-256 of the
    /// key authorization.
    ///
    /// # Errors
    /// That the certificate of the challenge could not be made.
    pub fn offer_alpn(self: &Arc<Self>, host: &HostName, digest: &[u8]) -> Result<Offer, NoOffer> {
        let config = config(host, digest)?;
        self.change(|table| _ = table.alpn.insert(host.clone(), config));
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
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}

/// An answer that stands until this is dropped.
#[derive(Debug)]
#[must_use = "the answer is taken back when this is dropped"]
pub struct Offer {
    challenges: Arc<Challenges>,
    host: HostName,
    /// `None` for a handshake.
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
            None => _ = table.alpn.remove(&host),
        });
    }
}

/// Why a challenge cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum NoOffer {
    /// The certificate.
    #[error("the certificate of the challenge could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The handshake's settings.
    #[error("the certificate of the challenge could not be used")]
    Tls(#[from] rustls::Error),
}

/// A handshake with the one certificate that the CA wants to see.
fn config(host: &HostName, digest: &[u8]) -> Result<Arc<ServerConfig>, NoOffer> {
    let mut params = CertificateParams::new([host.as_str().to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    self_signed(&params, ACME_TLS)
}

/// A handshake with a certificate that stands in for the one that is being ordered.
fn for_redirected(host: &HostName) -> Result<Arc<ServerConfig>, NoOffer> {
    let params = placeholder::params(std::slice::from_ref(host), SystemTime::now())?;
    self_signed(&params, b"http/1.1")
}

fn self_signed(params: &CertificateParams, protocol: &[u8]) -> Result<Arc<ServerConfig>, NoOffer> {
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = provider().key_provider.load_private_key(key)?;
    // Not `with_single_cert`: it looks into the certificate, of which it may not know a critical
    // extension.
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
