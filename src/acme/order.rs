//! One order, step by step (RFC 8555, section 7.4): newOrder, authorizations, challenges, finalize,
//! certificate. The account that orders belongs to the [`Session`].

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType, Identifier,
    NewOrder, Order, OrderStatus,
};
use rcgen::KeyPair;
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::context::AcmeContext;
use super::error::OrderError;
use super::key::signing_request;
use super::open_order::{self, Owner};
use super::schedule::{has_order_expired, next_poll};
use super::session::Session;
use super::spec::{CertSpec, ChallengeKind};
use crate::clock::UnixTime;
use crate::host::HostName;
use crate::secret::Secret;
use crate::store::OpenOrder;
use crate::tls::challenges::Offer;

/// How long to wait for validation, and again for signing. Validation from several places of the
/// world takes some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// The time between two polls of an order grows from the first value to the last.
const FIRST_POLL: Duration = Duration::from_millis(250);
const LAST_POLL: Duration = Duration::from_secs(10);

/// If the CA wants more time than this while it signs, the order is resumed later: other
/// certificates may be due.
const SHORT: Duration = Duration::from_secs(20);

/// The longest wait between two polls, whatever the CA says: during validation, and during signing.
const LONGEST_VALIDATION: Duration = Duration::from_secs(120);
const LONGEST_SIGNING: Duration = Duration::from_secs(24 * 3600);

/// Orders one certificate in a session.
#[derive(Clone, Copy)]
pub(super) struct Orders<'a> {
    pub(super) context: &'a AcmeContext,
    pub(super) session: &'a Session,
    pub(super) cert: &'a CertSpec,
    /// Whether an order is stored, so that a later attempt can resume it.
    pub(super) keeps: bool,
}

/// A chain and its key, both PEM, and the challenge that led to it.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: Secret<String>,
    pub(super) kind: ChallengeKind,
}

impl<'a> Orders<'a> {
    pub(super) fn owner(&self) -> Owner<'a> {
        Owner {
            directory: &self.session.url,
            account: self.session.account.id(),
        }
    }

    /// Places a new order and takes it to its certificate with one kind of challenge.
    pub(super) async fn place(
        &self,
        kind: ChallengeKind,
        replaces: Option<CertificateIdentifier<'static>>,
    ) -> Result<Issued, OrderError> {
        let identifiers: Vec<Identifier> = self
            .cert
            .host_names()
            .into_iter()
            .map(Identifier::Dns)
            .collect();
        let mut new = NewOrder::new(&identifiers);
        if let Some(replaces) = replaces {
            new = new.replaces(replaces);
        }
        if let Some(profile) = &self.cert.profile {
            new = new.profile(profile);
        }
        let key_type = self.cert.key_type;
        let key = self
            .context
            .store(move |_| key_type.generate().map_err(OrderError::Key))
            .await?;
        let order = self.session.account.new_order(&new).await?;
        let open = open_order::new(self.cert, kind, &self.owner(), &order, &key);
        if self.keeps {
            open_order::keep(self.context, self.cert, &open).await;
        }
        self.finish(kind, order, open).await
    }

    /// Resumes an order that an earlier attempt left open.
    pub(super) async fn resume(
        &self,
        kind: ChallengeKind,
        open: OpenOrder,
    ) -> Result<Issued, OrderError> {
        let order = self.session.account.order(open.url.clone()).await;
        match order.map_err(OrderError::from) {
            Ok(order) => self.finish(kind, order, open).await,
            Err(error) => {
                open_order::settle(self.context, self.cert, open, Some(&error)).await;
                Err(error)
            }
        }
    }

    async fn finish(
        &self,
        kind: ChallengeKind,
        order: Order,
        open: OpenOrder,
    ) -> Result<Issued, OrderError> {
        let mut steps = Steps {
            context: self.context,
            client: &self.session.client,
            cert: self.cert,
            kind,
            order,
            open,
        };
        let result = steps.run().await;
        if self.keeps {
            let error = result.as_ref().err();
            open_order::settle(self.context, self.cert, steps.open, error).await;
        }
        result
    }
}

/// The steps of an order that the CA knows.
struct Steps<'a> {
    context: &'a AcmeContext,
    client: &'a Client,
    cert: &'a CertSpec,
    kind: ChallengeKind,
    order: Order,
    open: OpenOrder,
}

impl Steps<'_> {
    /// Begins with the step that the order's status asks for.
    async fn run(&mut self) -> Result<Issued, OrderError> {
        let key = KeyPair::from_pem(self.open.key.reveal()).map_err(OrderError::Key)?;
        if self.order.state().status == OrderStatus::Pending {
            self.validate().await?;
        }
        if self.order.state().status == OrderStatus::Ready {
            let request = signing_request(&key, &self.cert.hosts).map_err(OrderError::Key)?;
            self.order.finalize_csr(&request).await?;
        }
        self.wait_for_signature().await?;
        match self.order.certificate().await? {
            Some(chain) => Ok(Issued {
                chain,
                key: self.open.key.clone(),
                kind: self.kind,
            }),
            None => Err(self.unfinished(self.client.busy_for())),
        }
    }

    /// Challenges (section 7.5.1): proves control of every name that is not authorized yet.
    async fn validate(&mut self) -> Result<(), OrderError> {
        // An order that was validated meanwhile may have authorized names for this one too, so the
        // authorizations are read after it.
        let challenges = &self.context.outputs.challenges;
        let _names = challenges.lock_names(&self.cert.hosts).await;
        // The responses are withdrawn when this function ends.
        let _offers = self.offer_all().await?;
        let (began, mut poll) = (Instant::now(), FIRST_POLL);
        loop {
            let busy_for = self.client.busy_for().unwrap_or_default();
            sleep(busy_for.min(LONGEST_VALIDATION).max(poll)).await;
            poll = poll.mul_f32(1.4).min(LAST_POLL);
            let state = self.order.refresh().await?;
            match (state.status, state.error.clone()) {
                (_, Some(problem)) => {
                    return Err(self.refusal().await.unwrap_or(OrderError::Api(problem)));
                }
                (OrderStatus::Invalid, None) => {
                    let ended = || OrderError::Ended(format!("{:?}", OrderStatus::Invalid));
                    return Err(self.refusal().await.unwrap_or_else(ended));
                }
                (OrderStatus::Pending, None) if began.elapsed() > PATIENCE => {
                    return Err(OrderError::Late);
                }
                (OrderStatus::Pending, None) => {}
                _ => return Ok(()),
            }
        }
    }

    /// Authorizations: publishes a response for each one that is pending, and tells the CA.
    async fn offer_all(&mut self) -> Result<Vec<Offer>, OrderError> {
        let (kind, mut offers) = (self.kind, Vec::new());
        let challenges = &self.context.outputs.challenges;
        let mut authorizations = self.order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let host = authorization.identifier().to_string();
            let kinds = authorization.challenges.iter();
            let offered: Vec<&str> = kinds
                .map(|challenge| type_name(&challenge.r#type))
                .collect();
            let no_challenge = OrderError::NoChallenge {
                host: host.clone(),
                kind,
                offered: offered.join(", "),
            };
            let Some(mut challenge) = authorization.challenge(kind.into()) else {
                return Err(no_challenge);
            };
            let Ok(name) = host.parse::<HostName>() else {
                return Err(no_challenge);
            };
            let proof = challenge.key_authorization();
            offers.push(match kind {
                ChallengeKind::Http01 => {
                    challenges.offer_http(&name, &challenge.token, proof.as_str())
                }
                ChallengeKind::TlsAlpn01 => {
                    challenges.offer_alpn(&name, proof.digest().as_ref())?
                }
            });
            // In a resumed order the CA may be validating already.
            if challenge.status == ChallengeStatus::Pending {
                challenge.set_ready().await?;
            }
        }
        Ok(offers)
    }

    /// Which name was refused and why, if the CA says so.
    async fn refusal(&mut self) -> Option<OrderError> {
        // The authorizations that are known were read before validation.
        self.order.refresh().await.ok()?;
        let mut authorizations = self.order.authorizations();
        while let Some(Ok(authorization)) = authorizations.next().await {
            let problem = authorization
                .challenges
                .iter()
                .find_map(|challenge| challenge.error.clone());
            let host = authorization.identifier().to_string().parse().ok();
            if let (Some(problem), Some(host)) = (problem, host) {
                return Some(OrderError::Refused {
                    host,
                    kind: self.kind,
                    problem,
                });
            }
        }
        None
    }

    /// Waits for the CA's signature, if that comes soon.
    async fn wait_for_signature(&mut self) -> Result<(), OrderError> {
        let (began, mut poll) = (Instant::now(), FIRST_POLL);
        // An order that was left to the CA before is polled once.
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
            let wait = poll.max(busy_for.unwrap_or_default());
            if wait > SHORT || began.elapsed() + wait > patience {
                return Err(self.unfinished(busy_for));
            }
            sleep(wait).await;
            poll = poll.mul_f32(1.4).min(LAST_POLL);
            self.order.refresh().await?;
        }
        let state = self.order.state();
        match (state.status, state.error.clone()) {
            (OrderStatus::Valid, None) => Ok(()),
            (_, Some(problem)) => Err(OrderError::Api(problem)),
            (other, None) => Err(OrderError::Ended(format!("{other:?}"))),
        }
    }

    /// The CA needs more time than an attempt waits: the order is resumed later, or given up.
    fn unfinished(&mut self, busy_for: Option<Duration>) -> OrderError {
        let waited = Duration::from_secs(self.open.waited);
        self.open.expires = self.client.order_expires().or(self.open.expires);
        if has_order_expired(waited, self.open.expires, UnixTime::now()) {
            return OrderError::GivenUp(self.open.url.clone());
        }
        let again = match busy_for {
            Some(said) if said > SHORT => said.min(LONGEST_SIGNING),
            _ => next_poll(waited),
        };
        self.open.waited = self.open.waited.saturating_add(again.as_secs());
        OrderError::Unfinished { again }
    }
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
