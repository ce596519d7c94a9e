//! One order, from the names to the certificate (RFC 8555, section 7.4).

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType, Identifier,
    NewOrder, Order, OrderStatus,
};
use rcgen::KeyPair;
use tokio::time::{Instant, sleep};

use super::attempt::Desk;
use super::client::Client;
use super::context::Shared;
use super::error::OrderError;
use super::key::signing_request;
use super::open_order::{self as open, Owner};
use super::schedule::{is_given_up, next_look};
use super::{CertSpec, ChallengeKind};
use crate::clock::UnixTime;
use crate::host::HostName;
use crate::secret::Secret;
use crate::store::OpenOrder;
use crate::tls::challenges::Offer;

/// For validation and for signing each. Validation from several places of the world takes some
/// seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at the order: at first, and at last.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LAST_LOOK: Duration = Duration::from_secs(10);

/// A CA that wants to be left alone for longer than this while it signs is come back to: others may
/// want to order.
const SHORT: Duration = Duration::from_secs(20);

/// It is left alone for no longer than this, whatever it says: while it looks at the names, and
/// while it signs.
const LONGEST_VALIDATION: Duration = Duration::from_secs(120);
const LONGEST_SIGNING: Duration = Duration::from_secs(24 * 3600);

/// Where orders are made, and whether they are to outlive this attempt.
#[derive(Clone, Copy)]
pub(super) struct Till<'a> {
    pub(super) shared: &'a Shared,
    pub(super) desk: &'a Desk,
    pub(super) directory: &'a str,
    pub(super) keeps: bool,
}

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

impl<'a> Till<'a> {
    pub(super) fn owner(&self) -> Owner<'a> {
        Owner {
            directory: self.directory,
            account: self.desk.account.id(),
        }
    }

    /// Orders a certificate and answers one kind of challenge.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn order(&self, ask: Ask<'_>) -> Result<Issued, OrderError> {
        let Ask {
            cert,
            kind,
            replaces,
        } = ask;
        let identifiers: Vec<Identifier> = cert
            .hosts
            .iter()
            .map(|host| Identifier::Dns(host.as_str().to_owned()))
            .collect();
        let mut new = NewOrder::new(&identifiers);
        if let Some(replaces) = replaces {
            new = new.replaces(replaces);
        }
        if let Some(profile) = &cert.profile {
            new = new.profile(profile);
        }
        let key_type = cert.key_type;
        let key = self
            .shared
            .store(move |_| key_type.generate().map_err(OrderError::Key))
            .await?;
        let order = self.desk.account.new_order(&new).await?;
        let open = open::new(cert, kind, &self.owner(), &order, &key);
        if self.keeps {
            open::keep(self.shared, cert, &open).await;
        }
        self.work_on(cert, kind, order, open).await
    }

    /// Goes on with an order that was left open.
    ///
    /// # Errors
    /// Why it has led to no certificate yet, or will not lead to one.
    pub(super) async fn go_on(
        &self,
        cert: &CertSpec,
        kind: ChallengeKind,
        open: OpenOrder,
    ) -> Result<Issued, OrderError> {
        match self
            .desk
            .account
            .order(open.url.clone())
            .await
            .map_err(OrderError::from)
        {
            Ok(order) => self.work_on(cert, kind, order, open).await,
            Err(error) => {
                open::settle(self.shared, cert, open, Some(&error)).await;
                Err(error)
            }
        }
    }

    async fn work_on(
        &self,
        cert: &CertSpec,
        kind: ChallengeKind,
        order: Order,
        open: OpenOrder,
    ) -> Result<Issued, OrderError> {
        let mut work = Work {
            shared: self.shared,
            client: &self.desk.client,
            cert,
            kind,
            order,
            open,
        };
        let result = work.finish().await;
        if self.keeps {
            open::settle(self.shared, cert, work.open, result.as_ref().err()).await;
        }
        result
    }
}

/// An order that is worked on.
struct Work<'a> {
    shared: &'a Shared,
    client: &'a Client,
    cert: &'a CertSpec,
    kind: ChallengeKind,
    order: Order,
    open: OpenOrder,
}

impl Work<'_> {
    async fn finish(&mut self) -> Result<Issued, OrderError> {
        let key = KeyPair::from_pem(self.open.key.reveal()).map_err(OrderError::Key)?;
        if self.order.state().status == OrderStatus::Pending {
            prove(
                self.shared,
                self.client,
                &mut self.order,
                &self.cert.hosts,
                self.kind,
            )
            .await?;
        }
        if self.order.state().status == OrderStatus::Ready {
            let request = signing_request(&key, &self.cert.hosts).map_err(OrderError::Key)?;
            self.order.finalize_csr(&request).await?;
        }
        self.signed().await?;
        match self.order.certificate().await? {
            Some(chain) => Ok(Issued {
                chain,
                key: self.open.key.clone(),
            }),
            None => Err(self.unfinished(self.client.busy_for())),
        }
    }

    /// Waits for the CA's signature, as long as that comes soon.
    async fn signed(&mut self) -> Result<(), OrderError> {
        let (began, mut look) = (Instant::now(), FIRST_LOOK);
        // An order that was left to the CA before is looked at once.
        let patience = if self.open.waited == 0 {
            PATIENCE
        } else {
            Duration::ZERO
        };
        while matches!(
            self.order.state().status,
            OrderStatus::Processing | OrderStatus::Ready
        ) {
            let busy_for = self.client.busy_for();
            let wait = look.max(busy_for.unwrap_or_default());
            if wait > SHORT || began.elapsed() + wait > patience {
                return Err(self.unfinished(busy_for));
            }
            sleep(wait).await;
            look = look.mul_f32(1.4).min(LAST_LOOK);
            self.order.refresh().await?;
        }
        let state = self.order.state();
        match (state.status, state.error.clone()) {
            (OrderStatus::Valid, None) => Ok(()),
            (_, Some(problem)) => Err(OrderError::Api(problem)),
            (other, None) => Err(OrderError::Ended(format!("{other:?}"))),
        }
    }

    /// The CA signs for longer than anybody waits here.
    fn unfinished(&mut self, busy_for: Option<Duration>) -> OrderError {
        let waited = Duration::from_secs(self.open.waited);
        self.open.expires = self.client.order_ends().or(self.open.expires);
        if is_given_up(waited, self.open.expires, UnixTime::now()) {
            return OrderError::GivenUp(self.open.url.clone());
        }
        let again = match busy_for {
            Some(said) if said > SHORT => said.min(LONGEST_SIGNING),
            _ => next_look(waited),
        };
        self.open.waited = self.open.waited.saturating_add(again.as_secs());
        OrderError::Unfinished { again }
    }
}

/// Proves every name that is not proved yet.
async fn prove(
    shared: &Shared,
    client: &Client,
    order: &mut Order,
    hosts: &[HostName],
    kind: ChallengeKind,
) -> Result<(), OrderError> {
    // The order that was before may have proved names for this one too: looked at after it.
    let _proving = shared.parts.challenges.proving(hosts).await;
    // Taken back when this function ends, however it does.
    let _offers = offer_all(shared, order, kind).await?;
    let (began, mut look) = (Instant::now(), FIRST_LOOK);
    loop {
        sleep(
            client
                .busy_for()
                .unwrap_or_default()
                .min(LONGEST_VALIDATION)
                .max(look),
        )
        .await;
        look = look.mul_f32(1.4).min(LAST_LOOK);
        let state = order.refresh().await?;
        match (state.status, state.error.clone()) {
            (_, Some(problem)) => {
                return Err(refusal(order, kind)
                    .await
                    .unwrap_or(OrderError::Api(problem)));
            }
            (OrderStatus::Invalid, None) => {
                let ended = || OrderError::Ended(format!("{:?}", OrderStatus::Invalid));
                return Err(refusal(order, kind).await.unwrap_or_else(ended));
            }
            (OrderStatus::Pending, None) if began.elapsed() > PATIENCE => {
                return Err(OrderError::Late);
            }
            (OrderStatus::Pending, None) => {}
            _ => return Ok(()),
        }
    }
}

async fn offer_all(
    shared: &Shared,
    order: &mut Order,
    kind: ChallengeKind,
) -> Result<Vec<Offer>, OrderError> {
    let mut offers = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let host = authorization.identifier().to_string();
        let offered = || {
            authorization
                .challenges
                .iter()
                .map(|challenge| type_name(&challenge.r#type))
        };
        let offered = offered().collect::<Vec<_>>().join(", ");
        let no_challenge = || OrderError::NoChallenge {
            host: host.clone(),
            kind,
            offered: offered.clone(),
        };
        let Some(mut challenge) = authorization.challenge(kind.into()) else {
            return Err(no_challenge());
        };
        let name: HostName = host.parse().map_err(|_| no_challenge())?;
        let proof = challenge.key_authorization();
        let challenges = &shared.parts.challenges;
        offers.push(match kind {
            ChallengeKind::Http01 => challenges.offer_http(&name, &challenge.token, proof.as_str()),
            ChallengeKind::TlsAlpn01 => challenges.offer_alpn(&name, proof.digest().as_ref())?,
        });
        // Of an order that is gone on with, the CA may be looking already.
        if challenge.status == ChallengeStatus::Pending {
            challenge.set_ready().await?;
        }
    }
    Ok(offers)
}

/// Which name was refused and why, if the CA says so.
async fn refusal(order: &mut Order, kind: ChallengeKind) -> Option<OrderError> {
    // What was known of the authorizations is from before they were judged.
    order.refresh().await.ok()?;
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let problem = authorization
            .challenges
            .iter()
            .find_map(|challenge| challenge.error.clone());
        let host = authorization.identifier().to_string().parse().ok();
        if let (Some(problem), Some(host)) = (problem, host) {
            return Some(OrderError::Refused {
                host,
                kind,
                problem,
            });
        }
    }
    None
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
