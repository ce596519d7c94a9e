//! What a keeper does with what is there, and with what comes too late.

use super::*;
use crate::acme::fixtures::wanting;
use crate::secret::Secret;
use crate::store::Meta;

/// A keeper, and what it is told to stop by.
fn keeper(store: &tempfile::TempDir) -> (CertTask, watch::Sender<()>) {
    let (shared, spec, cert) = wanting(store);
    let (stop, stopped) = watch::channel(());
    (
        CertTask::new(shared, Arc::new(spec), cert, Seen::new(), None, stopped),
        stop,
    )
}

fn bundle(hosts: &[&str]) -> Bundle {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts.clone()).unwrap();
    let now = UnixTime::now();
    let meta = Meta {
        hosts,
        key_type: "ecdsa-p256".to_owned(),
        directory: AcmeSpec::LETS_ENCRYPT.to_owned(),
        profile: None,
        issued: now,
        serial: "01".to_owned(),
        issuer: "CA".to_owned(),
        not_before: now,
        not_after: now.after(Duration::from_secs(90 * 86_400)),
        spread: 0.0,
        revoked: None,
    };
    Bundle {
        chain: made.cert.pem(),
        key: Secret::new(made.signing_key.serialize_pem()),
        meta,
    }
}

#[tokio::test]
async fn what_is_damaged_is_ordered_anew() {
    let store = tempfile::tempdir().unwrap();
    let (mut keeper, _stop) = keeper(&store);
    let version = keeper
        .shared
        .parts
        .store
        .put_certificate(&keeper.cert.name, &bundle(&["a.example"]))
        .unwrap();
    let key = store
        .path()
        .join(format!("certificates/a.example/{version:04}/privkey.pem"));
    std::fs::write(key, "nothing").unwrap();
    assert!(keeper.take_newer().await);
    assert_eq!(keeper.is_due(), Some(Why::Missing));
}

#[tokio::test]
async fn what_comes_after_a_reload_is_kept_and_not_served() {
    let store = tempfile::tempdir().unwrap();
    let (mut before, stop) = keeper(&store);
    let (mut after, _stop) = keeper(&store);
    after.shared = Arc::clone(&before.shared);
    drop(stop);
    before.keep(bundle(&["b.example"])).await.unwrap();
    assert!(before.shared.parts.shelf.all().is_empty());
    // It is not that of another gateway, to whom its turn is left.
    assert!(after.take_newer().await);
    assert_eq!(after.is_due(), Some(Why::Changed));
}

#[tokio::test]
async fn what_is_asked_for_after_a_revocation_says_so() {
    let store = tempfile::tempdir().unwrap();
    let (mut keeper, _stop) = keeper(&store);
    let parts = keeper.shared.parts.clone();
    parts
        .store
        .put_certificate(&keeper.cert.name, &bundle(&["a.example"]))
        .unwrap();
    assert!(keeper.take_newer().await);
    assert_eq!(keeper.reason(Why::Asked), Why::Asked);
    parts
        .store
        .revoked(&keeper.cert.name, UnixTime::now())
        .unwrap();
    assert!(keeper.read().await);
    assert_eq!(keeper.reason(Why::Asked), Why::Revoked);
}

/// Two gateways with one store that do not agree would take turns for as long as the clock was
/// ahead.
#[tokio::test]
async fn what_others_ordered_after_the_start_stays_when_the_clock_was_ahead_at_it() {
    let store = tempfile::tempdir().unwrap();
    crate::clock::set(6 * 3600);
    let (mut keeper, _stop) = keeper(&store);
    crate::clock::set(0);
    std::thread::sleep(Duration::from_millis(1100));
    keeper
        .shared
        .parts
        .store
        .put_certificate(&keeper.cert.name, &bundle(&["b.example"]))
        .unwrap();
    assert!(keeper.take_newer().await);
    assert_eq!(keeper.is_due(), None);
    assert_eq!(keeper.due().1, Why::Changed);
}

#[tokio::test]
async fn an_open_order_is_forgotten_when_its_certificate_is_kept() {
    let store = tempfile::tempdir().unwrap();
    let (mut keeper, _stop) = keeper(&store);
    let parts = keeper.shared.parts.clone();
    let open = crate::acme::fixtures::open_order(&keeper.cert, AcmeSpec::LETS_ENCRYPT, "1");
    parts.store.put_order(&keeper.cert.name, &open).unwrap();
    keeper.keep(bundle(&["a.example"])).await.unwrap();
    assert_eq!(parts.store.order(&keeper.cert.name).unwrap(), None);
}
