//! Files that are not as they were written.

use super::*;

/// A file of a version and its wrong content; `None` if the file is missing.
const DAMAGES: &[(&str, Option<&str>)] = &[
    ("privkey.pem", None),
    ("privkey.pem", Some("")),
    ("privkey.pem", Some("-----BEGIN PRIVATE KEY-----\nMIGH")),
    ("fullchain.pem", None),
    ("fullchain.pem", Some("no certificate\n")),
    ("certificate.json", None),
    ("certificate.json", Some("{\n  \"hosts\": [")),
    ("certificate.json", Some("{}")),
];

fn damage(path: &Path, content: Option<&str>) {
    content
        .map_or_else(|| fs::remove_file(path), |content| fs::write(path, content))
        .unwrap();
}

#[test]
fn the_version_before_is_given_in_the_place_of_a_damaged_one() {
    for (file, content) in DAMAGES {
        let made = Made::with(2);
        damage(&made.of_certificate("0002").join(file), *content);
        assert_eq!(made.given(), Some(1), "{file} {content:?}");
        assert_eq!(made.store.put_certificate(&name(), &bundle(3)).unwrap(), 3);
        assert_eq!(made.given(), Some(3), "{file} {content:?}");
    }
}

#[test]
fn where_nothing_is_whole_the_damage_is_told() {
    for (file, content) in DAMAGES {
        let made = Made::with(1);
        damage(&made.of_certificate("0001").join(file), *content);
        let error = made.store.certificate(&name()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Damaged { .. }), "{text}");
        assert!(
            text.contains("0001 is damaged: ") && text.contains(file),
            "{text}"
        );
        assert!(
            is_damaged(made.store.version(&name())),
            "{file} {content:?}"
        );
        assert_eq!(made.store.put_certificate(&name(), &bundle(2)).unwrap(), 2);
        assert_eq!(made.given(), Some(2));
    }
}

/// A chain without its issuers must not be served.
#[test]
fn a_chain_that_ends_in_the_middle_is_damaged() {
    let made = Made::with(2);
    let path = made.of_certificate("0002/fullchain.pem");
    let chain = fs::read_to_string(&path).unwrap();
    fs::write(&path, &chain[..chain.len() - 40]).unwrap();
    assert_eq!(made.given(), Some(1));
}

#[test]
fn what_is_no_version_is_no_version() {
    let made = Made::with(1);
    for name in ["2", "00002", "0002.bak", "+002", "latest"] {
        fs::create_dir(made.of_certificate(name)).unwrap();
    }
    assert_eq!(made.given(), Some(1));
    assert_eq!(made.store.put_certificate(&name(), &bundle(2)).unwrap(), 2);
    assert_eq!(made.given(), Some(2));
}

/// Neither blocks a reader, and neither prevents later versions.
#[test]
fn a_file_or_a_broken_link_with_a_number_is_a_damaged_version() {
    let made = Made::with(1);
    fs::write(made.of_certificate("0002"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", made.of_certificate("0003")).unwrap();
    assert_eq!(made.given(), Some(1));
    for version in 4..7 {
        assert_eq!(
            made.store
                .put_certificate(&name(), &bundle(version))
                .unwrap(),
            version
        );
    }
    assert_eq!(made.given(), Some(6));
    assert_eq!(made.listed(), [".lock", "0005", "0006"]);
}

/// Asking for the version every few seconds does not read the files every few seconds.
#[test]
fn who_asks_for_the_version_alone_reads_nothing_twice() {
    let made = Made::with(1);
    assert_eq!(made.given(), Some(1));
    // Written in place, so that the folder's stamp does not change.
    fs::write(made.of_certificate("0001/privkey.pem"), "").unwrap();
    assert_eq!(made.store.version(&name()).unwrap(), Some(1));
    assert!(is_damaged(made.store.certificate(&name())));
    fs::remove_file(made.of_certificate("0001/privkey.pem")).unwrap();
    assert!(is_damaged(made.store.version(&name())));
}

#[test]
fn damaged_progress_is_damage() {
    let made = Made::with(1);
    fs::write(
        made.of_certificate("progress.json"),
        "{\"next\": \"soon\", \"wanted\": \"\"}",
    )
    .unwrap();
    assert!(is_damaged(made.store.order_record(&name())));
}

#[test]
fn a_damaged_account_is_told_and_can_be_set_aside() {
    let damages = [
        ("key.pem", None),
        ("key.pem", Some("no key\n")),
        (
            "account.json",
            Some("{\"directory\": \"https://ca.test/dir"),
        ),
        (
            "account.json",
            Some("{\"directory\": \"https://other.test/\"}"),
        ),
    ];
    for (file, content) in damages {
        let made = Made::new();
        made.store.put_account(&account()).unwrap();
        damage(&made.at("accounts/ca.test-directory").join(file), content);
        let text = made.store.account(DIRECTORY).unwrap_err().to_string();
        assert!(
            text.contains("ca.test-directory is damaged: ") && text.contains(file),
            "{text}"
        );
        made.store
            .set_aside(&Part::Account(DIRECTORY), "it is damaged")
            .unwrap();
        assert!(made.store.account(DIRECTORY).unwrap().is_none());
        let listed = listed(&made.at("accounts"));
        assert_eq!(aside_of("ca.test-directory", &listed).len(), 1);
        made.store.put_account(&account()).unwrap();
        assert!(made.store.account(DIRECTORY).unwrap().is_some());
        made.store.probe().unwrap();
    }
}

#[test]
fn a_damaged_order_is_told_and_can_be_set_aside() {
    let made = Made::with(1);
    made.store.put_order(&name(), &order()).unwrap();
    let text = fs::read_to_string(made.of_certificate("order.json")).unwrap();
    for damage in [
        "{\"url\": \"https://ca.t",
        "{}",
        &text.replace("BEGIN PRIVATE KEY", "BEGIN NO KEY"),
    ] {
        fs::write(made.of_certificate("order.json"), damage).unwrap();
        assert!(is_damaged(made.store.order(&name())), "{damage}");
        made.set_order_aside();
        assert_eq!(made.store.order(&name()).unwrap(), None);
        let listed = made.listed();
        let newest = aside_of("order.json", &listed).pop().unwrap();
        assert_eq!(
            fs::read_to_string(made.of_certificate(newest)).unwrap(),
            damage
        );
    }
    assert_eq!(made.given(), Some(1));
}

#[test]
fn something_else_in_the_place_of_an_order_can_be_set_aside() {
    let made = Made::with(1);
    made.store.put_order(&name(), &order()).unwrap();
    let place = made.of_certificate("order.json");
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    assert!(is_damaged(made.store.order(&name())));
    made.set_order_aside();
    assert_eq!(made.store.order(&name()).unwrap(), None);
    let listed = made.listed();
    assert!(
        made.of_certificate(aside_of("order.json", &listed)[0])
            .is_dir()
    );
}
