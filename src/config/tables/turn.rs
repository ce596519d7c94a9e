//! `[turn.NAME]`: credentials for a TURN server.

use std::path::PathBuf;

use super::section;
use crate::config::problem::Spanned;
use crate::config::read::{List, Table};
use crate::config::values::{EnvVar, Lifetime, OneOrTwoFiles, SecretText};
use crate::turn::TurnSpec;
use crate::turn::uri::TurnUri;

section! {
    /// Credentials for a TURN server that shares a secret with the gateway, as coturn does with
    /// `use-auth-secret`. The secret comes from exactly one of `secret_file`, `secret_env` and
    /// `secret`. See [TURN credentials](turn.md). One that no route gives out is a warning.
    "[turn.NAME]" => struct RawTurn {
        /// The secret, in a file; a newline at its end is not part of it. Of two, during a
        /// rotation, the first one signs. Files that change are reloaded within seconds.
        secret_file: Spanned<OneOrTwoFiles> = optional("another key says where the secret is");
        /// The same, from a variable of the environment.
        secret_env: Spanned<EnvVar> = optional("another key says where the secret is");
        /// The same, here. If every user of the machine may read the file, that is a warning.
        secret: Spanned<SecretText> = optional("another key says where the secret is");
        /// Where the server is, as clients see it. A port that is not written is put in: Janus
        /// takes 3478 for TLS too. IPv6 addresses, and names that do not resolve, are not given to
        /// Janus, which ends when it gets one.
        uris: Spanned<List<TurnUri>> = required(concat!(
            "missing; write where the TURN server is, uris = ",
            "[\"turn:turn.example.com:3478?transport=udp\"]",
        ));
        /// How long a credential is valid; never longer than the token that it was requested with.
        /// Above a day is a warning.
        ttl: Spanned<Lifetime> = optional(is TurnSpec::TTL);
        /// Keys of programs, one on each line, `#` for comments. A request with one of them, as
        /// `api` or `key`, passes in place of the policy: Janus' `turn_rest_api_key`.
        api_keys_file: PathBuf = optional("the policy alone decides");
    }
    check secret;
}

fn secret(_: &RawTurn, table: &Table<'_>) {
    let text = concat!(
        "missing; write the file that has coturn's static-auth-secret, ",
        "secret_file = \"secrets/turn\""
    );
    table.require_one_of(&["secret_file", "secret_env", "secret"], text);
}
