//! Certificates as operators make them, and what a client of OpenSSL is shown.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::Folder;

/// A private CA.
#[derive(Debug)]
pub(crate) struct Ca {
    pub(crate) cert: PathBuf,
    key: PathBuf,
}

/// A certificate and its key.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Ca {
    pub(crate) fn new(folder: &Folder, name: &str) -> Self {
        let ca = Self {
            cert: folder.join(&format!("{name}.pem")),
            key: folder.join(&format!("{name}.key")),
        };
        let subject = format!("/CN={name}");
        openssl(
            &["req", "-x509", "-days", "30", "-subj", &subject],
            &NEW_KEY,
            &[("-keyout", &ca.key), ("-out", &ca.cert)],
        );
        ca
    }

    /// A certificate for one name, in files that are called `file`.
    pub(crate) fn issue(&self, folder: &Folder, file: &str, name: &str, days: u32) -> Pair {
        let pair = Pair {
            cert: folder.join(&format!("{file}.pem")),
            key: folder.join(&format!("{file}.key")),
        };
        let (subject, names, days) = (
            format!("/CN={name}"),
            format!("subjectAltName=DNS:{name}"),
            days.to_string(),
        );
        openssl(
            &[
                "req",
                "-x509",
                "-days",
                &days,
                "-subj",
                &subject,
                "-addext",
                &names,
                "-addext",
                "basicConstraints=CA:FALSE",
            ],
            &NEW_KEY,
            &[
                ("-CA", &self.cert),
                ("-CAkey", &self.key),
                ("-keyout", &pair.key),
                ("-out", &pair.cert),
            ],
        );
        pair
    }
}

const NEW_KEY: [&str; 5] = [
    "-nodes",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
];

impl Pair {
    pub(crate) fn serial(&self) -> String {
        let output = openssl(&["x509", "-noout", "-serial"], &[], &[("-in", &self.cert)]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// The serial of the certificate that a port of 127.0.0.1 shows for a name; `None` if there was no
/// handshake.
pub(crate) fn shown_serial(port: u16, name: &str) -> Option<String> {
    let text = s_client(&[
        "-connect",
        &format!("127.0.0.1:{port}"),
        "-servername",
        name,
        "-showcerts",
    ])?;
    let end = "-----END CERTIFICATE-----\n";
    let from = text.find("-----BEGIN CERTIFICATE-----")?;
    let to = from + text[from..].find(end)? + end.len();
    let mut child = Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &text.as_bytes()[from..to])
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// What `openssl s_client` says about a handshake, if there was one.
pub(crate) fn s_client(args: &[&str]) -> Option<String> {
    let output = Command::new("timeout")
        .args(["20", "openssl", "s_client"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn openssl(command: &[&str], more: &[&str], files: &[(&str, &Path)]) -> Output {
    let mut run = Command::new("openssl");
    run.args(command).args(more);
    for (option, file) in files {
        run.arg(option).arg(file);
    }
    let output = run.output().unwrap();
    assert!(
        output.status.success(),
        "openssl {command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
