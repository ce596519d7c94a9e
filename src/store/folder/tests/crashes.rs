//! What a process leaves behind that crashes while writing.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A file with its content, or a folder if there is none.
type Left = (&'static str, Option<&'static str>);

/// What may remain after a crash during the writing of a second or third version.
const CRASHES: &[(&str, &[Left])] = &[
    ("the folder was made", &[(".new", None)]),
    (
        "the key was begun",
        &[
            (".new", None),
            (".new/privkey.pem", Some("-----BEGIN PRIV")),
        ],
    ),
    (
        "the metadata was begun",
        &[
            (".new", None),
            (".new/privkey.pem", Some("a key")),
            (".new/fullchain.pem", Some("a chain")),
            (".new/certificate.json", Some("{\n  \"hosts\": [")),
        ],
    ),
    (
        "an old version was being taken away",
        &[(".old", None), (".old/privkey.pem", Some("a key"))],
    ),
    (
        "the metadata was being replaced",
        &[("0002/certificate.json.new", Some("{"))],
    ),
];

#[test]
fn what_a_crash_leaves_is_never_given_and_is_tidied_by_the_next_who_writes() {
    for (when, left) in CRASHES {
        let made = Made::with(2);
        for (path, content) in *left {
            let path = made.of_certificate(path);
            content
                .map_or_else(
                    || fs::create_dir(&path),
                    |content| fs::write(&path, content),
                )
                .unwrap();
        }
        assert_eq!(made.given(), Some(2), "{when}");
        made.store
            .revoked(&name(), UnixTime(1_780_000_000))
            .unwrap();
        assert_eq!(
            listed(&made.of_certificate("0002")),
            ["certificate.json", "fullchain.pem", "privkey.pem"]
        );
        assert_eq!(
            made.store.put_certificate(&name(), &bundle(3)).unwrap(),
            3,
            "{when}"
        );
        assert_eq!(made.given(), Some(3), "{when}");
        assert_eq!(made.listed(), [".lock", "0002", "0003"], "{when}");
    }
}

/// A crash after the new version got its number and before the oldest was removed.
#[test]
fn versions_that_should_have_gone_go_later() {
    let made = Made::with(2);
    for version in 3..6 {
        let folder = made.of_certificate(&format!("{version:04}"));
        fs::create_dir(&folder).unwrap();
        for file in ["privkey.pem", "fullchain.pem", "certificate.json"] {
            fs::copy(made.of_certificate("0002").join(file), folder.join(file)).unwrap();
        }
    }
    assert_eq!(made.store.put_certificate(&name(), &bundle(6)).unwrap(), 6);
    assert_eq!(made.given(), Some(6));
    assert_eq!(made.listed(), [".lock", "0005", "0006"]);
}

#[test]
fn half_of_progress_is_never_seen() {
    let made = Made::with(1);
    fs::write(made.of_certificate("progress.json.new"), "{\"wan").unwrap();
    assert_eq!(made.store.order_record(&name()).unwrap(), None);
    made.store
        .put_order_record(&name(), &OrderRecord::default())
        .unwrap();
    assert_eq!(
        made.store.order_record(&name()).unwrap(),
        Some(OrderRecord::default())
    );
    assert_eq!(made.listed(), [".lock", "0001", "progress.json"]);
}

/// The key is stored before the account is registered, so that the same account is found again.
#[test]
fn a_key_without_an_account_is_an_account_that_the_ca_may_know() {
    let made = Made::new();
    let kept = account();
    made.store.put_account(&kept).unwrap();
    fs::remove_file(made.at("accounts/ca.test-directory/account.json")).unwrap();
    let given = made.store.account(DIRECTORY).unwrap().unwrap();
    assert_eq!((given.url, given.key.reveal()), (None, kept.key.reveal()));
}

#[test]
fn a_new_key_is_never_seen_with_what_was_said_about_the_old_one() {
    let made = Made::new();
    made.store.put_account(&account()).unwrap();
    // A crash in the middle: the metadata of the old key is removed first.
    made.store
        .put_account(&StoredAccount {
            url: None,
            ..account()
        })
        .unwrap();
    assert_eq!(made.store.account(DIRECTORY).unwrap().unwrap().url, None);
    let text = fs::read_to_string(made.at("accounts/ca.test-directory/account.json")).unwrap();
    assert!(!text.contains("acct/7"), "{text}");
}

/// While versions are added and removed, a reader always gets a complete version, and never an
/// older one than before.
#[test]
fn who_reads_while_another_writes_sees_whole_versions_only() {
    let made = Made::with(1);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (store, mut highest, mut seen) = (Folder::new(made.at("")), 0, 0_u32);
            while !is_done.load(Ordering::Relaxed) || seen == 0 {
                let version = store.version(&name()).unwrap().unwrap();
                let given = store.certificate(&name()).unwrap().unwrap();
                assert!(
                    highest <= version && version <= given.version,
                    "{highest} {version} {}",
                    given.version
                );
                assert_eq!(given.bundle.meta.serial, given.version.to_string());
                (highest, seen) = (given.version, seen + 1);
            }
            highest
        });
        for version in 2..40 {
            made.store
                .put_certificate(&name(), &bundle(version))
                .unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() >= 1);
    });
    assert_eq!(made.given(), Some(39));
}
