//! `[[deploy]]`: certificates for other servers.

use std::path::PathBuf;

use super::section;
use crate::acme::KeyType;
use crate::config::problem::Spanned;
use crate::config::read::{List, Table};
use crate::config::values::{EnvVar, FileMode, HostPort, OrderedHost, Signal, Text, User};
use crate::deploy::{Consumer, DeploySpec};

section! {
    /// Another server that needs one of `acme.certificates`: after each renewal, and where its
    /// files are missing or old, they are written, the server is notified, and a TLS handshake
    /// checks whether it serves the new certificate. See [Certificates for other
    /// servers](certificates.md#certificates-for-other-servers). Two entries that write one file
    /// are rejected, and so is a file in the folder of the store, or one that is a `pid_file` or a
    /// `password_file`.
    "[[deploy]]" => struct RawDeploy {
        /// Which certificate: the one that has all of these hosts. One of `hosts` and `host` must
        /// be there.
        hosts: Spanned<List<OrderedHost>> = optional("`host` says it");
        /// The same, for one host.
        host: Spanned<OrderedHost> = optional("`hosts` says it");
        /// Which of two certificates that have the same hosts.
        key_type: Spanned<KeyType> = optional("there is only one certificate for the hosts");
        /// What server it is. `kurento` needs `combined`; `coturn`, `janus` and `prosody` need
        /// `cert` and `key`, or `combined`, which they take for both; `files` is any other and
        /// needs one file of any form.
        to: Spanned<Consumer> = required(concat!(
            "missing; write which server it is for, \"coturn\", \"kurento\", \"janus\", ",
            "\"prosody\", or \"files\"",
        ));
        /// PEM: the server's certificate, then its issuers, as `fullchain.pem` of certbot.
        cert: Spanned<PathBuf> = optional("no such file is written");
        /// PEM: the private key, as `privkey.pem` of certbot.
        key: Spanned<PathBuf> = optional("no such file is written");
        /// PEM: certificate, issuers and key in this order, which Kurento and HAProxy read.
        combined: Spanned<PathBuf> = optional("no such file is written");
        /// PKCS#12: certificate, issuers and key, for Java. It needs `password_file` or
        /// `password_env`.
        pkcs12: Spanned<PathBuf> = optional("no such file is written");
        /// The password of `pkcs12`, in a file; a newline at its end is not part of it. Plain
        /// ASCII, as Java takes no other.
        password_file: Spanned<PathBuf> = optional("`password_env` says it");
        /// The same, from a variable of the environment.
        password_env: Spanned<EnvVar> = optional("`password_file` says it");
        /// The owner of the files.
        owner: User = optional("the gateway's user");
        /// Their group.
        group: User = optional("the gateway's group");
        /// Their permissions. One that lets everybody read a private key is a warning.
        mode: Spanned<FileMode> = optional(is DeploySpec::MODE);
        reload: RawReload = optional("the server is not notified");
        /// Where a TLS handshake shows which certificate the server serves; until that is the new
        /// one, the server is notified again, at growing intervals.
        verify: HostPort = optional("not verified");
    }
    also {
        /// Whether one of the files to write is named, valid or not.
        names_a_file: bool = |table| FILES.iter().any(|key| table.has(key));
    }
    check what_is_missing;
}

/// The keys that name a file to write.
const FILES: [&str; 4] = ["cert", "key", "combined", "pkcs12"];

fn what_is_missing(_: &RawDeploy, table: &Table<'_>) {
    table.require_one_of(
        &["hosts", "host"],
        concat!(
            "missing; write which of acme.certificates the server gets, ",
            "hosts = [\"media.example.com\"]"
        ),
    );
    table.require_one_of(
        &FILES,
        concat!(
            "nothing is to be written; write the files that the server reads: cert and key, ",
            "combined, or pkcs12"
        ),
    );
    if table.has("pkcs12") {
        table.require_one_of(
            &["password_file", "password_env"],
            concat!(
                "missing; PKCS#12 is locked by a password: write the file that has it, ",
                "password_file = \"secrets/p12\""
            ),
        );
    }
}

section! {
    /// How the server is notified: by a signal to the process in `pid_file`, or by a `command`.
    "deploy.reload" => struct RawReload {
        /// With or without `SIG` before it. coturn reads its files anew on `USR2`, Prosody on
        /// `HUP`.
        signal: Spanned<Signal> = optional("`command` says it");
        /// The file in which the server keeps the number of its process. Whose processes it may
        /// name: [with rights](certificates.md#with-rights).
        pid_file: Spanned<PathBuf> = optional("`command` says it");
        /// A program and its arguments, run as the gateway's user and without a shell. Its
        /// environment names the files.
        command: Spanned<List<Text>> = optional("`signal` says it");
    }
    check signal_or_command;
}

fn signal_or_command(_: &RawReload, table: &Table<'_>) {
    let (key, text) = match ["signal", "pid_file", "command"].map(|key| table.has(key)) {
        [true, false, _] => (
            "pid_file",
            concat!(
                "missing; write the file that has the server's process number, ",
                "pid_file = \"/run/turnserver/turnserver.pid\""
            ),
        ),
        [false, true, false] => (
            "signal",
            "missing; write which signal the process gets, signal = \"HUP\"",
        ),
        [false, false, false] => (
            "signal",
            concat!(
                "missing; write signal and pid_file, or ",
                "command = [\"systemctl\", \"reload\", \"…\"]"
            ),
        ),
        _ => return,
    };
    table.missing(key, text);
}
