//! Places that cannot be written. The tests may run as root, for whom permissions do not count, so
//! a file has the name of a folder.

use super::*;

/// An error names the place and says what to do.
fn is_told<T: std::fmt::Debug>(result: Result<T, StoreError>, place: &Path) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Write { .. }), "{error:?}");
    assert!(
        text.starts_with(place.to_str().unwrap())
            && text.contains("let the user that runs ianitor"),
        "{text}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_store_that_cannot_be_made_is_told_by_a_look_and_by_a_probe() {
    let around = TempDir::new().unwrap();
    let file = around.path().join("a-file");
    fs::write(&file, "").unwrap();
    // A file, below a file, and in a file system of the kernel.
    for path in [file.clone(), file.join("acme"), PathBuf::from("/proc/acme")] {
        let store = Folder::new(&path);
        is_told(store.probe(), &path);
        is_told(store.put_certificate(&name(), &bundle(1)), &path);
        is_told(store.put_account(&account()), &path);
        is_told(store.try_lock("media.test"), &path);
        assert!(!path.is_dir());
    }
    is_told(Folder::new(&file).look(), &file);
    is_told(Folder::new(file.join("acme")).look(), &file);
}

#[test]
fn a_look_changes_nothing() {
    let made = Made::new();
    made.store.look().unwrap();
    assert!(!made.at("").exists());
    made.store.probe().unwrap();
    assert_eq!(listed(&made.at("")), ["accounts", "certificates", "locks"]);
    made.store.look().unwrap();
    for folder in ["accounts", "certificates", "locks"] {
        assert_eq!(listed(&made.at(folder)), [".lock"]);
    }
}

#[test]
fn nothing_is_noted_about_a_certificate_that_is_not_there() {
    let made = Made::new();
    let error = made.store.revoked(&name(), UnixTime(0)).unwrap_err();
    assert!(matches!(error, StoreError::Absent { .. }), "{error:?}");
    assert!(error.to_string().contains("media.test"));
    assert!(!made.at("").exists(), "and nothing is made");
}
