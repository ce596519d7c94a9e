//! Orders that a CA has taken and not finished, kept in the store: whoever comes next goes on with
//! them.

use instant_acme::Order;
use rcgen::KeyPair;

use super::context::Shared;
use super::error::OrderError;
use super::{CertSpec, ChallengeKind};
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::store::{OpenOrder, StoreError};
use crate::telemetry::Chain;

/// An order that a CA only answers with trouble is given up after so many times: it may be lost
/// there.
const TROUBLES: u32 = 10;

/// Whose order it is.
pub(super) struct Owner<'a> {
    pub(super) directory: &'a str,
    pub(super) account: &'a str,
}

/// A new order as it is kept.
pub(super) fn new(
    cert: &CertSpec,
    kind: ChallengeKind,
    owner: &Owner<'_>,
    order: &Order,
    key: &KeyPair,
) -> OpenOrder {
    OpenOrder {
        url: order.url().to_owned(),
        directory: owner.directory.to_owned(),
        account: owner.account.to_owned(),
        hosts: hosts(cert),
        key_type: cert.key_type.name().to_owned(),
        profile: cert.profile.as_deref().map(str::to_owned),
        challenge: kind.name().to_owned(),
        key: Secret::new(key.serialize_pem()),
        begun: UnixTime::now(),
        expires: None,
        waited: 0,
        troubles: 0,
    }
}

fn hosts(cert: &CertSpec) -> Vec<String> {
    cert.hosts
        .iter()
        .map(|host| host.as_str().to_owned())
        .collect()
}

/// The order that is open for a certificate, if it is for what is wanted now. Any other is
/// forgotten, and what is damaged is set aside.
///
/// # Errors
/// That the store does not give it.
pub(super) async fn find(
    shared: &Shared,
    cert: &CertSpec,
    owner: &Owner<'_>,
) -> Result<Option<OpenOrder>, OrderError> {
    let name = cert.name.clone();
    let found = match shared.store(move |store| store.order(&name)).await {
        Ok(found) => found,
        Err(error @ OrderError::Store(StoreError::Damaged { .. })) => {
            let name = cert.name.clone();
            let place = shared
                .store(move |store| store.set_order_aside(&name))
                .await?;
            tracing::warn!(certificate = %cert.name, error = %Chain(&error), place, "set aside; a new order is made");
            None
        }
        Err(error) => return Err(error),
    };
    let Some(open) = found else { return Ok(None) };
    if is_for(&open, cert, owner) {
        return Ok(Some(open));
    }
    tracing::info!(certificate = %cert.name, order = open.url, "the order that was open is for something else; a new one is made");
    forget(shared, cert).await;
    Ok(None)
}

fn is_for(open: &OpenOrder, cert: &CertSpec, owner: &Owner<'_>) -> bool {
    let is_owners = open.directory == owner.directory && open.account == owner.account;
    let is_profile = open.profile.as_deref() == cert.profile.as_deref();
    is_owners && is_profile && open.hosts == hosts(cert) && open.key_type == cert.key_type.name()
}

/// Keeps it. If the store does not take it the order goes on: only a restart would begin another
/// one.
pub(super) async fn keep(shared: &Shared, cert: &CertSpec, open: &OpenOrder) {
    let (name, open) = (cert.name.clone(), open.clone());
    if let Err(error) = shared
        .store(move |store| store.put_order(&name, &open))
        .await
    {
        tracing::warn!(certificate = %cert.name, error = %Chain(&error), "the open order is not kept; after a restart another one is made");
    }
}

/// Forgets it. If the store keeps it all the same, the CA says at the next order what has become of
/// it.
pub(super) async fn forget(shared: &Shared, cert: &CertSpec) {
    let name = cert.name.clone();
    if let Err(error) = shared.store(move |store| store.forget_order(&name)).await {
        tracing::warn!(certificate = %cert.name, error = %Chain(&error), "an order that has ended stays in the store");
    }
}

/// Keeps or forgets it, by what has become of it. One that has led to a certificate stays until the
/// store has that.
pub(super) async fn settle(
    shared: &Shared,
    cert: &CertSpec,
    mut open: OpenOrder,
    failed: Option<&OrderError>,
) {
    open.troubles = if failed.is_some_and(OrderError::is_server_trouble) {
        open.troubles + 1
    } else {
        0
    };
    match failed {
        Some(error) if !error.leaves_order_open() || open.troubles >= TROUBLES => {
            forget(shared, cert).await
        }
        _ => keep(shared, cert, &open).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::KeyType;
    use crate::acme::fixtures::{open_order, wanting};

    const OWNER: Owner<'static> = Owner {
        directory: "https://ca.example/directory",
        account: "https://ca.example/acct/1",
    };

    #[tokio::test]
    async fn an_order_is_gone_on_with_only_for_what_it_was_made() {
        let others: [fn(&mut CertSpec); 3] = [
            |cert| cert.hosts.push("b.example".parse().unwrap()),
            |cert| cert.key_type = KeyType::Rsa2048,
            |cert| cert.profile = Some("shortlived".into()),
        ];
        let store = tempfile::tempdir().unwrap();
        let (shared, _, cert) = wanting(&store);
        let open = open_order(&cert, OWNER.directory, OWNER.account);
        keep(&shared, &cert, &open).await;
        assert_eq!(
            find(&shared, &cert, &OWNER).await.unwrap(),
            Some(open.clone())
        );
        for other in others {
            keep(&shared, &cert, &open).await;
            let mut wanted = CertSpec::clone(&cert);
            other(&mut wanted);
            assert_eq!(
                find(&shared, &wanted, &OWNER).await.unwrap(),
                None,
                "{wanted:?}"
            );
            assert_eq!(
                find(&shared, &cert, &OWNER).await.unwrap(),
                None,
                "it is forgotten"
            );
        }
        for owner in [
            Owner {
                directory: "https://other.example/",
                ..OWNER
            },
            Owner {
                account: "2",
                ..OWNER
            },
        ] {
            keep(&shared, &cert, &open).await;
            assert_eq!(find(&shared, &cert, &owner).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_damaged_order_is_set_aside_and_made_anew() {
        let store = tempfile::tempdir().unwrap();
        let (shared, _, cert) = wanting(&store);
        let folder = store.path().join("certificates/a.example");
        for _ in 0..2 {
            keep(
                &shared,
                &cert,
                &open_order(&cert, OWNER.directory, OWNER.account),
            )
            .await;
            std::fs::write(folder.join("order.json"), "{\"url\": ").unwrap();
            assert_eq!(find(&shared, &cert, &OWNER).await.unwrap(), None);
            assert!(
                !folder.join("order.json").exists() && folder.join("order.json.damaged").exists()
            );
        }
    }

    #[tokio::test]
    async fn an_order_stays_for_as_long_as_the_ca_may_finish_it() {
        let store = tempfile::tempdir().unwrap();
        let (shared, _, cert) = wanting(&store);
        let problem = |word: &str| {
            let text = format!(r#"{{"type": "urn:ietf:params:acme:error:{word}", "status": 400}}"#);
            OrderError::Api(serde_json::from_str(&text).unwrap())
        };
        let unfinished = || OrderError::Unfinished {
            again: std::time::Duration::from_secs(60),
        };
        for (failed, stays) in [
            (None, true),
            (Some(unfinished()), true),
            (Some(OrderError::Late), true),
            (Some(problem("serverInternal")), true),
            (Some(problem("rateLimited")), true),
            (Some(OrderError::Ended("Invalid".to_owned())), false),
            (
                Some(OrderError::GivenUp("https://ca.example/order/1".to_owned())),
                false,
            ),
            (Some(problem("malformed")), false),
        ] {
            let open = open_order(&cert, OWNER.directory, OWNER.account);
            keep(&shared, &cert, &open).await;
            settle(&shared, &cert, open, failed.as_ref()).await;
            assert_eq!(
                find(&shared, &cert, &OWNER).await.unwrap().is_some(),
                stays,
                "{failed:?}"
            );
        }
        let lost = OpenOrder {
            troubles: TROUBLES - 1,
            ..open_order(&cert, OWNER.directory, OWNER.account)
        };
        settle(&shared, &cert, lost, Some(&problem("serverInternal"))).await;
        assert_eq!(find(&shared, &cert, &OWNER).await.unwrap(), None);
    }
}
