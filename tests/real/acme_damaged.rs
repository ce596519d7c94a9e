//! What is damaged in the store is set aside and made anew, by the gateway itself.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::pebble::Pebble;
use crate::support::site::{Site, hosts};
use crate::support::{Folder, until};

const NAME: &str = "a.test";

/// Every file in a folder and below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

#[test]
fn a_store_in_which_everything_is_damaged_is_made_anew() {
    let folder = Folder::new("acme-damaged");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let mut gateway = site.start(&folder, &pebble.directory(), &hosts(&[NAME]), "");
    let first = site.comes(&gateway, &root, NAME);
    until("the state is written", || {
        site.store
            .join("certificates/a.test/progress.json")
            .exists()
    });
    gateway.process.end();

    let order = site.store.join("certificates/a.test/order.json");
    fs::write(order, "{\"url\": ").unwrap();
    for file in files(&site.store) {
        if file
            .extension()
            .is_some_and(|extension| extension == "lock")
            || file.file_name().is_some_and(|name| name == ".lock")
        {
            fs::remove_file(&file).unwrap();
            fs::create_dir(&file).unwrap();
        } else {
            let content = fs::read(&file).unwrap();
            fs::write(&file, &content[..content.len() / 2]).unwrap();
        }
    }
    let mut gateway = site.start(&folder, &pebble.directory(), &hosts(&[NAME]), "");
    let second = site.comes_another(&gateway, &root, NAME, &first);
    until("it is ready", || gateway.asks("/readyz").0 == 200);
    let aside = gateway.lines("set aside");
    for part in ["0001", "progress.json", "order.json", "/accounts/", ".lock"] {
        let has_part = |line: &&String| line.contains(part);
        assert!(
            aside.iter().any(|line| has_part(&line)),
            "{part}: {aside:?}"
        );
    }
    assert_eq!((pebble.orders(), pebble.accounts()), (2, 2));
    gateway.process.end();

    // It is not found damaged again.
    let gateway = site.start(&folder, &pebble.directory(), &hosts(&[NAME]), "");
    assert_eq!(site.comes(&gateway, &root, NAME), second);
    assert_eq!(gateway.lines("set aside"), Vec::<String>::new());
}
