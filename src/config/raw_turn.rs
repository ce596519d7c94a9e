//! TURN credentials as they are written: `[turn.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use super::keys::{self, Keys};
use super::problem::Spanned;
use super::read::{List, Section, Table};
use super::values::{NonEmpty, OneOrList, Timeout};
use crate::turn::uri::TurnUri;

/// `[turn.NAME]`.
pub(super) struct RawTurn {
    pub(super) secret_file: Option<Spanned<OneOrList<PathBuf>>>,
    pub(super) secret_env: Option<Spanned<NonEmpty>>,
    pub(super) secret: Option<Spanned<NonEmpty>>,
    pub(super) uris: Option<Spanned<List<TurnUri>>>,
    pub(super) ttl: Option<Spanned<Duration>>,
    pub(super) api_keys_file: Option<Spanned<PathBuf>>,
}

impl Section for RawTurn {
    const KEYS: &'static Keys = &keys::TURN;

    fn read(table: &Table<'_>) -> Self {
        if !["secret_file", "secret_env", "secret"]
            .iter()
            .any(|key| table.has(key))
        {
            let text = "missing; write the file that has coturn's static-auth-secret, secret_file = \"secrets/turn\"";
            table.missing("secret_file", text);
        }
        let uris = "missing; write where the TURN server is, uris = [\"turn:turn.example.com:3478?transport=udp\"]";
        let ttl: Option<Spanned<Timeout>> = table.get("ttl");
        Self {
            secret_file: table.get("secret_file"),
            secret_env: table.get("secret_env"),
            secret: table.get("secret"),
            uris: table.require("uris", uris),
            ttl: ttl.map(|ttl| Spanned {
                value: ttl.value.0,
                place: ttl.place,
            }),
            api_keys_file: table.get("api_keys_file"),
        }
    }
}
