//! The disk of the certificate store is full: a file system of 256 KiB, mounted for the gateway
//! alone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::pebble::Pebble;
use crate::support::site::{File, PAGE, Site, hosts};
use crate::support::{Folder, Gateway, ianitor, until};

const NAME: &str = "a.test";

/// Mounts the store in a namespace of its own, then becomes the gateway.
fn start(folder: &Folder, site: &Site, directory: &str) -> Gateway {
    fs::create_dir_all(&site.store).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=256k,mode=700 store '{}' && exec \"$@\"",
        site.store.display()
    );
    let certificates = hosts(&[NAME]);
    let file = File {
        directory,
        certificates: &certificates,
        acme: "",
        tables: PAGE,
    };
    let root = rustix::process::geteuid().is_root();
    let namespaces: &[&str] = if root { &["-m"] } else { &["-m", "-U", "-r"] };
    let mut by = vec!["unshare"];
    by.extend(namespaces);
    by.extend(["sh", "-c", &mount, "sh"]);
    site.start_by(folder, file, &by)
}

/// The store as the gateway sees it.
fn store(gateway: &Gateway, site: &Site) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", gateway.process.id()));
    root.join(site.store.strip_prefix("/").unwrap())
}

fn fill(store: &Path) -> PathBuf {
    let filler = store.join("filler");
    let full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    filler
}

#[test]
fn a_full_disk_under_the_store_costs_no_order_and_no_certificate() {
    let folder = Folder::new("acme-disk");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let root = pebble.root(&folder);
    let gateway = start(&folder, &site, &pebble.directory());
    until("there is a certificate", || {
        site.served(&root, NAME).is_ok()
    });
    let first = site.served(&root, NAME).unwrap();
    let (orders, store) = (pebble.orders(), store(&gateway, &site));

    let filler = fill(&store);
    let renewed = ianitor(&folder, &["certs", "renew", NAME]);
    let error = String::from_utf8_lossy(&renewed.stderr).into_owned();
    assert_eq!(renewed.status.code(), Some(1), "{error}");
    assert!(
        error.contains(&site.store.display().to_string()) && error.contains("no space left"),
        "{error}"
    );
    assert_eq!(
        pebble.orders(),
        orders,
        "nothing is ordered that cannot be kept"
    );
    assert_eq!(site.served(&root, NAME).unwrap(), first);

    fs::remove_file(filler).unwrap();
    let renewed = ianitor(&folder, &["certs", "renew", NAME]);
    assert!(renewed.status.success(), "{renewed:?}");
    until("the new one is served", || {
        site.served(&root, NAME).is_ok_and(|serial| serial != first)
    });
    assert_eq!(pebble.orders(), orders + 1);
}
