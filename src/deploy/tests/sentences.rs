use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;

use nix::errno::Errno;

use super::*;
use crate::deploy::error::{DeployError, Said};
use crate::deploy::{Consumer, Place};
use crate::disk::Untrusted;
use crate::telemetry::Chain;

const DENIED: io::ErrorKind = io::ErrorKind::PermissionDenied;

fn system(kind: io::ErrorKind) -> io::Error {
    kind.into()
}

fn path() -> PathBuf {
    "/etc/coturn/key.pem".into()
}

fn assert_each_says<const N: usize>(cases: [(DeployError, [&str; 3]); N]) {
    for (error, words) in cases {
        let sentence = Chain(&error).to_string();
        for word in words {
            assert!(sentence.contains(word), "{word:?} is not in {sentence:?}");
        }
        assert!(!sentence.contains("  "), "{sentence:?}");
    }
}

#[test]
fn each_says_what_and_where_and_what_to_do() {
    let (key, name) = (|| "deploy[0].owner".to_owned(), || "turnserver".into());
    #[rustfmt::skip]
    let cases = [
        (DeployError::NoUser { key: key(), name: name() },
         ["deploy[0].owner", "\"turnserver\"", "mend the name"]),
        (DeployError::NoGroup { key: key(), name: name() },
         ["deploy[0].owner", "\"turnserver\"", "mend the name"]),
        (DeployError::Lookup { key: key(), name: name(), cause: Errno::EIO },
         ["deploy[0].owner", "write its number", "EIO"]),
        (DeployError::NotGiven { path: path(), key: key(), name: name(), cause: system(DENIED) },
         ["/etc/coturn/key.pem", "deploy[0].owner", "-m 2750"]),
        (DeployError::MayNotGive { key: key(), name: name() },
         ["deploy[0].owner", "CAP_CHOWN", "-m 2750"]),
        (DeployError::NoFolder("/etc/coturn".into()), ["/etc/coturn", "missing", "make it"]),
        (DeployError::NotAFile(path()), ["/etc/coturn/key.pem", "no file", "move it away"]),
        (DeployError::Unreadable(path(), system(DENIED)),
         ["/etc/coturn/key.pem", "cannot be read", "denied"]),
        (DeployError::Write(path(), system(io::ErrorKind::StorageFull)),
         ["/key.pem", "make room", "the old file stays"]),
        (DeployError::Write(path(), system(io::ErrorKind::ReadOnlyFilesystem)),
         ["/key.pem", "mount", "ReadWritePaths="]),
        (DeployError::Write(path(), system(DENIED)),
         ["/key.pem", "cannot be written", "the user that runs ianitor"]),
        (DeployError::PasswordNotAscii(path()),
         ["/key.pem", "ASCII", "write one of letters and digits"]),
        (DeployError::NotWhole, ["store", "incomplete", "ianitor certs renew"]),
        (DeployError::NoSignal("USR9".into()), ["\"USR9\"", "USR2", "HUP"]),
        (DeployError::PidFile(path(), system(DENIED)),
         ["/key.pem", "cannot be read", "does the server run"]),
        (DeployError::NoPid(path()), ["/key.pem", "no number", "the right file"]),
        (DeployError::OwnPid(path()), ["/key.pem", "ianitor itself", "the right file"]),
        (DeployError::StalePid { path: path(), pid: 77 },
         ["/key.pem is stale", "77", "start the server"]),
        (DeployError::OpenPidFile(path()), ["/key.pem can be written", "other users", "chmod 644"]),
        (DeployError::ForeignProcess {
            path: path(), writer: "turnserver".into(), pid: 77, user: "root".into() },
         ["\"turnserver\" can change the pid file /etc", "/key.pem", "the process 77 of \"root\""]),
        (DeployError::Untrusted(Untrusted::Folder {
            path: path(), owner: "turnserver".into(), to: "root".into(), group: "coturn".into() }),
         ["the folder /etc", "the user \"turnserver\"",
          "chown root:coturn /etc/coturn/key.pem && chmod 2750 /etc"]),
        (DeployError::Untrusted(Untrusted::Writable { path: path(), mode: 0o1777 }),
         ["the folder /etc", "mode 1777", "chmod go-w /etc/coturn/key.pem"]),
        (DeployError::Untrusted(Untrusted::Link { path: path(), owner: "turnserver".into() }),
         ["/key.pem is a symbolic link", "\"turnserver\" can change", "name the place itself"]),
        (DeployError::Untrusted(Untrusted::Program { path: path(), owner: "turnserver".into() }),
         ["the program /etc", "the user \"turnserver\"", "chown root /etc/coturn/key.pem"]),
    ];
    assert_each_says(cases);
}

#[test]
fn so_does_each_of_a_server_that_cannot_be_notified() {
    let place = || Place {
        host: std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST).into(),
        port: 5349,
    };
    #[rustfmt::skip]
    let cases = [
        (DeployError::NotSignalled { path: path(), pid: 77, cause: Errno::EPERM },
         ["77 of /etc", "as root", "EPERM"]),
        (DeployError::NoCommand { program: "systemctl".to_owned(), cause: system(DENIED) },
         ["systemctl", "whole path", "denied"]),
        (DeployError::NoCommand {
            program: "systemctl reload coturn".to_owned(), cause: system(DENIED) },
         ["systemctl reload coturn", "apart: [\"systemctl\", \"reload\"", "denied"]),
        (DeployError::NotFound("systemctl".to_owned()),
         ["systemctl is not found", "installed", "apart: [\"systemctl\""]),
        (DeployError::NotExecutable("/usr/local/bin/tell".into()),
         ["/usr/local/bin/tell", "its mode", "another"]),
        (DeployError::CommandFailed {
            program: "systemctl".to_owned(), status: ExitStatus::from_raw(5 << 8),
            said: Said("no such unit".to_owned()) },
         ["systemctl failed", "5", "it said: no such unit"]),
        (DeployError::CommandLate {
            program: "systemctl".to_owned(), limit: Duration::from_secs(60),
            said: Said(String::new()) },
         ["systemctl", "60 s", "it said nothing"]),
        (DeployError::Unreachable { place: place(), to: Consumer::Coturn, cause: system(DENIED) },
         ["[::1]:5349", "verify", "restart it once"]),
        (DeployError::Unreachable { place: place(), to: Consumer::Janus, cause: system(DENIED) },
         ["[::1]:5349", "does it run", "right?: per"]),
        (DeployError::NoHandshake(place(), system(DENIED)),
         ["[::1]:5349", "its TLS port", "load its files"]),
    ];
    assert_each_says(cases);
}
