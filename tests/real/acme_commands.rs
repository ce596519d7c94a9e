//! `ianitor certs`: what there is, and what is done by hand.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::pebble::Pebble;
use crate::support::site::{File, PAGE, Site, hosts};
use crate::support::{Folder, ianitor, ianitor_does, until};

const NAME: &str = "a.test";

/// What programs are told of the only certificate.
fn told(folder: &Folder) -> Value {
    let all: Value = serde_json::from_str(&ianitor_does(folder, &["certs", "--json"])).unwrap();
    all[0].clone()
}

#[test]
fn certificates_are_looked_at_renewed_and_revoked_by_hand() {
    let (folder, staging_folder) = (Folder::new("acme-commands"), Folder::new("acme-staging"));
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    crate::acme_first::share_api(&folder, &staging_folder);
    let staging = Pebble::start(&staging_folder, site.looked_at());
    let root = pebble.root(&folder);
    let cert = folder.join("a.pem");
    let deploy = format!(
        "{PAGE}[[deploy]]\nhost = \"{NAME}\"\nto = \"files\"\ncert = \"{}\"\n",
        cert.display()
    );
    let file = File {
        directory: &pebble.directory(),
        certificates: &hosts(&[NAME]),
        acme: &format!("staging = \"{}\"", staging.directory()),
        tables: &deploy,
    };
    let mut gateway = site.start_with(&folder, file);
    let first = site.comes(&gateway, &root, NAME);
    until("its file is there", || cert.exists());

    let before = told(&folder);
    assert_eq!(
        (
            &before["certificate"]["serial"],
            &before["consumers"][0]["in_sync"]
        ),
        (&first.clone().into(), &true.into())
    );
    let table = ianitor_does(&folder, &["certs"]);
    for word in [
        NAME,
        &first,
        "Pebble Intermediate CA",
        "two thirds of its lifetime",
        "deploy[0]",
    ] {
        assert!(table.contains(word), "{word}: {table}");
    }
    fs::write(&cert, "somebody's own").unwrap();
    assert_eq!(told(&folder)["consumers"][0]["in_sync"], false);

    assert_a_dry_run_leaves_nothing(&folder, &site, &root, &pebble, staging, &first);

    ianitor_does(&folder, &["certs", "renew", NAME]);
    let second = site.comes_another(&gateway, &root, NAME, &first);
    assert_eq!(told(&folder)["certificate"]["serial"], second);

    let said = ianitor_does(
        &folder,
        &[
            "certs",
            "revoke",
            NAME,
            "--yes",
            "--reason",
            "keyCompromise",
        ],
    );
    assert!(said.contains(&second), "{said}");
    assert_eq!(
        (pebble.has_revoked(&first), pebble.has_revoked(&second)),
        (false, true)
    );
    let third = site.comes_another(&gateway, &root, NAME, &second);
    assert_eq!(pebble.accounts(), 1);

    // Without a gateway there is nobody to order.
    gateway.process.end();
    let failed = ianitor(&folder, &["certs", "renew", NAME]);
    assert!(
        !failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("no gateway"),
        "{failed:?}"
    );
    assert_eq!(told(&folder)["certificate"]["serial"], third);
}

/// An order at the staging directory, of which nothing is left.
fn assert_a_dry_run_leaves_nothing(
    folder: &Folder,
    site: &Site,
    root: &Path,
    pebble: &Pebble,
    mut staging: Pebble,
    first: &str,
) {
    let said = ianitor_does(folder, &["certs", "renew", NAME, "--dry-run"]);
    assert!(said.contains(&staging.directory()), "{said}");
    assert_eq!((staging.certificates(), pebble.certificates()), (1, 1));
    assert_eq!(
        (site.versions(NAME).len(), site.served(root, NAME).unwrap()),
        (1, first.to_owned())
    );
    staging.process.kill();
    let failed = ianitor(folder, &["certs", "renew", NAME, "--dry-run"]);
    assert!(
        !failed.status.success()
            && String::from_utf8_lossy(&failed.stderr).contains("cannot be reached"),
        "{failed:?}"
    );
}
