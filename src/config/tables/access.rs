//! `[issuers.NAME]` and `[policies.NAME]`: who may pass.

use std::path::PathBuf;
use std::time::Duration;

use super::login::{RawBasic, RawClientCertificate, RawForwardAuth};
use super::message::RawRule;
use super::section;
use crate::addr::Network;
use crate::config::problem::Spanned;
use crate::config::read::{List, Table};
use crate::config::values::{
    Claims, EnvVar, FetchUrl, IssClaim, IssuerName, OnExpiryWord, PresetName, RawAudience, Satisfy,
    SecretText, Timeout,
};
use crate::signalling::uri::UriPrefix;
use crate::token::Algorithm;
use crate::token::issuer::IssuerSpec;
use crate::token::location::{COOKIE, Source};

section! {
    /// Who signs tokens (JWT, RFC 7519). Its keys come from exactly one of `key_file`,
    /// `secret_file`, `secret_env`, `secret`, `jwks_url` and `asap_url`. A token must have an
    /// `exp`; `nbf` is checked; fractions of a second are rounded so that the token is valid for
    /// less time. `crit`, `alg: none`, encrypted tokens and duplicate members are rejected, and
    /// keys that a token contains or points to (`jwk`, `jku`, `x5u`) are ignored. A token is at
    /// most [`limits.token`](#limitstoken) long. An issuer that no policy names is a warning.
    "[issuers.NAME]" => struct RawIssuer {
        /// What its keys are used with. It is never taken from the token: each key serves only the
        /// algorithms here that are for its kind and curve. An algorithm that fits no key in
        /// `key_file` is rejected.
        algorithms: Spanned<List<Algorithm>> = required(concat!(
            "missing; write what its keys are used with, algorithms = [\"RS256\"]; it is ",
            "never taken from a token",
        ));
        /// One or more public keys: PEM (`PUBLIC KEY`, `RSA PUBLIC KEY` or a certificate), DER
        /// (SubjectPublicKeyInfo, or PKCS#1 as janus-plugin-sfu's `public.der`), a JWK or a JWKS.
        /// RSA keys have 2048 bits or more. A private key is rejected. A file that changes is
        /// reloaded within seconds.
        key_file: Spanned<PathBuf> = optional("another key says where the keys are");
        /// For HS256, HS384 and HS512: the secret that it shares with the gateway, in a file. A
        /// newline at its end is not part of it. Below 32 bytes is a warning.
        secret_file: Spanned<PathBuf> = optional("another key says where the keys are");
        /// The same, from a variable of the environment.
        secret_env: Spanned<EnvVar> = optional("another key says where the keys are");
        /// The same, here. If every user of the machine may read the file, that is a warning.
        secret: Spanned<SecretText> = optional("another key says where the keys are");
        /// Whether the secret is written in base64. Jitsi's `app_secret` is not.
        secret_base64: Spanned<bool> = optional("`false`");
        /// Where it publishes its keys (RFC 7517). They are fetched ahead, as often as its cache
        /// headers say; a token with an unknown `kid` has them fetched once more. What cannot be
        /// fetched or used leaves those in force.
        jwks_url: Spanned<FetchUrl> = optional("another key says where the keys are");
        /// A key server as Jitsi has it (`asap_key_server`): the key named `kid` is the PEM file
        /// `<asap_url>/<hex SHA-256 of kid>.pem`.
        asap_url: Spanned<FetchUrl> = optional("another key says where the keys are");
        /// PEM: the CAs to trust instead, for `jwks_url` and `asap_url`. A certificate that is not
        /// that of a CA is accepted as itself, whatever names and dates are in it.
        ca_file: Spanned<PathBuf> = optional("the system's CAs");
        /// What `iss` must be, exactly: one, or a list of which one is enough, as Jitsi's
        /// `asap_accepted_issuers`. `ianitor token mint` writes the first.
        issuer: Spanned<IssClaim> = optional("any");
        /// What `aud` must be or contain: one or a list of which one is enough. `"any"` must be
        /// written explicitly, because tokens that were issued for other services are then accepted
        /// too.
        audience: Spanned<RawAudience> = required(concat!(
            "missing; write for whom its tokens are, audience = [\"ianitor\"]; \"any\" if ",
            "for everybody",
        ));
        /// Where in a request its tokens may stand. Two different tokens in one request get 400.
        /// Before the server behind sees the request the token is taken out of all of these, unless
        /// the route says [`forward_token`](#routesforward_token).
        sources: Spanned<List<Source>> = optional(is default_sources());
        /// How far its clock and ours may differ, for `exp` and `nbf`. It counts for requests, open
        /// WebSockets and answers that are still under way alike.
        leeway: Duration = default(IssuerSpec::LEEWAY);
        /// A token whose `exp` is further in the future is rejected.
        max_lifetime: Timeout = default(IssuerSpec::MAX_LIFETIME);
        /// Revoked tokens: lines of `jti VALUE` or `sub VALUE`, `#` for comments. The file is
        /// reloaded within seconds of a change, and open WebSockets of such tokens are closed.
        revoked_file: PathBuf = optional("nothing is revoked");
    }
    check key_source;
}

/// Where tokens may stand if nothing is written.
pub(in crate::config) fn default_sources() -> Vec<Source> {
    vec![Source::Header, Source::Cookie(COOKIE.into())]
}

fn key_source(_: &RawIssuer, table: &Table<'_>) {
    const SOURCES: [&str; 6] = [
        "key_file",
        "secret_file",
        "secret_env",
        "secret",
        "jwks_url",
        "asap_url",
    ];
    let text = concat!(
        "missing; write where its public keys are: key_file, jwks_url or asap_url; for HS256, ",
        "secret_file"
    );
    table.require_one_of(&SOURCES, text);
}

section! {
    /// Who may use a route: by address, by token, by login, or several of them. `open` is built in
    /// and lets everybody pass; no policy can take that name. A client that may not pass gets 401
    /// if a token or a login is missing or invalid, else 403, and the request does not reach the
    /// server. A reload that excludes a client closes its open WebSockets. A policy that no route
    /// names is a warning.
    "[policies.NAME]" => struct RawPolicy {
        /// The networks that may pass. An empty list is rejected, since no client would pass.
        /// Networks that cover the whole internet, alone or together (`0.0.0.0/1` with
        /// `128.0.0.0/1`; `2000::/3`), are a warning, and equivalent to `open`.
        allow: Spanned<List<Network>> = optional("no address is enough by itself");
        /// Networks that may not pass, whatever token they have. Checked before `allow`; a network
        /// in `allow` that lies entirely in `deny` is rejected.
        deny: Spanned<List<Network>> = optional("none");
        /// The issuers whose tokens are accepted.
        issuers: Spanned<List<IssuerName>> = optional("no token is asked for");
        /// Another service decides who is logged in. Of the three logins, a policy has one; see
        /// [Logins](logins.md) for what it does beside `allow` and `issuers`.
        forward_auth: Spanned<RawForwardAuth> = optional("no service is asked");
        /// A file of passwords decides who is logged in.
        basic: Spanned<RawBasic> = optional("no password is asked for");
        /// The certificate of the client decides who is logged in.
        client_certificate: Spanned<RawClientCertificate> = optional(
            "no certificate is asked for"
        );
        /// Whether a client may have no token. One that has a token still needs a good one: an
        /// expired or foreign token, or two of them, get the same answer as without this key, and
        /// `claims` are asked of tokens only. A policy without `allow` then lets everybody in, as
        /// `open` does. For guests of Jitsi (`allow_empty_token`); see [Tokens](tokens.md#guests).
        optional: Spanned<bool> = optional("`false`");
        /// What a token, or a login, must claim, all of it. A claim holds one of the values or, if
        /// it is a list, contains one; a lone value needs no list. `realm_access.roles` is a member
        /// of an object, unless a claim has that very name. `scope` and `scp` are lists also where
        /// they are one text with spaces, as in the tokens of Keycloak, Auth0 and Entra. `"*"` is
        /// any value. A token whose `room` is `"*"`, as Jitsi's have it, is for every room. Claims
        /// of a login are `sub`, its name, and with `forward_auth` `groups` and each of
        /// `copy_headers`, in lower case; those of a certificate are
        /// [in its page](client-certificates.md#of-clients).
        claims: Spanned<Claims> = optional("every good token is enough");
        /// Of `allow`, `issuers` and a login (`forward_auth`, `basic` or `client_certificate`),
        /// `any`: one of them is enough. `all`: both are required; a token and a login cannot be.
        satisfy: Spanned<Satisfy> = optional(
            "only one of them is there; with two or more it must be written"
        );
        /// What becomes of an open WebSocket, and of an answer that is still under way, when its
        /// token expires, the issuer's `leeway` included, or its certificate: `close` closes the
        /// WebSocket with 1008 and aborts the answer, `keep` lets both go on.
        on_expiry: Spanned<OnExpiryWord> = optional("`\"close\"`");
        /// How long it may go on after that. Where messages are judged, only those pass meanwhile
        /// that end a call, or keep it until the token is renewed; see
        /// [Messages](messages.md#after-expiry).
        expiry_grace: Spanned<Duration> = optional("`\"0s\"`");
        /// Whether clients of Kurento may renew their token on their WebSocket, by a method of the
        /// gateway's own, [`ianitor.renew`](tokens.md#on-kurentos-websocket), which Kurento never
        /// sees. Needs `issuers`, `messages` or `rules`, and a route to an upstream with
        /// `protocol = "kurento"`. Janus' clients need no key for it: their
        /// [messages](messages.md#tokens-in-messages) may have a newer token.
        renew_in_band: Spanned<bool> = optional("`false`");
        /// What clients may send to Janus or Kurento, by [presets](messages.md#presets): each is a
        /// list of rules, which are tried after the policy's own `rules`. A policy that has either
        /// judges each message, and what no rule allows is refused. It goes with routes to
        /// upstreams whose `protocol` is `janus`, `janus-admin` or `kurento`, and needs rules for
        /// each of these that it is used with; files, redirects and TURN credentials have no
        /// messages.
        messages: Spanned<List<PresetName>> = optional(
            "only `rules` are for messages; without any, messages are not judged"
        );
        /// What Kurento may be asked to open: the beginnings of [URIs](messages.md#uris) that
        /// `kurento-app` and the policy's own rules without `uri` allow.
        uris: Spanned<List<UriPrefix>> = optional("no URI is allowed");
        rules: Spanned<List<RawRule>> = optional("only `messages` are for messages");
    }
    check conditions;
}

fn conditions(_: &RawPolicy, table: &Table<'_>) {
    let text = concat!(
        "missing; write the networks that may pass, allow = [\"10.8.0.0/16\"], or whose tokens, ",
        "issuers = [\"staff\"]"
    );
    const CONDITIONS: [&str; 5] = [
        "allow",
        "issuers",
        "forward_auth",
        "basic",
        "client_certificate",
    ];
    table.require_one_of(&CONDITIONS, text);
}
