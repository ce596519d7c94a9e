use std::fs;

use super::verify::{place, server};
use super::*;
use crate::deploy::task::back_off;
use crate::deploy::{DeployState, DeployStatus, Hub, Reload, state};
use crate::secret::SecretSource;

/// Waits until what is seen of the first `[[deploy]]` is so.
async fn seen(hub: &Hub, what: &str, is_so: impl Fn(&DeployStatus) -> bool) -> DeployStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let seen = hub.seen().remove(0);
        if is_so(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "not in time: {what}; {seen:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Appends a line to a file.
fn noting(folder: &TempDir) -> Reload {
    let script = format!(
        "echo \"$IANITOR_CERTIFICATE\" >> {}",
        folder.path().join("notified").display()
    );
    Reload::Command(["sh", "-c", &script].map(str::to_owned).to_vec())
}

fn times_told(folder: &TempDir) -> usize {
    fs::read_to_string(folder.path().join("notified")).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn certificates_come_before_and_after_the_configuration() {
    let folder = TempDir::new().unwrap();
    let spec = Arc::new(DeploySpec {
        reload: Some(noting(&folder)),
        ..spec(&folder)
    });
    let (hub, first, second) = (Hub::new(), stored(1), stored(2));
    hub.put(&spec.certificate, &first);
    hub.configure(std::slice::from_ref(&spec));
    let after = seen(&hub, "the first is there", |seen| seen.in_sync).await;
    assert_eq!((after.succeeded, after.failed, after.error), (1, 0, None));
    assert!(after.done.is_some());
    assert!(matches!(state(&spec, &first), DeployState::InSync));
    assert_eq!(times_told(&folder), 1);

    hub.put(&spec.certificate, &first);
    hub.put(&spec.certificate, &second);
    seen(&hub, "the second is there", |seen| {
        seen.succeeded == 2 && seen.in_sync
    })
    .await;
    assert!(matches!(state(&spec, &second), DeployState::InSync));
    assert_eq!(times_told(&folder), 2);
}

#[tokio::test]
async fn what_is_there_already_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let spec = Arc::new(DeploySpec {
        reload: Some(noting(&folder)),
        ..spec(&folder)
    });
    let cert = stored(1);
    crate::deploy::files::write(&spec, &cert).unwrap();
    crate::deploy::files::clear_marker(&spec).unwrap();
    let hub = Hub::new();
    hub.configure(std::slice::from_ref(&spec));
    hub.put(&spec.certificate, &cert);
    let seen = seen(&hub, "it has been looked at", |seen| seen.in_sync).await;
    assert_eq!((seen.succeeded, seen.done), (0, None));
    assert_eq!(times_told(&folder), 0);
}

#[tokio::test]
async fn a_server_that_shows_something_else_is_told_at_the_start() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (stored(1), stored(2));
    // It shows the new one as soon as it was told.
    let notified = folder.path().join("notified");
    let shown = (Arc::clone(&old), Arc::clone(&new));
    let (address, _) = server(move || {
        if notified.exists() {
            shown.1.clone()
        } else {
            shown.0.clone()
        }
    })
    .await;
    let spec = DeploySpec {
        reload: Some(noting(&folder)),
        verify: Some(place(address)),
        ..spec(&folder)
    };
    let spec = Arc::new(spec);
    crate::deploy::files::write(&spec, &new).unwrap();
    crate::deploy::files::clear_marker(&spec).unwrap();
    let hub = Hub::new();
    hub.put(&spec.certificate, &new);
    hub.configure(std::slice::from_ref(&spec));
    seen(&hub, "it shows the new one", |seen| {
        seen.in_sync && seen.succeeded == 1
    })
    .await;
    assert_eq!(times_told(&folder), 1);
}

#[tokio::test]
async fn one_failure_stops_neither_others_nor_a_newer_certificate() {
    let folder = TempDir::new().unwrap();
    let broken = folder.path().join("not yet");
    let files = vec![Output {
        path: broken.join("combined.pem"),
        form: FileForm::Combined,
    }];
    let failing = Arc::new(DeploySpec {
        files,
        to: Consumer::Kurento,
        ..spec(&folder)
    });
    let good = Arc::new(DeploySpec {
        config_key: "deploy[1]".to_owned(),
        ..spec(&folder)
    });
    let hub = Hub::new();
    hub.configure(&[Arc::clone(&failing), Arc::clone(&good)]);
    assert_eq!(
        hub.seen()
            .iter()
            .map(|seen| &*seen.config_key)
            .collect::<Vec<_>>(),
        ["deploy[0]", "deploy[1]"]
    );
    hub.put(&good.certificate, &stored(1));
    let failed = seen(&hub, "it has failed", |seen| seen.failed == 1).await;
    assert!(
        failed
            .error
            .is_some_and(|error| error.contains("is missing; make it"))
    );
    assert!(!failed.in_sync && failed.failures == 1 && failed.next.is_some());
    until_async(|| hub.seen()[1].in_sync).await;

    fs::create_dir(&broken).unwrap();
    let newer = stored(2);
    hub.put(&good.certificate, &newer);
    let mended = seen(&hub, "it is mended", |seen| seen.in_sync).await;
    assert_eq!(
        (mended.failed, mended.failures, mended.error, mended.next),
        (1, 0, None, None)
    );
    assert!(matches!(state(&failing, &newer), DeployState::InSync));
}

async fn until_async(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_reload_that_failed_is_made_up_for() {
    let folder = TempDir::new().unwrap();
    let notified = folder.path().join("notified");
    let script = format!("test -e {0}.ready && echo x >> {0}", notified.display());
    let reload = Reload::Command(["sh", "-c", &script].map(str::to_owned).to_vec());
    let spec = Arc::new(DeploySpec {
        reload: Some(reload),
        ..spec(&folder)
    });
    let (hub, cert) = (Hub::new(), stored(1));
    hub.put(&spec.certificate, &cert);
    hub.configure(std::slice::from_ref(&spec));
    seen(&hub, "it has failed", |seen| seen.failed == 1).await;
    assert!(matches!(state(&spec, &cert), DeployState::NotReloaded));

    // The next process finds the files as they should be, and tells the server all the same.
    fs::write(folder.path().join("notified.ready"), "").unwrap();
    drop(hub);
    let hub = Hub::new();
    hub.put(&spec.certificate, &cert);
    hub.configure(std::slice::from_ref(&spec));
    seen(&hub, "it was notified", |seen| seen.in_sync).await;
    assert_eq!(times_told(&folder), 1);
    assert!(matches!(state(&spec, &cert), DeployState::InSync));
}

#[tokio::test]
async fn a_new_configuration_keeps_what_has_not_changed() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (Arc::new(spec(&folder)), TempDir::new().unwrap());
    let second = Arc::new(DeploySpec {
        config_key: "deploy[1]".to_owned(),
        ..spec(&second)
    });
    let hub = Hub::new();
    hub.put(&first.certificate, &stored(1));
    hub.configure(std::slice::from_ref(&first));
    let before = seen(&hub, "it is there", |seen| seen.in_sync).await;
    hub.configure(&[
        Arc::new(DeploySpec::clone(&second)),
        Arc::new(DeploySpec::clone(&first)),
    ]);
    assert_eq!(hub.seen()[1], before);
    hub.configure(std::slice::from_ref(&second));
    assert_eq!(hub.seen().len(), 1);
    hub.configure(&[]);
    assert!(hub.seen().is_empty());
}

#[tokio::test]
async fn what_was_deleted_or_changed_is_brought_again_at_a_reload() {
    let folder = TempDir::new().unwrap();
    let spec = Arc::new(DeploySpec {
        reload: Some(noting(&folder)),
        ..spec(&folder)
    });
    let (hub, cert) = (Hub::new(), stored(1));
    hub.put(&spec.certificate, &cert);
    hub.configure(std::slice::from_ref(&spec));
    seen(&hub, "it is there", |seen| seen.in_sync).await;

    fs::remove_file(&spec.files[0].path).unwrap();
    hub.configure(std::slice::from_ref(&spec));
    seen(&hub, "the missing one is there again", |seen| {
        seen.in_sync && seen.succeeded == 2
    })
    .await;
    fs::write(&spec.files[1].path, "another key").unwrap();
    hub.configure(std::slice::from_ref(&spec));
    seen(&hub, "the changed one is there again", |seen| {
        seen.in_sync && seen.succeeded == 3
    })
    .await;
    assert!(matches!(state(&spec, &cert), DeployState::InSync));
    assert_eq!(times_told(&folder), 3);
}

#[tokio::test]
async fn what_was_changed_is_brought_again_by_itself() {
    let folder = TempDir::new().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "first").unwrap();
    let form = FileForm::Pkcs12 {
        password: SecretSource::File(password.clone()),
    };
    let files = vec![
        output(&folder, "chain.pem", FileForm::Chain),
        output(&folder, "store.p12", form),
    ];
    let spec = Arc::new(DeploySpec {
        files,
        reload: Some(noting(&folder)),
        to: Consumer::Files,
        ..spec(&folder)
    });
    let (hub, cert) = (Hub::with_pace(Duration::from_millis(10)), stored(1));
    hub.put(&spec.certificate, &cert);
    hub.configure(std::slice::from_ref(&spec));
    seen(&hub, "it is there", |seen| seen.in_sync).await;

    fs::remove_file(&spec.files[0].path).unwrap();
    seen(&hub, "the missing one is there again", |seen| {
        seen.in_sync && seen.succeeded == 2
    })
    .await;
    // Renamed into its place: a look in between must not find an empty one.
    fs::write(folder.path().join("next"), "second").unwrap();
    fs::rename(folder.path().join("next"), &password).unwrap();
    seen(&hub, "it is locked by the new password", |seen| {
        seen.in_sync && seen.succeeded == 3
    })
    .await;
    assert!(matches!(state(&spec, &cert), DeployState::InSync));
    assert_eq!(times_told(&folder), 3);

    // A folder that has gone is told, and the gauge with it.
    let elsewhere = TempDir::new().unwrap();
    fs::rename(folder.path(), elsewhere.path().join("away")).unwrap();
    let failed = seen(&hub, "it is no longer in sync", |seen| {
        !seen.in_sync && seen.error.is_some()
    })
    .await;
    assert!(
        failed.error.is_some_and(|error| error.contains("password")),
        "the first thing that is missing"
    );
}

#[test]
fn failures_are_followed_by_longer_and_longer_times() {
    let seconds: Vec<u64> = (1..=12)
        .map(|failures| back_off(failures).as_secs())
        .collect();
    assert_eq!(
        seconds,
        [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    );
    assert_eq!(back_off(u32::MAX).as_secs(), 3600);
}
