//! The units for systemd: systemd finds nothing wrong with them, and little that they leave open.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Folder;

const UNITS: [&str; 2] = ["ianitor.service", "ianitor.socket"];

/// The highest exposure that `systemd-analyze security` may find, in tenths: from 0 to 10.
const EXPOSURE: &str = "25";

fn analyze(folder: &Folder, arguments: &[&str], units: &[&str]) -> String {
    let units = units.iter().map(|unit| folder.join(unit));
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .args(units)
        .output()
        .expect("scripts/test-deps.sh installs systemd-analyze");
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}{errors}");
    errors.into_owned()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = Folder::new("systemd");
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd");
    for unit in UNITS {
        let text = fs::read_to_string(units.join(unit)).unwrap();
        // The one that is tested is not installed.
        let text = text.replace("/usr/local/bin/ianitor", env!("CARGO_BIN_EXE_ianitor"));
        folder.write(unit, &text);
    }
    // The man page is not installed either.
    assert_eq!(analyze(&folder, &["verify", "--man=no"], &UNITS), "");
    let security = ["security", "--offline=true", "--threshold", EXPOSURE];
    analyze(&folder, &security, &UNITS[..1]);
}
