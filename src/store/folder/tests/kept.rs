//! What is written is what is read, in files that only their owner can read.

use super::*;

#[test]
fn what_is_put_is_given_by_another_store_at_the_same_place() {
    let made = Made::new();
    assert_eq!(made.given(), None);
    let new = bundle(1);
    made.store.put_certificate(&name(), &new).unwrap();
    let given = Folder::new(made.at(""))
        .certificate(&name())
        .unwrap()
        .unwrap();
    assert_eq!(given.version, 1);
    assert_eq!(given.bundle.chain, new.chain);
    assert_eq!(given.bundle.key.reveal(), new.key.reveal());
    assert_eq!(given.bundle.meta, new.meta);
    assert_eq!(
        Path::new(&made.store.place(&name())),
        made.at("certificates/media.test")
    );
}

#[test]
fn numbers_only_grow_and_the_last_two_versions_stay() {
    let made = Made::with(4);
    assert_eq!(made.given(), Some(4));
    assert_eq!(made.listed(), [".lock", "0003", "0004"]);
    fs::rename(made.of_certificate("0004"), made.of_certificate("9999")).unwrap();
    assert_eq!(
        made.store
            .put_certificate(&name(), &bundle(10_000))
            .unwrap(),
        10_000
    );
    assert_eq!(made.given(), Some(10_000));
    assert_eq!(made.listed(), [".lock", "10000", "9999"]);
}

#[test]
fn everything_is_for_this_user_only() {
    let made = Made::with(1);
    made.store.probe().unwrap();
    made.store.put_account(&account()).unwrap();
    made.store
        .put_order_record(&name(), &OrderRecord::default())
        .unwrap();
    made.store.put_order(&name(), &order()).unwrap();
    drop(made.store.try_lock("media.test").unwrap().unwrap());
    let (mut folders, mut files) = (vec![made.at("")], 0);
    while let Some(folder) = folders.pop() {
        assert_eq!(
            fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700,
            "{}",
            folder.display()
        );
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                files += 1;
            }
        }
    }
    assert!(files >= 8, "{files}");
}

/// A command that root runs must not leave files that the gateway cannot read.
#[test]
fn what_is_made_belongs_to_whom_the_store_belongs() {
    let made = Made::new();
    fs::create_dir(made.at("")).unwrap();
    let owner = if rustix::process::geteuid().is_root() {
        65_534
    } else {
        rustix::process::geteuid().as_raw()
    };
    std::os::unix::fs::chown(made.at(""), Some(owner), None).unwrap();
    made.store
        .put_order_record(&name(), &OrderRecord::default())
        .unwrap();
    made.store.put_certificate(&name(), &bundle(1)).unwrap();
    for path in [
        "certificates",
        "certificates/media.test",
        "certificates/media.test/progress.json",
    ] {
        assert_eq!(fs::metadata(made.at(path)).unwrap().uid(), owner, "{path}");
    }
    for path in [".lock", "0001", "0001/privkey.pem", "0001/certificate.json"] {
        assert_eq!(
            fs::metadata(made.of_certificate(path)).unwrap().uid(),
            owner,
            "{path}"
        );
    }
}

#[test]
fn metadata_is_json_for_people() {
    let made = Made::with(1);
    made.store
        .revoked(&name(), UnixTime(1_780_000_060))
        .unwrap();
    let expected = r#"{
  "hosts": [
    "media.test",
    "www.media.test"
  ],
  "key_type": "ecdsa-p256",
  "directory": "https://ca.test/directory",
  "issued": "2026-05-28T20:26:40Z",
  "serial": "1",
  "issuer": "Test CA",
  "not_before": "2026-05-28T19:26:40Z",
  "not_after": "2026-08-26T19:26:40Z",
  "spread": 0.25,
  "revoked": "2026-05-28T20:27:40Z",
  "fullchain_sha256": "DIGEST"
}
"#;
    let written = fs::read_to_string(made.of_certificate("0001/certificate.json")).unwrap();
    let digest = written.split('"').rev().nth(1).unwrap();
    assert_eq!(digest.len(), 64);
    assert_eq!(written, expected.replace("DIGEST", digest));
    assert_eq!(
        made.store
            .certificate(&name())
            .unwrap()
            .unwrap()
            .bundle
            .meta
            .revoked,
        Some(UnixTime(1_780_000_060))
    );
    assert_eq!(made.given(), Some(1));
}

#[test]
fn progress_is_json_for_people() {
    let made = Made::new();
    assert_eq!(made.store.order_record(&name()).unwrap(), None);
    let progress = OrderRecord {
        wanted: "media.test at the CA".to_owned(),
        next: Some(UnixTime(1_780_000_000)),
        why: "two thirds of its lifetime".to_owned(),
        written: Some(UnixTime(1_779_996_400)),
        failures: 2,
        refusals: 1,
        hold: true,
        error: Some("the CA is away".to_owned()),
    };
    made.store.put_order_record(&name(), &progress).unwrap();
    assert_eq!(made.store.order_record(&name()).unwrap(), Some(progress));
    let text = fs::read_to_string(made.of_certificate("progress.json")).unwrap();
    assert!(
        text.contains("\n  \"next\": \"2026-05-28T20:26:40Z\",\n"),
        "{text}"
    );
}

#[test]
fn an_open_order_is_kept_with_its_key_until_it_is_forgotten() {
    let made = Made::new();
    assert_eq!(made.store.order(&name()).unwrap(), None);
    made.store.remove_order(&name()).unwrap();
    assert!(!made.at("").exists(), "nothing is made");
    let order = order();
    made.store.put_order(&name(), &order).unwrap();
    let other = Folder::new(made.at(""));
    assert_eq!(other.order(&name()).unwrap(), Some(order.clone()));
    let text = fs::read_to_string(made.of_certificate("order.json")).unwrap();
    assert!(
        text.contains("\n  \"expires\": \"2026-06-04T20:26:40Z\",\n"),
        "{text}"
    );
    assert!(!format!("{order:?}").contains("PRIVATE KEY"));
    other.remove_order(&name()).unwrap();
    assert_eq!(made.store.order(&name()).unwrap(), None);
}

#[test]
fn an_account_is_kept_for_its_directory() {
    let made = Made::new();
    assert!(made.store.account(DIRECTORY).unwrap().is_none());
    let kept = account();
    made.store.put_account(&kept).unwrap();
    let given = made.store.account(DIRECTORY).unwrap().unwrap();
    assert_eq!(
        (given.url, given.contact, given.external),
        (kept.url, kept.contact, None)
    );
    assert_eq!(given.key.reveal(), kept.key.reveal());
    assert!(
        made.store
            .account("https://ca.test/other")
            .unwrap()
            .is_none()
    );
    assert_eq!(listed(&made.at("accounts")), ["ca.test-directory"]);
    assert_eq!(
        listed(&made.at("accounts/ca.test-directory")),
        [".lock", "account.json", "key.pem"]
    );
}

#[test]
fn directories_that_look_alike_have_folders_of_their_own() {
    let urls = [
        "https://ca.test/directory",
        "http://ca.test/directory",
        "https://ca.test/Directory/",
        "https://ca.test:14000/directory",
        "https://ca.test/a/directory",
        "https://ca.test/../directory",
        "https://ca.test/",
        "https://ca.test",
    ];
    let made = Made::new();
    for url in urls {
        made.store
            .put_account(&StoredAccount {
                directory: url.to_owned(),
                ..account()
            })
            .unwrap();
    }
    assert_eq!(listed(&made.at("accounts")).len(), urls.len());
    for url in urls {
        assert_eq!(made.store.account(url).unwrap().unwrap().directory, url);
    }
    let ids = listed(&made.at("accounts"));
    assert!(
        ids.iter()
            .all(|id| !id.starts_with('.') && !id.contains(':')),
        "{ids:?}"
    );
}

#[test]
fn long_names_have_a_folder_too() {
    let made = Made::new();
    let names = ["a", "b"].map(|last| {
        format!("{}{last}", "label.".repeat(40))
            .parse::<Name>()
            .unwrap()
    });
    for (version, name) in (1..).zip(&names) {
        assert_eq!(
            made.store.put_certificate(name, &bundle(version)).unwrap(),
            1
        );
        assert!(made.store.try_lock(name.as_str()).unwrap().is_some());
    }
    let serials = names.map(|name| {
        made.store
            .certificate(&name)
            .unwrap()
            .unwrap()
            .bundle
            .meta
            .serial
    });
    assert_eq!(serials, ["1", "2"]);
}
