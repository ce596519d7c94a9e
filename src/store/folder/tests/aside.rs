//! Whatever is damaged, it can be set aside and made anew.

use super::*;

/// Whether a part is as it was written, or is reported as damaged. `None` counts as absent.
fn is_whole<T>(read: Result<Option<T>, StoreError>, same: impl Fn(&T) -> bool) -> bool {
    match read {
        Ok(Some(found)) => {
            assert!(same(&found), "something else was read");
            true
        }
        Ok(None) | Err(StoreError::Damaged { .. }) => false,
        Err(error) => panic!("{error}"),
    }
}

type IsWhole = fn(&Made) -> bool;

fn record() -> OrderRecord {
    OrderRecord {
        wanted: "media.test".to_owned(),
        next: Some(UnixTime(1_780_000_000)),
        ..OrderRecord::default()
    }
}

/// A store in which nothing is missing, and its files with what reads them.
fn complete() -> (Made, Vec<(PathBuf, IsWhole)>) {
    let made = Made::with(2);
    made.store.put_account(&account()).unwrap();
    made.store.put_order(&name(), &order()).unwrap();
    made.store.put_order_record(&name(), &record()).unwrap();
    let is_newest: IsWhole = |made| {
        let read = made.store.certificate(&name()).unwrap().unwrap();
        let has_both = read.bundle.chain.matches("BEGIN CERTIFICATE").count() == 2;
        assert!(has_both, "a chain without its issuer");
        read.version == 2
    };
    let account: IsWhole = |made| {
        is_whole(made.store.account(DIRECTORY), |found| {
            found.url == account().url
        })
    };
    let order: IsWhole = |made| {
        is_whole(made.store.order(&name()), |found| {
            found.url == order().url && found.troubles == order().troubles
        })
    };
    let record: IsWhole =
        |made| is_whole(made.store.order_record(&name()), |found| *found == record());
    let files = vec![
        (made.of_certificate("0002/fullchain.pem"), is_newest),
        (made.of_certificate("0002/privkey.pem"), is_newest),
        (made.of_certificate("0002/certificate.json"), is_newest),
        (made.of_certificate("order.json"), order),
        (made.of_certificate("progress.json"), record),
        (made.at("accounts/ca.test-directory/key.pem"), account),
        (made.at("accounts/ca.test-directory/account.json"), account),
    ];
    (made, files)
}

#[test]
fn a_file_that_is_cut_at_any_length_is_whole_or_damaged_and_never_something_else() {
    let (made, files) = complete();
    for (path, is_whole) in files {
        let content = fs::read(&path).unwrap();
        let mut damaged = 0;
        for length in 0..=content.len() {
            fs::write(&path, &content[..length]).unwrap();
            damaged += usize::from(!is_whole(&made));
        }
        // Without the last line break nothing is missing.
        let least = content.len() - 1;
        assert!(damaged >= least, "{}: {damaged}", path.display());
        assert!(is_whole(&made), "{}", path.display());
    }
}

#[test]
fn damaged_versions_are_set_aside_and_their_numbers_are_not_used_again() {
    let made = Made::with(2);
    for version in 3..6 {
        let key = made.of_certificate(&format!("{:04}/privkey.pem", version - 1));
        fs::write(key, "-----BEGIN").unwrap();
        let moved = made.store.set_versions_aside(&name()).unwrap();
        assert_eq!(moved, [version - 1]);
        assert_eq!(
            made.store.set_versions_aside(&name()).unwrap(),
            Vec::<u64>::new()
        );
        let put = made.store.put_certificate(&name(), &bundle(version));
        assert_eq!(put.unwrap(), version);
        assert_eq!(made.given(), Some(version));
    }
    let listed = made.listed();
    assert_eq!(aside_of("0002", &listed).len(), 1);
    assert!(listed.contains(&"0001".to_owned()), "{listed:?}");
}

#[test]
fn what_is_damaged_again_and_again_does_not_fill_the_disk() {
    let made = Made::with(1);
    for number in 10..24 {
        fs::write(made.of_certificate("order.json"), format!("{number}")).unwrap();
        made.set_order_aside();
    }
    let listed = made.listed();
    let kept = aside_of("order.json", &listed).into_iter();
    let kept = kept.map(|name| fs::read_to_string(made.of_certificate(name)).unwrap());
    let mut kept: Vec<String> = kept.collect();
    kept.sort();
    assert_eq!(kept, ["19", "20", "21", "22", "23"]);
    // Another process may have moved it already.
    made.set_order_aside();
}

/// A lock has no content that could be damaged, but something else may have its name.
#[test]
fn what_is_in_the_place_of_a_lock_or_a_folder_makes_way_for_it() {
    for place in [
        "locks/media.test.order.lock",
        "locks",
        "certificates",
        "accounts",
        "certificates/media.test",
        "certificates/media.test/.lock",
        "accounts/ca.test-directory",
        "accounts/ca.test-directory/.lock",
        "accounts/.lock",
        "locks/.probe",
        "certificates/media.test/progress.json.new",
    ] {
        let made = Made::new();
        let path = made.at(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if place.ends_with("lock") || place.contains(".new") || place.ends_with(".probe") {
            fs::create_dir_all(path.join("inside")).unwrap();
        } else {
            fs::write(&path, "no folder").unwrap();
        }
        made.store.probe().expect(place);
        assert_eq!(
            made.store.set_versions_aside(&name()).expect(place),
            Vec::<u64>::new()
        );
        let lock = made.store.try_lock(&name().order_lock()).expect(place);
        assert!(lock.is_some(), "{place}");
        made.store.put_account(&account()).expect(place);
        made.store
            .put_order_record(&name(), &record())
            .expect(place);
        made.store
            .put_certificate(&name(), &bundle(1))
            .expect(place);
        assert_eq!(made.given(), Some(1), "{place}");
        assert!(made.store.account(DIRECTORY).unwrap().is_some(), "{place}");
    }
}

/// An operator has put it there, and what it leads to may only be unavailable.
#[test]
fn a_link_in_the_place_of_a_folder_stays() {
    let made = Made::new();
    fs::create_dir_all(made.at("")).unwrap();
    let link = made.at("certificates");
    std::os::unix::fs::symlink("certificates", &link).unwrap();
    assert!(made.store.put_certificate(&name(), &bundle(1)).is_err());
    assert!(link.is_symlink());
}
