//! `[issuers.NAME]` and `[policies.NAME]`: who may pass.

use super::kinds::{
    ALGORITHM, AUDIENCE, CLAIM, DURATION, ENVIRONMENT, FILE, ISSUER_NAME, NETWORK, SECRET, SOURCE,
    SWITCH, TEXT, TIMEOUT, URL,
};
use super::{Form, Keys, Unset, key, list, quoted};
use crate::config::lower::access;
use crate::config::units::write_duration;
use crate::token::issuer::IssuerSpec;

pub(in crate::config) static ISSUER: Keys = Keys {
    table: "[issuers.NAME]",
    about: "Who signs tokens (JWT, RFC 7519). Its keys come from exactly one of `key_file`, `secret_file`, \
            `secret_env`, `secret`, `jwks_url` and `asap_url`. A token must have an `exp`, in whole seconds; `nbf` is \
            obeyed; `crit`, `alg: none`, encrypted tokens and members that come twice are refused, and keys that a \
            token brings along (`jwk`, `jku`, `x5u`) are not looked at. A token is at most 8 KiB. One that no policy \
            names is a warning.",
    keys: &[
        key(
            "algorithms",
            Form::List(&ALGORITHM),
            Unset::Required,
            "What its keys are used with. It is never taken from the token: each key serves only the algorithms here \
             that are for its kind and curve. One that no key in `key_file` is for is refused.",
        ),
        key(
            "key_file",
            Form::One(&FILE),
            Unset::Means("another key says where the keys are"),
            "One or more public keys: PEM (`PUBLIC KEY`, `RSA PUBLIC KEY` or a certificate), DER (SubjectPublicKeyInfo, \
             or PKCS#1 as janus-plugin-sfu's `public.der`), a JWK or a JWKS. RSA keys have 2048 bits or more. A private \
             key is refused. A file that changes is read anew within seconds.",
        ),
        key(
            "secret_file",
            Form::One(&FILE),
            Unset::Means("another key says where the keys are"),
            "For HS256, HS384 and HS512: the secret that it shares with the gateway, in a file. A newline at its end is \
             not part of it. Below 32 bytes is a warning.",
        ),
        key(
            "secret_env",
            Form::One(&ENVIRONMENT),
            Unset::Means("another key says where the keys are"),
            "The same, from a variable of the environment.",
        ),
        key(
            "secret",
            Form::One(&SECRET),
            Unset::Means("another key says where the keys are"),
            "The same, here. A file with a secret that everybody on the machine may read is a warning.",
        ),
        key(
            "secret_base64",
            Form::One(&SWITCH),
            Unset::Means("`false`"),
            "Whether the secret is written in base64. Jitsi's `app_secret` is not.",
        ),
        key(
            "jwks_url",
            Form::One(&URL),
            Unset::Means("another key says where the keys are"),
            "Where it publishes its keys (RFC 7517). They are fetched ahead, as often as its cache headers say; a token \
             with an unknown `kid` has them fetched once more. What cannot be fetched or used leaves those in force.",
        ),
        key(
            "asap_url",
            Form::One(&URL),
            Unset::Means("another key says where the keys are"),
            "A key server as Jitsi has it (`asap_key_server`): the key named `kid` is the PEM file \
             `<asap_url>/<hex SHA-256 of kid>.pem`.",
        ),
        key(
            "ca_file",
            Form::One(&FILE),
            Unset::Means("the system's CAs"),
            "PEM: the CAs to trust instead, for `jwks_url` and `asap_url`.",
        ),
        key(
            "issuer",
            Form::One(&TEXT),
            Unset::Means("any"),
            "What `iss` must be, exactly.",
        ),
        key(
            "audience",
            Form::One(&AUDIENCE),
            Unset::Required,
            "What `aud` must be or contain: one or a list of which one is enough. `\"any\"` must be typed, for a token \
             that was made for somebody else then opens doors here too.",
        ),
        key(
            "sources",
            Form::List(&SOURCE),
            Unset::Is(|| list(access::default_sources().iter().map(access::source_text))),
            "Where in a request its tokens may stand. Two different tokens in one request get 400. Before the server \
             behind sees the request the token is taken out of all of these, unless the route says \
             [`forward_token`](#routesforward_token).",
        ),
        key(
            "leeway",
            Form::One(&DURATION),
            Unset::Is(|| quoted(write_duration(IssuerSpec::LEEWAY))),
            "How far its clock and ours may differ, for `exp` and `nbf`.",
        ),
        key(
            "max_lifetime",
            Form::One(&TIMEOUT),
            Unset::Is(|| quoted(write_duration(IssuerSpec::MAX_LIFETIME))),
            "A token whose `exp` lies further away is refused.",
        ),
        key(
            "revoked_file",
            Form::One(&FILE),
            Unset::Means("nothing is revoked"),
            "Tokens that are taken back: lines of `jti VALUE` or `sub VALUE`, `#` for remarks. It is read anew within \
             seconds of a change, and open WebSockets of such tokens are closed.",
        ),
    ],
};

pub(in crate::config) static POLICY: Keys = Keys {
    table: "[policies.NAME]",
    about: "Who may use a route: by address, by token, or both. `open` is built in and lets everybody pass; no policy \
            can take that name. Whoever is not let in gets 401 where a token is missing or proves nothing, else 403, and \
            the server behind sees nothing. A reload that takes a client out closes its open WebSockets. One that no \
            route names is a warning.",
    keys: &[
        key(
            "allow",
            Form::List(&NETWORK),
            Unset::Means("no address is enough by itself"),
            "The networks that may pass. An empty list is refused, since it would let nobody in. Networks that are \
             everybody, alone or together (`0.0.0.0/1` with `128.0.0.0/1`; `2000::/3`), are a warning, and as good as \
             `open`.",
        ),
        key(
            "deny",
            Form::List(&NETWORK),
            Unset::Means("nobody"),
            "Networks that may not pass, whatever else speaks for them. Looked at before `allow`; what lies in it whole \
             is refused there.",
        ),
        key(
            "issuers",
            Form::List(&ISSUER_NAME),
            Unset::Means("no token is asked for"),
            "Whose tokens are taken.",
        ),
        key(
            "claims",
            Form::Values(&CLAIM),
            Unset::Means("every good token is enough"),
            "What a token must claim, all of it. A claim holds one of the values or, if it is a list, contains one; a \
             lone value needs no list. `realm_access.roles` is a member of an object, unless a claim has that very \
             name. `\"*\"` is any value. A token whose `room` is `\"*\"`, as Jitsi's have it, is for every room.",
        ),
        key(
            "satisfy",
            Form::Word(|| vec!["any", "all"]),
            Unset::Means(
                "only one of `allow` and `issuers` is there; with both it must be written",
            ),
            "`any`: address or token. `all`: both.",
        ),
        key(
            "on_expiry",
            Form::Word(|| vec!["close", "keep"]),
            Unset::Means("`\"close\"`"),
            "What becomes of an open WebSocket, and of an answer that is still under way, when its token ends: closed with \
             1008, or cut; or kept.",
        ),
        key(
            "expiry_grace",
            Form::One(&DURATION),
            Unset::Means("`\"0s\"`"),
            "How long it still goes on.",
        ),
    ],
};
