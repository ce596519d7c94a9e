//! `[turn.NAME]`: credentials for a TURN server.

use super::kinds::{ENVIRONMENT, FILE, FILES, LIFETIME, SECRET, TURN_URI};
use super::{Form, Keys, Unset, key, quoted};
use crate::config::units::write_duration;
use crate::turn::TurnSpec;

pub(in crate::config) static TURN: Keys = Keys {
    table: "[turn.NAME]",
    about: "Credentials for a TURN server that shares a secret with the gateway, as coturn does with `use-auth-secret`. \
            The secret comes from exactly one of `secret_file`, `secret_env` and `secret`. See [TURN \
            credentials](turn.md). One that no route gives out is a warning.",
    keys: &[
        key(
            "secret_file",
            Form::One(&FILES),
            Unset::Means("another key says where the secret is"),
            "The secret, in a file; a newline at its end is not part of it. Of two, during a rotation, the first one \
             signs. Files that change are read anew within seconds.",
        ),
        key(
            "secret_env",
            Form::One(&ENVIRONMENT),
            Unset::Means("another key says where the secret is"),
            "The same, from a variable of the environment.",
        ),
        key(
            "secret",
            Form::One(&SECRET),
            Unset::Means("another key says where the secret is"),
            "The same, here. A file with a secret that everybody on the machine may read is a warning.",
        ),
        key(
            "uris",
            Form::List(&TURN_URI),
            Unset::Required,
            "Where the server is, as clients see it. A port that is not written is put in: Janus takes 3478 for TLS too. \
             IPv6 addresses, and names that do not resolve, are not context to Janus, which ends when it gets one.",
        ),
        key(
            "ttl",
            Form::One(&LIFETIME),
            Unset::Is(|| quoted(write_duration(TurnSpec::TTL))),
            "How long a credential is good; never longer than the token of who asks. Above a day is refused.",
        ),
        key(
            "api_keys_file",
            Form::One(&FILE),
            Unset::Means("the policy alone decides"),
            "Keys of programs, one on each line, `#` for remarks. A request with one of them, as `api` or `key`, passes \
             in the place of the policy: Janus' `turn_rest_api_key`.",
        ),
    ],
};
