//! What a task does with what the store has, and with a certificate that comes after a reload.

use super::*;
use crate::acme::fixtures::wanting;
use crate::secret::Secret;
use crate::store::Meta;

/// A task, and what stops it when it is dropped.
fn task(store: &tempfile::TempDir) -> (CertTask, watch::Sender<()>) {
    let (context, spec, cert) = wanting(store);
    let (stop, stopped) = watch::channel(());
    (
        CertTask::new(context, Arc::new(spec), cert, None, stopped),
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
    let (mut task, _stop) = task(&store);
    let version = task
        .context
        .store
        .put_certificate(&task.cert.name, &bundle(&["a.example"]))
        .unwrap();
    let key = store
        .path()
        .join(format!("certificates/a.example/{version:04}/privkey.pem"));
    std::fs::write(key, "nothing").unwrap();
    assert!(task.read_newer().await);
    assert_eq!(task.is_due(), Some(Why::Missing));
}

#[tokio::test]
async fn what_comes_after_a_reload_is_kept_and_not_served() {
    let store = tempfile::tempdir().unwrap();
    let (mut before, stop) = task(&store);
    let (mut after, _stop) = task(&store);
    after.context = Arc::clone(&before.context);
    drop(stop);
    before
        .store_and_serve(bundle(&["b.example"]))
        .await
        .unwrap();
    assert!(before.context.outputs.cache.all().is_empty());
    // It is not that of another gateway, to whom its turn is left.
    assert!(after.read_newer().await);
    assert_eq!(after.is_due(), Some(Why::Changed));
}

#[tokio::test]
async fn what_is_asked_for_after_a_revocation_says_so() {
    let store = tempfile::tempdir().unwrap();
    let (mut task, _stop) = task(&store);
    let kept = Arc::clone(&task.context.store);
    kept.put_certificate(&task.cert.name, &bundle(&["a.example"]))
        .unwrap();
    assert!(task.read_newer().await);
    assert_eq!(task.reason(Why::Asked), Why::Asked);
    kept.revoked(&task.cert.name, UnixTime::now()).unwrap();
    assert!(task.read().await);
    assert_eq!(task.reason(Why::Asked), Why::Revoked);
}

/// Two gateways with one store that do not agree would take turns for as long as the clock was
/// ahead.
#[tokio::test]
async fn what_others_ordered_after_the_start_stays_when_the_clock_was_ahead_at_it() {
    let store = tempfile::tempdir().unwrap();
    crate::clock::set(6 * 3600);
    let (mut task, _stop) = task(&store);
    crate::clock::set(0);
    std::thread::sleep(Duration::from_millis(1100));
    task.context
        .store
        .put_certificate(&task.cert.name, &bundle(&["b.example"]))
        .unwrap();
    assert!(task.read_newer().await);
    assert_eq!(task.is_due(), None);
    assert_eq!(task.due().1, Why::Changed);
}

#[tokio::test]
async fn an_open_order_is_forgotten_when_its_certificate_is_kept() {
    let store = tempfile::tempdir().unwrap();
    let (mut task, _stop) = task(&store);
    let kept = Arc::clone(&task.context.store);
    let open = crate::acme::fixtures::open_order(&task.cert, AcmeSpec::LETS_ENCRYPT, "1");
    kept.put_order(&task.cert.name, &open).unwrap();
    task.store_and_serve(bundle(&["a.example"])).await.unwrap();
    assert_eq!(kept.order(&task.cert.name).unwrap(), None);
}
