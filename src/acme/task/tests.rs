//! What a task does with what the store has, and with a certificate that comes after a reload.

use super::*;
use crate::acme::fixtures::wanting;
use crate::acme::renewals::RenewMode;
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

/// The names in the certificate's folder that are those of something set aside.
fn set_aside(store: &tempfile::TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(store.path().join("certificates/a.example")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains(".damaged-")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_damaged_certificate_is_set_aside_and_ordered_anew() {
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
    task.read_newer().await.unwrap();
    assert_eq!(task.is_due(), Some(Why::Missing));
    assert_eq!(set_aside(&store).len(), 1);
}

/// The files are whole, but their content does not belong together.
#[tokio::test]
async fn a_certificate_that_cannot_be_served_is_set_aside_for_the_one_before_it() {
    let store = tempfile::tempdir().unwrap();
    let (mut task, _stop) = task(&store);
    let kept = Arc::clone(&task.context.store);
    kept.put_certificate(&task.cert.name, &bundle(&["a.example"]))
        .unwrap();
    let other_key = bundle(&["a.example"]).key;
    let unusable = Bundle {
        key: other_key,
        ..bundle(&["a.example"])
    };
    kept.put_certificate(&task.cert.name, &unusable).unwrap();
    task.read_newer().await.unwrap();
    assert_eq!(task.current.as_ref().map(Current::version), Some(1));
    assert_eq!(task.is_due(), None);
    assert_eq!(set_aside(&store).len(), 1);
}

#[tokio::test]
async fn the_certificate_in_service_is_written_again_when_its_file_is_damaged() {
    let store = tempfile::tempdir().unwrap();
    let (mut task, _stop) = task(&store);
    for _ in 0..2 {
        task.store_and_serve(bundle(&["a.example"])).await.unwrap();
    }
    let served = task.current.clone().unwrap();
    let folder = store.path().join("certificates/a.example/0002");
    std::fs::remove_file(folder.join("privkey.pem")).unwrap();
    task.read_newer().await.unwrap();
    assert_eq!(task.current.as_ref().map(Current::version), Some(2));
    task.save().await;
    let name = task.cert.name.clone();
    let stored = task.context.store.certificate(&name).unwrap().unwrap();
    assert_eq!(stored.version, 3, "the number is not used twice");
    assert_eq!(stored.bundle.chain, served.stored.bundle.chain);
}

#[tokio::test]
async fn a_renewal_that_is_asked_for_is_answered_with_the_error_of_the_store() {
    let around = tempfile::tempdir().unwrap();
    let (mut task, _stop) = task(&around);
    let folder = around.path().join("certificates/a.example");
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    // A link that leads round in a circle: what is behind it may come back, so it stays.
    std::os::unix::fs::symlink("a.example", &folder).unwrap();
    for mode in [RenewMode::Order, RenewMode::DryRun] {
        let request = task.context.renewals.request(&task.cert.name, mode);
        task.check().await;
        let answer = crate::acme::renewals::outcome(request);
        let answer = tokio::time::timeout(Duration::ZERO, answer).await.unwrap();
        let text = answer.unwrap_err().to_string();
        assert!(text.contains("a.example cannot be read"), "{text}");
    }
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
    after.read_newer().await.unwrap();
    assert_eq!(after.is_due(), Some(Why::Changed));
}

#[tokio::test]
async fn what_is_asked_for_after_a_revocation_says_so() {
    let store = tempfile::tempdir().unwrap();
    let (mut task, _stop) = task(&store);
    let kept = Arc::clone(&task.context.store);
    kept.put_certificate(&task.cert.name, &bundle(&["a.example"]))
        .unwrap();
    task.read_newer().await.unwrap();
    assert_eq!(task.reason(Why::Asked), Why::Asked);
    kept.revoked(&task.cert.name, UnixTime::now()).unwrap();
    task.read().await.unwrap();
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
    task.read_newer().await.unwrap();
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
