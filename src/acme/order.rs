//! One order, from the names to the certificate (RFC 8555, section 7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::KeyPair;

use super::error::OrderError;
use super::key::signing_request;
use super::shared::Shared;
use super::{CertSpec, ChallengeKind};
use crate::host::HostName;
use crate::secret::Secret;
use crate::tls::challenges::Offer;

/// For validation and for signing each. Validation from several places of the world takes some seconds.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.4).timeout(Duration::from_secs(120));

/// What is ordered.
pub(super) struct Ask<'a> {
    pub(super) cert: &'a CertSpec,
    pub(super) kind: ChallengeKind,
    pub(super) replaces: Option<CertificateIdentifier<'static>>,
}

/// A chain and its key, both PEM.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: Secret<String>,
}

/// Orders a certificate and answers one kind of challenge.
///
/// # Errors
/// Why there is none.
pub(super) async fn order(shared: &Shared, account: &Account, ask: Ask<'_>) -> Result<Issued, OrderError> {
    let Ask { cert, kind, replaces } = ask;
    let identifiers: Vec<Identifier> =
        cert.hosts.iter().map(|host| Identifier::Dns(host.as_str().to_owned())).collect();
    let mut new = NewOrder::new(&identifiers);
    if let Some(replaces) = replaces {
        new = new.replaces(replaces);
    }
    if let Some(profile) = &cert.profile {
        new = new.profile(profile);
    }
    let mut order = account.new_order(&new).await?;
    prove(shared, &mut order, &cert.hosts, kind).await?;
    let key_type = cert.key_type;
    let key = shared.store(move |_| key_type.generate().map_err(OrderError::Key)).await?;
    finish(&mut order, &key, &cert.hosts).await
}

/// Proves every name that is not proved yet.
async fn prove(shared: &Shared, order: &mut Order, hosts: &[HostName], kind: ChallengeKind) -> Result<(), OrderError> {
    // The order that was before may have proved names for this one too: looked at after it.
    let _proving = shared.parts.challenges.proving(hosts).await;
    // Taken back when this function ends, however it does.
    let offers = offer_all(shared, order, kind).await?;
    if offers.is_empty() && order.state().status == OrderStatus::Ready {
        return Ok(());
    }
    let ended = order.poll_ready(&PATIENCE).await.map_err(OrderError::from);
    match ended {
        Ok(OrderStatus::Ready) => Ok(()),
        Ok(other) => Err(refusal(order, kind).await.unwrap_or(OrderError::Ended(format!("{other:?}")))),
        Err(error @ OrderError::Api(_)) => Err(refusal(order, kind).await.unwrap_or(error)),
        Err(error) => Err(error),
    }
}

async fn offer_all(shared: &Shared, order: &mut Order, kind: ChallengeKind) -> Result<Vec<Offer>, OrderError> {
    let mut offers = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let host = authorization.identifier().to_string();
        let offered = || authorization.challenges.iter().map(|challenge| type_name(&challenge.r#type));
        let offered = offered().collect::<Vec<_>>().join(", ");
        let no_challenge = || OrderError::NoChallenge { host: host.clone(), kind, offered: offered.clone() };
        let Some(mut challenge) = authorization.challenge(kind.into()) else { return Err(no_challenge()) };
        let name: HostName = host.parse().map_err(|_| no_challenge())?;
        let proof = challenge.key_authorization();
        let challenges = &shared.parts.challenges;
        offers.push(match kind {
            ChallengeKind::Http01 => challenges.offer_http(&name, &challenge.token, proof.as_str()),
            ChallengeKind::TlsAlpn01 => challenges.offer_alpn(&name, proof.digest().as_ref())?,
        });
        challenge.set_ready().await?;
    }
    Ok(offers)
}

/// Which name was refused and why, if the CA says so.
async fn refusal(order: &mut Order, kind: ChallengeKind) -> Option<OrderError> {
    // What was known of the authorizations is from before they were judged.
    order.refresh().await.ok()?;
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.clone());
        let host = authorization.identifier().to_string().parse().ok();
        if let (Some(problem), Some(host)) = (problem, host) {
            return Some(OrderError::Refused { host, kind, problem });
        }
    }
    None
}

async fn finish(order: &mut Order, key: &KeyPair, hosts: &[HostName]) -> Result<Issued, OrderError> {
    let request = signing_request(key, hosts).map_err(OrderError::Key)?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(Issued { chain, key: Secret::new(key.serialize_pem()) })
}

impl From<ChallengeKind> for ChallengeType {
    fn from(kind: ChallengeKind) -> Self {
        match kind {
            ChallengeKind::TlsAlpn01 => Self::TlsAlpn01,
            ChallengeKind::Http01 => Self::Http01,
        }
    }
}

fn type_name(kind: &ChallengeType) -> &str {
    match kind {
        ChallengeType::Http01 => "http-01",
        ChallengeType::Dns01 => "dns-01",
        ChallengeType::TlsAlpn01 => "tls-alpn-01",
        ChallengeType::DeviceAttest01 => "device-attest-01",
        ChallengeType::Unknown(other) => other,
        _ => "another",
    }
}
