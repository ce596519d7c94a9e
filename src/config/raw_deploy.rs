//! Certificates for other servers as they are written: `[[deploy]]`.

use std::path::PathBuf;

use super::keys::{self, Keys};
use super::problem::Spanned;
use super::read::{List, Read, Section, Table, Value};
use super::values::{NonEmpty, PlainServer};
use crate::acme::KeyType;
use crate::deploy::Consumer;
use crate::host::HostName;

/// One of `[[deploy]]`.
pub(super) struct RawDeploy {
    pub(super) hosts: Option<Spanned<List<HostName>>>,
    pub(super) host: Option<Spanned<HostName>>,
    pub(super) key_type: Option<Spanned<KeyType>>,
    pub(super) to: Option<Spanned<Consumer>>,
    pub(super) cert: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
    pub(super) combined: Option<Spanned<PathBuf>>,
    pub(super) pkcs12: Option<Spanned<PathBuf>>,
    pub(super) password_file: Option<Spanned<PathBuf>>,
    pub(super) password_env: Option<Spanned<NonEmpty>>,
    pub(super) owner: Option<NonEmpty>,
    pub(super) group: Option<NonEmpty>,
    pub(super) mode: Option<Spanned<FileMode>>,
    pub(super) reload: Option<RawReload>,
    pub(super) verify: Option<PlainServer>,
    /// Whether there is a key that is wrong: then nothing can be said of what is missing beside it.
    pub(super) names_a_file: bool,
}

/// The keys that name a file to write.
const TARGETS: [&str; 4] = ["cert", "key", "combined", "pkcs12"];

impl Section for RawDeploy {
    const KEYS: &'static Keys = &keys::DEPLOY;

    fn read(table: &Table<'_>) -> Self {
        if !table.has("hosts") && !table.has("host") {
            let text = "missing; write which of acme.certificates the server gets, hosts = [\"media.example.com\"]";
            table.missing("hosts", text);
        }
        let names_a_file = TARGETS.iter().any(|key| table.has(key));
        if !names_a_file {
            let text = "nothing is to be written; write the files that the server reads: cert and key, combined, or pkcs12";
            table.missing("cert", text);
        }
        if table.has("pkcs12") && !table.has("password_file") && !table.has("password_env") {
            let text = "missing; PKCS#12 is locked by a password: write the file that has it, password_file = \"secrets/p12\"";
            table.missing("password_file", text);
        }
        let to = "missing; write which server it is for, \"coturn\", \"kurento\", \"janus\", \"prosody\", or \"files\"";
        Self {
            hosts: table.get("hosts"),
            host: table.get("host"),
            key_type: table.get("key_type"),
            to: table.require("to", to),
            cert: table.get("cert"),
            key: table.get("key"),
            combined: table.get("combined"),
            pkcs12: table.get("pkcs12"),
            password_file: table.get("password_file"),
            password_env: table.get("password_env"),
            owner: table.plain("owner"),
            group: table.plain("group"),
            mode: table.get("mode"),
            reload: table.plain("reload"),
            verify: table.plain("verify"),
            names_a_file,
        }
    }
}

impl Read for Consumer {
    fn read(value: &Value<'_>) -> Option<Self> {
        value.choose("server", &Self::NAMES)
    }
}

/// Permissions of a file.
pub(super) struct FileMode(pub(super) u32);

impl Read for FileMode {
    fn read(value: &Value<'_>) -> Option<Self> {
        const FORM: &str = "is no mode; write it in octal, such as \"0640\"";
        // Text, because 0640 is no number of TOML, and 640 would be a different one.
        value.parse_with("the mode in quotes, such as \"0640\"", |text| {
            let digits =
                matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
            let mode = u32::from_str_radix(text, 8)
                .ok()
                .filter(|mode| digits && *mode <= 0o777);
            match mode {
                None => Err(FORM),
                Some(mode) if mode & 0o600 != 0o600 => {
                    Err("keeps even the owner from the file; write \"0600\"")
                }
                Some(mode) => Ok(Self(mode)),
            }
        })
    }
}

/// `deploy.reload`.
pub(super) struct RawReload {
    pub(super) signal: Option<Spanned<Signal>>,
    pub(super) pid_file: Option<Spanned<PathBuf>>,
    pub(super) command: Option<Spanned<List<NonEmpty>>>,
}

impl Section for RawReload {
    const KEYS: &'static Keys = &keys::RELOAD;

    fn read(table: &Table<'_>) -> Self {
        match (table.has("signal"), table.has("pid_file"), table.has("command")) {
            (true, false, _) => table.missing(
                "pid_file",
                "missing; write the file that has the server's process number, pid_file = \"/run/turnserver/turnserver.pid\"",
            ),
            (false, true, false) => table.missing("signal", "missing; write which signal the process gets, signal = \"HUP\""),
            (false, false, false) => {
                table.missing("signal", "missing; write signal and pid_file, or command = [\"systemctl\", \"reload\", \"…\"]");
            }
            _ => {}
        }
        Self {
            signal: table.get("signal"),
            pid_file: table.get("pid_file"),
            command: table.get("command"),
        }
    }
}

/// A signal that servers take for a wish, by its name without `SIG`.
pub(super) struct Signal(pub(super) &'static str);

impl Signal {
    /// Those that there are.
    pub(super) const NAMES: [(&'static str, &'static str); 7] = [
        ("HUP", "HUP"),
        ("USR1", "USR1"),
        ("USR2", "USR2"),
        ("WINCH", "WINCH"),
        ("TERM", "TERM"),
        ("INT", "INT"),
        ("QUIT", "QUIT"),
    ];
}

impl Read for Signal {
    fn read(value: &Value<'_>) -> Option<Self> {
        let text = value.text("a string")?;
        let named = Self::NAMES
            .iter()
            .find(|(name, _)| text.strip_prefix("SIG") == Some(name));
        named
            .map(|(_, name)| *name)
            .or_else(|| value.choose("signal", &Self::NAMES))
            .map(Self)
    }
}
