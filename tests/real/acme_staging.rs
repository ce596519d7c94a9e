//! After a refusal, the staging directory is asked before the CA itself.

use std::fs;

use serde_json::Value;

use crate::support::dns::ASTRAY;
use crate::support::pebble::Pebble;
use crate::support::site::{Site, hosts};
use crate::support::{Folder, until};

const NAME: &str = "a.test";

/// A second CA whose API is trusted as that of the first.
fn staging(folder: &Folder, staging: &Folder, site: &Site) -> Pebble {
    for entry in fs::read_dir(folder.join("")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("api") {
            fs::copy(entry.path(), staging.join(&name)).unwrap();
        }
    }
    Pebble::start(staging, site.looked_at())
}

#[test]
fn a_ca_that_has_refused_is_asked_again_only_after_its_staging_directory() {
    let (folder, other) = (Folder::new("acme-staging"), Folder::new("acme-staging-ca"));
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let staging = staging(&folder, &other, &site);
    let lost = format!("lost.{ASTRAY}");
    let mut gateway = site.start(&folder, &pebble.directory(), &hosts(&[&lost]), "");
    let record = site.goes_on(&lost, |record| record["refusals"] == 1);
    gateway.process.end();
    // By each of the two kinds.
    assert_eq!(pebble.orders(), 2);

    // An hour later. What was refused once is also said of another name, which leads here now.
    let write = |name: &str| {
        let mut record = record.clone();
        record["next"] = "2026-01-01T00:00:00Z".into();
        record["written"] = Value::Null;
        let wanted = record["wanted"].as_str().unwrap().replace(&lost, name);
        record["wanted"] = wanted.into();
        let certificates = site.store.join("certificates").join(name);
        fs::create_dir_all(&certificates).unwrap();
        fs::write(certificates.join("progress.json"), record.to_string()).unwrap();
    };
    write(&lost);
    write(NAME);
    let acme = format!("staging = \"{}\"", staging.directory());
    let gateway = site.start(&folder, &pebble.directory(), &hosts(&[&lost, NAME]), &acme);
    site.comes(&gateway, &root, NAME);
    let record = site.goes_on(&lost, |record| record["refusals"] == 2);
    let error = record["error"].as_str().unwrap();
    assert!(
        error.starts_with("the CA was not asked again, as its staging directory was asked first: ")
            && error.contains(&format!("the CA refused {lost} by tls-alpn-01: ")),
        "{error}"
    );
    assert!(record["hold"] == false, "{record}");
    until("the staging directory was asked", || staging.orders() >= 3);
    // Pebble rejects nonces now and then, so the order for the good name may be made twice. The
    // other name would have had two more, by each of the two kinds.
    assert!((3..=4).contains(&pebble.orders()));
    assert!(pebble.certificates() >= 1);
}
