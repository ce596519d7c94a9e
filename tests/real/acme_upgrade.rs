//! An upgrade in the middle of an order: the old process finishes the order, whose challenge the
//! new one answers, and no other order is placed.

use std::fs;
use std::process::Command;
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::front::{Front, NEW_ORDER, Way};
use crate::support::pebble::Pebble;
use crate::support::site::{File, PAGE, Site, hosts};
use crate::support::{Folder, until};

/// Where Pebble takes the word that a challenge may be looked at.
const CHALLENGE: &str = "/chalZ/";

#[test]
fn an_order_that_is_under_way_at_an_upgrade_is_the_only_one() {
    let folder = Folder::new("acme-upgrade");
    let site = Site::new(&folder);
    let pebble = Pebble::start(&folder, site.looked_at());
    let front = Front::start(&folder, &pebble, &[]);
    let (reached, is_reached) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let mut held = Some((reached, wait));
    front.script(move |asked| {
        if asked.path.starts_with(CHALLENGE)
            && asked.payload == json!({})
            && let Some((reached, wait)) = held.take()
        {
            reached.send(()).unwrap();
            wait.recv().unwrap();
        }
        Way::Pass
    });
    let (cert, deploys) = (folder.join("deployed.pem"), folder.join("deploys"));
    let tables = format!(
        "{PAGE}[[deploy]]\nhost = \"a.test\"\nto = \"files\"\ncert = \"{}\"\n\
         reload = {{ command = [\"sh\", \"-c\", \"echo again >> {}\"] }}\n",
        cert.display(),
        deploys.display()
    );
    let file = File {
        directory: &front.directory(),
        certificates: &hosts(&["a.test"]),
        acme: "",
        tables: &tables,
    };
    let gateway = site.start_with(&folder, file);
    is_reached.recv().unwrap();
    let mut upgrade = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    upgrade.arg("upgrade").arg("--config");
    let output = upgrade.arg(folder.join("gateway.toml")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let pid = said.split(' ').nth(2).and_then(|pid| pid.parse().ok());
    let _new = Ended(Pid::from_raw(pid.unwrap()).unwrap());
    // Only now the CA looks, and finds the new process.
    go.send(()).unwrap();
    let root = pebble.root(&folder);
    site.comes(&gateway, &root, "a.test");
    until("the old process has ended", || {
        gateway
            .process
            .said()
            .contains("the replaced process has stopped")
    });
    assert_eq!(front.asked(NEW_ORDER).len(), 1);
    assert_eq!((pebble.orders(), pebble.certificates()), (1, 1));
    until(
        "the new process says that it serves the certificate",
        || gateway.process.said().contains("in service"),
    );
    let deploys = || fs::read_to_string(&deploys).unwrap_or_default();
    until("it is deployed", || !deploys().is_empty());
    assert_eq!(deploys(), "again\n", "by one of them, once");
    assert!(cert.exists());
}

/// A process that ends with the test.
struct Ended(Pid);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill_process(self.0, Signal::KILL);
    }
}
