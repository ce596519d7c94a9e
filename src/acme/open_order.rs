//! Open orders: orders that a CA has not finished. They are kept in the store, so that the next
//! attempt or process can resume them.

use instant_acme::Order;
use rcgen::KeyPair;

use super::context::AcmeContext;
use super::error::OrderError;
use super::spec::{CertSpec, ChallengeKind};
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::store::{OpenOrder, Part, StoreError};
use crate::telemetry::Chain;

/// How many server errors in a row an order survives. The CA may have lost it.
const TROUBLES: u32 = 10;

/// The CA and account of an order.
pub(super) struct Owner<'a> {
    pub(super) directory: &'a str,
    pub(super) account: &'a str,
}

/// A new order as it is stored.
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
        hosts: cert.host_names(),
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

/// The open order for a certificate, if it matches the configuration. Any other is forgotten, and a
/// damaged one is set aside.
pub(super) async fn find(
    context: &AcmeContext,
    cert: &CertSpec,
    owner: &Owner<'_>,
) -> Result<Option<OpenOrder>, OrderError> {
    let name = cert.name.clone();
    let found = match context.store(move |store| store.order(&name)).await {
        Ok(found) => found,
        Err(OrderError::Store(StoreError::Damaged { what, .. })) => {
            let name = cert.name.clone();
            context
                .store(move |store| store.set_aside(&Part::Order(&name), &what))
                .await?;
            None
        }
        Err(error) => return Err(error),
    };
    let Some(open) = found else { return Ok(None) };
    if is_for(&open, cert, owner) {
        return Ok(Some(open));
    }
    tracing::info!(
        certificate = %cert.name, order = open.url,
        "the open order does not match the configuration; placing a new one"
    );
    forget(context, cert).await;
    Ok(None)
}

fn is_for(open: &OpenOrder, cert: &CertSpec, owner: &Owner<'_>) -> bool {
    let is_owners = open.directory == owner.directory && open.account == owner.account;
    let is_profile = open.profile.as_deref() == cert.profile.as_deref();
    is_owners
        && is_profile
        && open.hosts == cert.host_names()
        && open.key_type == cert.key_type.name()
}

/// Stores an order. If that fails the attempt goes on; only a restart would place another order.
pub(super) async fn keep(context: &AcmeContext, cert: &CertSpec, open: &OpenOrder) {
    let (name, open) = (cert.name.clone(), open.clone());
    if let Err(error) = context
        .store(move |store| store.put_order(&name, &open))
        .await
    {
        tracing::warn!(
            certificate = %cert.name, error = %Chain(&error),
            "the open order cannot be stored; a restart would place another one"
        );
    }
}

/// Removes an order. If that fails, the CA tells the next attempt that the order has ended.
pub(super) async fn forget(context: &AcmeContext, cert: &CertSpec) {
    let name = cert.name.clone();
    if let Err(error) = context.store(move |store| store.remove_order(&name)).await {
        tracing::warn!(
            certificate = %cert.name, error = %Chain(&error),
            "an order that has ended cannot be removed from the store"
        );
    }
}

/// Stores or removes an order after an attempt. An order that has led to a certificate stays until
/// the certificate is stored.
pub(super) async fn settle(
    context: &AcmeContext,
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
            forget(context, cert).await
        }
        _ => keep(context, cert, &open).await,
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
        let (context, _, cert) = wanting(&store);
        let open = open_order(&cert, OWNER.directory, OWNER.account);
        keep(&context, &cert, &open).await;
        assert_eq!(
            find(&context, &cert, &OWNER).await.unwrap(),
            Some(open.clone())
        );
        for other in others {
            keep(&context, &cert, &open).await;
            let mut wanted = CertSpec::clone(&cert);
            other(&mut wanted);
            assert_eq!(
                find(&context, &wanted, &OWNER).await.unwrap(),
                None,
                "{wanted:?}"
            );
            assert_eq!(
                find(&context, &cert, &OWNER).await.unwrap(),
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
            keep(&context, &cert, &open).await;
            assert_eq!(find(&context, &cert, &owner).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_damaged_order_is_set_aside_and_made_anew() {
        let store = tempfile::tempdir().unwrap();
        let (context, _, cert) = wanting(&store);
        let folder = store.path().join("certificates/a.example");
        for _ in 0..2 {
            keep(
                &context,
                &cert,
                &open_order(&cert, OWNER.directory, OWNER.account),
            )
            .await;
            std::fs::write(folder.join("order.json"), "{\"url\": ").unwrap();
            assert_eq!(find(&context, &cert, &OWNER).await.unwrap(), None);
            assert!(!folder.join("order.json").exists());
        }
        let names = std::fs::read_dir(&folder).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let aside = names.filter(|name| name.starts_with("order.json.damaged-"));
        assert_eq!(aside.count(), 2);
    }

    #[tokio::test]
    async fn an_order_stays_for_as_long_as_the_ca_may_finish_it() {
        let store = tempfile::tempdir().unwrap();
        let (context, _, cert) = wanting(&store);
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
            keep(&context, &cert, &open).await;
            settle(&context, &cert, open, failed.as_ref()).await;
            assert_eq!(
                find(&context, &cert, &OWNER).await.unwrap().is_some(),
                stays,
                "{failed:?}"
            );
        }
        let lost = OpenOrder {
            troubles: TROUBLES - 1,
            ..open_order(&cert, OWNER.directory, OWNER.account)
        };
        settle(&context, &cert, lost, Some(&problem("serverInternal"))).await;
        assert_eq!(find(&context, &cert, &OWNER).await.unwrap(), None);
    }
}
