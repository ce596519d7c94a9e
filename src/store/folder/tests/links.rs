//! Write access to a store gives no influence on files outside of it, even if root runs commands.

use std::os::unix::fs::{lchown, symlink};

use nix::unistd::geteuid;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// The gateway's own user, if the test runs as root.
const GATEWAY: u32 = 65_534;

impl Made {
    /// Makes the gateway's user the owner of the whole store.
    fn give(&self) {
        if geteuid().is_root() {
            give(&self.at(""));
        }
    }

    /// Replaces something by a link of the gateway's user that leads out of the store.
    fn link(&self, path: &str, to: &Path) {
        let path = self.at(path);
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        symlink(to, &path).unwrap();
        if geteuid().is_root() {
            lchown(path, Some(GATEWAY), Some(GATEWAY)).unwrap();
        }
    }

    fn victim(&self) -> PathBuf {
        let victim = self.around.path().join("victim");
        fs::create_dir_all(&victim).unwrap();
        victim
    }
}

fn give(path: &Path) {
    lchown(path, Some(GATEWAY), Some(GATEWAY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path)
            .unwrap()
            .for_each(|entry| give(&entry.unwrap().path()));
    }
}

/// `ianitor certs`, run by root on the store of the gateway's user.
#[test]
fn root_follows_no_link_that_the_gateways_user_put_into_the_store() {
    let made = Made::with(1);
    made.store.probe().unwrap();
    made.give();
    for place in ["certificates/media.test", "certificates", "locks"] {
        let victim = made.victim();
        made.link(place, &victim);
        let written = made.store.put_order(&name(), &order());
        let locked = made.store.try_lock("media.test");
        if !geteuid().is_root() {
            // A user's own link in the user's own folder.
            assert!(written.is_ok() && locked.is_ok());
            return;
        }
        let error = match place {
            "locks" => locked.unwrap_err(),
            _ => written.unwrap_err(),
        };
        let said = error.to_string();
        assert!(matches!(error, StoreError::Untrusted { .. }), "{said}");
        assert!(
            said.contains(&format!(
                "{place} is a symbolic link that the user \"nobody\" can change"
            )),
            "{said}"
        );
        assert!(fs::read_dir(&victim).unwrap().next().is_none(), "{place}");
        if place != "locks" {
            assert!(
                made.store.certificate(&name()).is_err()
                    && made.store.order_record(&name()).is_err()
            );
            assert!(made.store.revoked(&name(), UnixTime(0)).is_err());
        }
        fs::remove_file(made.at(place)).unwrap();
    }
}

#[test]
fn a_link_in_the_place_of_a_file_of_the_store_is_neither_read_nor_written_through() {
    let made = Made::with(1);
    made.give();
    let victim = made.victim().join("file");
    let of_certificate = |file: &str| format!("certificates/media.test/{file}");
    for file in [
        ".lock",
        "order.json",
        "order.json.new",
        "progress.json",
        "0001/privkey.pem",
    ] {
        fs::write(&victim, "precious").unwrap();
        made.link(&of_certificate(file), &victim);
        let written = made.store.put_order(&name(), &order());
        assert!(written.is_ok(), "{file}: {written:?}");
        let (progress, certificate) = (
            made.store.order_record(&name()),
            made.store.certificate(&name()),
        );
        assert_eq!(
            progress.is_err(),
            file == "progress.json",
            "{file}: {progress:?}"
        );
        assert_eq!(
            certificate.is_err(),
            file == "0001/privkey.pem",
            "{file}: {certificate:?}"
        );
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{file}");
        assert_eq!(
            fs::metadata(&victim).unwrap().uid(),
            geteuid().as_raw(),
            "{file}"
        );
        let _ = fs::remove_file(made.at(&of_certificate(file)));
    }
    // Nothing is created at the target of a broken link.
    made.link(&of_certificate(".lock"), &made.victim().join("made"));
    made.store.put_order(&name(), &order()).unwrap();
    assert!(!made.victim().join("made").exists());
}

#[test]
fn a_pipe_in_the_place_of_a_file_of_the_store_is_not_waited_for() {
    let made = Made::with(1);
    let pipe = |file: &str| {
        let path = made.of_certificate(file);
        let _ = fs::remove_file(&path);
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    };
    for file in ["progress.json", "order.json", "0001/fullchain.pem"] {
        pipe(file);
    }
    assert!(made.store.order_record(&name()).is_err());
    assert!(made.store.order(&name()).is_err());
    assert!(made.store.certificate(&name()).is_err());
    pipe(".lock");
    assert!(made.store.put_order(&name(), &order()).is_ok());
}

/// Files of root belong to the gateway's user, so that the gateway can read them.
#[test]
fn what_root_puts_into_a_store_belongs_to_whom_the_store_belongs() {
    let made = Made::with(1);
    made.give();
    made.store.put_order(&name(), &order()).unwrap();
    drop(made.store.try_lock("other.test").unwrap().unwrap());
    let owner = fs::metadata(made.at("")).unwrap().uid();
    for path in [
        "certificates/media.test/order.json",
        "certificates/media.test/.lock",
        "locks/other.test.lock",
    ] {
        assert_eq!(fs::metadata(made.at(path)).unwrap().uid(), owner, "{path}");
    }
}
