//! One attempt to get a certificate: an order for each kind of challenge in turn, or the open order
//! of an earlier attempt.

use instant_acme::CertificateIdentifier;

use super::ari::identifier;
use super::client::Client;
use super::context::AcmeContext;
use super::error::OrderError;
use super::failure::Failure;
use super::order::{Issued, Orders};
use super::session::{self, Session};
use super::spec::{AcmeSpec, CertSpec, ChallengeKind};
use super::{account, open_order, schedule, self_check};
use crate::clock::UnixTime;
use crate::store::{Bundle, Meta};
use crate::telemetry::Chain;
use crate::tls::ServableCert;

/// Whether to look at the challenges before the CA does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SelfCheck {
    /// Not at all.
    Skip,
    /// Without the kinds of challenge that another server would answer, if others remain.
    Advise,
    /// The same, and without an order if none remain.
    Require,
}

/// A certificate, and the challenge that led to it.
pub(super) struct Obtained {
    pub(super) bundle: Bundle,
    pub(super) kind: ChallengeKind,
}

pub(super) struct Attempt<'a> {
    pub(super) context: &'a AcmeContext,
    pub(super) spec: &'a AcmeSpec,
    pub(super) cert: &'a CertSpec,
    /// The URL of the CA's directory, or of the staging directory.
    pub(super) url: &'a str,
    /// The certificate that is renewed, if it is of the same CA.
    pub(super) before: Option<&'a ServableCert>,
    /// The kinds of challenge, the first choice first.
    pub(super) kinds: Vec<ChallengeKind>,
    /// Whether the certificate and an unfinished order are kept; not so in a dry run.
    pub(super) keeps: bool,
    pub(super) self_check: SelfCheck,
}

impl Attempt<'_> {
    pub(super) async fn run(&self) -> Result<Obtained, Failure> {
        let client = session::client(self.spec)?;
        let mut result = self.order(client.clone()).await;
        // A CA may reject good nonces (RFC 8555, section 6.5), and instant-acme sends a request
        // three times only.
        if result.as_ref().is_err_and(OrderError::is_of_nonce) {
            result = self.order(client.clone()).await;
        }
        result.map_err(|error| Failure {
            error,
            retry_after: client.refused_for(),
        })
    }

    async fn order(&self, client: Client) -> Result<Obtained, OrderError> {
        self.context.store(|store| store.probe()).await?;
        let issued = match self.order_in_session(client.clone()).await {
            Err(error) if error.is_unknown_account() => {
                account::forget(self.context, self.url).await?;
                self.order_in_session(client).await
            }
            result => result,
        };
        let issued = issued?;
        let kind = issued.kind;
        let bundle = self.bundle(issued);
        if bundle.is_err() && self.keeps {
            // Otherwise each attempt would download the same useless certificate.
            open_order::forget(self.context, self.cert).await;
        }
        Ok(Obtained {
            bundle: bundle?,
            kind,
        })
    }

    async fn order_in_session(&self, client: Client) -> Result<Issued, OrderError> {
        let session = Session::open(self.context, self.spec, self.url, client).await?;
        session::check_profile(&session.directory, self.cert)?;
        let orders = Orders {
            context: self.context,
            session: &session,
            cert: self.cert,
            keeps: self.keeps,
        };
        match self.resume(&orders).await? {
            Some(issued) => Ok(issued),
            None => self.place(&orders).await,
        }
    }

    /// Resumes the open order, if there is one. An order that has become useless is forgotten.
    async fn resume(&self, orders: &Orders<'_>) -> Result<Option<Issued>, OrderError> {
        if !self.keeps {
            return Ok(None);
        }
        let open = open_order::find(self.context, self.cert, &orders.owner()).await?;
        let Some(open) = open else {
            return Ok(None);
        };
        // If the open order's kind is no longer configured, the first choice of this attempt is
        // used; an order that is validated already needs none.
        let mut configured = self.spec.challenges.iter();
        let kind = configured
            .find(|kind| kind.name() == open.challenge)
            .or(self.kinds.first())
            .copied()
            .ok_or(OrderError::NoKind)?;
        tracing::info!(certificate = %self.cert.name, order = open.url, "resuming the open order");
        match orders.resume(kind, open).await {
            Ok(issued) if self.is_useful(&issued) => Ok(Some(issued)),
            Ok(_) => {
                open_order::forget(self.context, self.cert).await;
                Ok(None)
            }
            Err(error) if error.leaves_order_open() || matches!(error, OrderError::GivenUp(_)) => {
                Err(error)
            }
            Err(error) => {
                let error = Chain(&error);
                tracing::info!(
                    certificate = %self.cert.name, %error,
                    "the open order yields no certificate; placing a new one"
                );
                Ok(None)
            }
        }
    }

    /// Whether the certificate of a resumed order is not the one in service, and not due for
    /// renewal at once. One that cannot be read counts as useful: serving it reports the error.
    fn is_useful(&self, issued: &Issued) -> bool {
        let Ok(servable) = self.servable(issued) else {
            return true;
        };
        let info = servable.info();
        let (not_before, not_after) = (info.not_before.into(), info.not_after.into());
        let (renewal, _) = schedule::renewal(not_before, not_after, 0.0, None);
        let is_in_service = self
            .before
            .is_some_and(|before| before.leaf() == servable.leaf());
        !is_in_service && UnixTime::now() < renewal
    }

    fn servable(&self, Issued { chain, key, .. }: &Issued) -> Result<ServableCert, OrderError> {
        let (name, place) = (
            self.cert.name.as_str(),
            self.context.store.place(&self.cert.name),
        );
        ServableCert::new(name, chain, key, place.into(), &self.cert.config_key)
            .map_err(OrderError::Unusable)
    }

    /// A failed validation makes its order invalid, so each kind of challenge has an order.
    async fn place(&self, orders: &Orders<'_>) -> Result<Issued, OrderError> {
        let mut replaces = self.replaces(orders.session);
        let mut kinds = self.promising_kinds().await?.into_iter().peekable();
        let mut refusals = Vec::new();
        while let Some(kind) = kinds.next() {
            match place_one(orders, kind, &mut replaces).await {
                Err(error) if error.is_of_challenge() => {
                    self.note_failed_validation(&error);
                    if let Some(next) = kinds.peek() {
                        tracing::warn!(
                            certificate = %self.cert.name,
                            error = %Chain(&error),
                            next = next.name(),
                            "trying the next challenge"
                        );
                    }
                    refusals.push(error);
                }
                result => return result,
            }
        }
        Err(OrderError::of_all(refusals))
    }

    /// The kinds of challenge that no other server would answer, as far as we can see. A kind that
    /// is certain to fail would count against the limits of the CA.
    async fn promising_kinds(&self) -> Result<Vec<ChallengeKind>, OrderError> {
        if self.self_check == SelfCheck::Skip {
            return Ok(self.kinds.clone());
        }
        let (mut kinds, mut elsewhere) = (Vec::new(), Vec::new());
        for kind in &self.kinds {
            let challenges = &self.context.outputs.challenges;
            match self_check::look(challenges, &self.cert.hosts, *kind).await {
                None => kinds.push(*kind),
                Some(found) => elsewhere.push(found),
            }
        }
        if kinds.is_empty() && self.self_check == SelfCheck::Require {
            return Err(OrderError::Elsewhere(elsewhere));
        }
        for found in &elsewhere {
            tracing::warn!(
                certificate = %self.cert.name, challenge = found.kind.name(), %found,
                "the CA is unlikely to accept this challenge"
            );
        }
        Ok(if kinds.is_empty() {
            self.kinds.clone()
        } else {
            kinds
        })
    }

    fn note_failed_validation(&self, error: &OrderError) {
        let failed = &self.context.failed_validations;
        match error {
            OrderError::Refused { host, .. } => failed.note(self.url, host),
            // The CA has not said which.
            OrderError::Ended(_) => {
                let hosts = self.cert.hosts.iter();
                hosts.for_each(|host| failed.note(self.url, host));
            }
            _ => {}
        }
    }

    /// The identifier of the certificate that is renewed, for CAs that take it (RFC 9773, section
    /// 5).
    fn replaces(&self, session: &Session) -> Option<CertificateIdentifier<'static>> {
        session.directory.renewal_info.as_ref()?;
        identifier(self.before?)
    }

    fn bundle(&self, issued: Issued) -> Result<Bundle, OrderError> {
        let servable = self.servable(&issued)?;
        let Issued { chain, key, .. } = issued;
        let info = servable.info();
        if let Some(host) = self.cert.hosts.iter().find(|host| !info.names_host(host)) {
            return Err(OrderError::LacksHost(host.clone()));
        }
        let facts = servable.facts().map_err(OrderError::Unusable)?;
        let meta = Meta {
            hosts: self.cert.host_names(),
            key_type: self.cert.key_type.name().to_owned(),
            directory: self.url.to_owned(),
            profile: self.cert.profile.as_deref().map(str::to_owned),
            issued: UnixTime::now(),
            serial: facts.serial,
            issuer: facts.issuer,
            not_before: info.not_before.into(),
            not_after: info.not_after.into(),
            spread: random_part(),
            revoked: None,
        };
        Ok(Bundle { chain, key, meta })
    }
}

/// An order with one kind of challenge. A CA that rejects `replaces` gets the order without it, and
/// so do the orders after it.
async fn place_one(
    orders: &Orders<'_>,
    kind: ChallengeKind,
    replaces: &mut Option<CertificateIdentifier<'static>>,
) -> Result<Issued, OrderError> {
    match orders.place(kind, replaces.clone()).await {
        Err(error) if replaces.take().is_some() && error.is_of_replaces() => {
            orders.place(kind, None).await
        }
        result => result,
    }
}

/// From 0 to 1. Without randomness all renewals would come at the same time, which is bearable.
fn random_part() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.0,
    }
}
