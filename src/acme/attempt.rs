//! One attempt at a certificate: the account, the order by each kind of challenge in turn, and what
//! came of it.

use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier};

use super::client::Client;
use super::context::Shared;
use super::directory::Directory;
use super::error::OrderError;
use super::order::{Ask, Issued, Till};
use super::schedule;
use super::{AcmeSpec, CertSpec, ChallengeKind, account, open_order as open};
use crate::clock::UnixTime;
use crate::store::{Bundle, Meta};
use crate::telemetry::Chain;
use crate::tls::{self, ServableCert};

/// What is attempted.
pub(super) struct Attempt<'a> {
    pub(super) shared: &'a Shared,
    pub(super) spec: &'a AcmeSpec,
    pub(super) cert: &'a CertSpec,
    /// The URL of the directory: the CA's, or the one to try things out with.
    pub(super) url: &'a str,
    /// The certificate that is renewed, if it is of the same CA.
    pub(super) before: Option<&'a ServableCert>,
    /// How names are proved, the first choice first.
    pub(super) kinds: Vec<ChallengeKind>,
    /// Whether what comes of it is kept: an order that the CA does not finish in time too.
    pub(super) keeps: bool,
}

/// Why an attempt failed, and after how long the CA wants to hear of us again.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: OrderError,
    pub(super) retry_after: Option<Duration>,
}

impl From<OrderError> for Failed {
    fn from(error: OrderError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

impl Failed {
    /// The error with its causes and what to do about it.
    pub(super) fn text(&self) -> String {
        let advice = self
            .error
            .advice()
            .map(|advice| format!("; {advice}"))
            .unwrap_or_default();
        format!("{}{advice}", Chain(&self.error))
    }
}

/// A connection to a CA that knows us.
pub(super) struct Desk {
    pub(super) account: Account,
    pub(super) directory: Directory,
    pub(super) client: Client,
}

impl Attempt<'_> {
    /// Orders.
    pub(super) async fn run(&self) -> Result<Bundle, Failed> {
        let client = self.client().map_err(|error| Failed {
            error,
            retry_after: None,
        })?;
        let mut result = self.order(client.clone()).await;
        // A CA may refuse good nonces (RFC 8555, section 6.5), and a request is sent three times
        // only.
        if result.as_ref().is_err_and(OrderError::is_of_nonce) {
            result = self.order(client.clone()).await;
        }
        result.map_err(|error| Failed {
            error,
            retry_after: client.refused_for(),
        })
    }

    /// Goes to the CA, which knows us then.
    pub(super) async fn desk(&self) -> Result<Desk, OrderError> {
        self.desk_with(self.client()?).await
    }

    pub(super) fn client(&self) -> Result<Client, OrderError> {
        let tls = tls::client_config(self.spec.directory_ca.as_deref(), "acme.directory_ca")?;
        Ok(Client::new((*tls).clone()))
    }

    async fn desk_with(&self, client: Client) -> Result<Desk, OrderError> {
        let directory = Directory::fetch(&client, self.url).await?;
        let account = account::open(self.shared, self.spec, self.url, &directory, &client).await?;
        Ok(Desk {
            account,
            directory,
            client,
        })
    }

    async fn order(&self, client: Client) -> Result<Bundle, OrderError> {
        self.shared.store(|store| store.probe()).await?;
        let issued = match self.order_at_desk(client.clone()).await {
            Err(error) if error.is_unknown_account() => {
                account::forget(self.shared, self.url).await?;
                self.order_at_desk(client).await
            }
            result => result,
        };
        let bundle = self.bundle(issued?);
        if bundle.is_err() && self.keeps {
            // It would be downloaded again and again.
            open::forget(self.shared, self.cert).await;
        }
        bundle
    }

    async fn order_at_desk(&self, client: Client) -> Result<Issued, OrderError> {
        let desk = self.desk_with(client).await?;
        desk.directory.check_profile(self.cert)?;
        match self.go_on(&self.till(&desk)).await? {
            Some(issued) => Ok(issued),
            None => self.by_each_kind(&desk).await,
        }
    }

    fn till<'d>(&'d self, desk: &'d Desk) -> Till<'d> {
        Till {
            shared: self.shared,
            desk,
            directory: self.url,
            keeps: self.keeps,
        }
    }

    /// What comes of the order that is open, if there is one. What has become useless is forgotten,
    /// and ordered anew.
    async fn go_on(&self, till: &Till<'_>) -> Result<Option<Issued>, OrderError> {
        if !self.keeps {
            return Ok(None);
        }
        let Some(open) = open::find(self.shared, self.cert, &till.owner()).await? else {
            return Ok(None);
        };
        // One that is proved already does not need it. Another is proved by what is to be tried
        // now.
        let is_its = |kind: &ChallengeKind| kind.name() == open.challenge;
        let kind = self
            .spec
            .challenges
            .iter()
            .find(|kind| is_its(kind))
            .or(self.kinds.first())
            .copied();
        let Some(kind) = kind else {
            return Err(OrderError::NoKind);
        };
        tracing::info!(certificate = %self.cert.name, order = open.url, "going on with the order that is open");
        match till.go_on(self.cert, kind, open).await {
            Ok(issued) if self.is_useful(&issued) => Ok(Some(issued)),
            Ok(_) => {
                open::forget(self.shared, self.cert).await;
                Ok(None)
            }
            Err(error) if error.leaves_order_open() || matches!(error, OrderError::GivenUp(_)) => {
                Err(error)
            }
            Err(error) => {
                tracing::info!(certificate = %self.cert.name, error = %Chain(&error), "the open order leads to no certificate; a new one is made");
                Ok(None)
            }
        }
    }

    /// Whether what came of an old order is another certificate than the one that there is, and one
    /// that need not be renewed at once. What cannot be read is told by whoever would serve it.
    fn is_useful(&self, issued: &Issued) -> bool {
        let Ok(managed) = self.managed(issued) else {
            return true;
        };
        let info = managed.info();
        let (renewal, _) =
            schedule::renewal(info.not_before.into(), info.not_after.into(), 0.0, None);
        let is_there = self
            .before
            .is_some_and(|before| before.leaf() == managed.leaf());
        !is_there && UnixTime::now() < renewal
    }

    fn managed(&self, Issued { chain, key }: &Issued) -> Result<ServableCert, OrderError> {
        let place = self.shared.parts.store.place(&self.cert.name).into();
        ServableCert::new(
            self.cert.name.as_str(),
            chain,
            key,
            place,
            &self.cert.config_key,
        )
        .map_err(OrderError::Unusable)
    }

    /// A failed validation spoils its order, so that each kind has its own.
    async fn by_each_kind(&self, desk: &Desk) -> Result<Issued, OrderError> {
        let mut replaces = self.replaces(desk);
        let mut kinds = self.kinds.iter().copied().peekable();
        let mut refusals = Vec::new();
        while let Some(kind) = kinds.next() {
            match self.by_kind(desk, kind, &mut replaces).await {
                Err(error) if error.is_of_challenge() => {
                    if let Some(next) = kinds.peek() {
                        tracing::warn!(certificate = %self.cert.name, error = %Chain(&error), next = next.name(), "trying the next challenge");
                    }
                    refusals.push(error);
                }
                result => return result,
            }
        }
        Err(OrderError::of_all(refusals))
    }

    async fn by_kind(
        &self,
        desk: &Desk,
        kind: ChallengeKind,
        replaces: &mut Option<CertificateIdentifier<'static>>,
    ) -> Result<Issued, OrderError> {
        let ask = Ask {
            cert: self.cert,
            kind,
            replaces: replaces.clone(),
        };
        let till = self.till(desk);
        match till.order(ask).await {
            Err(error) if replaces.take().is_some() && error.is_of_replaces() => {
                till.order(Ask {
                    cert: self.cert,
                    kind,
                    replaces: None,
                })
                .await
            }
            result => result,
        }
    }

    /// What the CA calls the certificate that is renewed, if it wants to know (RFC 9773, section
    /// 5).
    fn replaces(&self, desk: &Desk) -> Option<CertificateIdentifier<'static>> {
        desk.directory.renewal_info.as_ref()?;
        identifier(self.before?)
    }

    fn bundle(&self, issued: Issued) -> Result<Bundle, OrderError> {
        let managed = self.managed(&issued)?;
        let Issued { chain, key } = issued;
        let info = managed.info();
        if let Some(host) = self.cert.hosts.iter().find(|host| !info.names_host(host)) {
            return Err(OrderError::LacksHost(host.clone()));
        }
        let facts = managed.facts().map_err(OrderError::Unusable)?;
        let meta = Meta {
            hosts: self
                .cert
                .hosts
                .iter()
                .map(|host| host.as_str().to_owned())
                .collect(),
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

/// What CAs call a certificate; `None` for one that does not say who signed it.
pub(super) fn identifier(of: &ServableCert) -> Option<CertificateIdentifier<'static>> {
    CertificateIdentifier::try_from(of.leaf()?)
        .ok()
        .map(CertificateIdentifier::into_owned)
}

/// From 0 to 1. Without randomness everybody would come at the same time, which is bearable.
fn random_part() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.0,
    }
}
