//! `[[deploy]]`: certificates for other servers.

use super::kinds::{ENVIRONMENT, FILE, HOST_PORT, Kind, TEXT};
use super::{Form, Keys, Unset, key, quoted, words};
use crate::acme::KeyType;
use crate::config::raw_deploy::Signal;
use crate::deploy::{Consumer, DeploySpec};

static ORDERED_HOST: Kind = Kind {
    name: "host that is ordered",
    expected: "a string",
    text: "A host of one of `acme.certificates`.",
    good: &[],
    bad: (
        "\"https://a.example/\"",
        "\"https://a.example/\" is a URL; write the host name alone",
    ),
};

static MODE: Kind = Kind {
    name: "mode",
    expected: "the mode in quotes, such as \"0640\"",
    text: "Permissions in octal, in quotes.",
    good: &["\"0640\"", "\"600\""],
    bad: (
        "\"rw-r-----\"",
        "\"rw-r-----\" is no mode; write it in octal, such as \"0640\"",
    ),
};

static USER: Kind = Kind {
    name: "user or group",
    expected: "a string",
    text: "A name or a number, in quotes.",
    good: &["\"turnserver\"", "\"115\""],
    bad: ("\"\"", "is empty"),
};

const NOT_WRITTEN: Unset = Unset::Means("no such file is written");

pub(in crate::config) static DEPLOY: Keys = Keys {
    table: "[[deploy]]",
    about: "Another server that needs one of `acme.certificates`: after each renewal, and where its files are missing or \
            old, they are written, the server is told, and asked by TLS whether it serves the new certificate. See \
            [Certificates for other servers](certificates.md#certificates-for-other-servers). Two entries that write \
            one file are refused, and so is a file in the folder of the store, or one that is a `pid_file` or a \
            `password_file`.",
    keys: &[
        key(
            "hosts",
            Form::List(&ORDERED_HOST),
            Unset::Means("`host` says it"),
            "Which certificate: the one that has all of these hosts. One of `hosts` and `host` must be there.",
        ),
        key(
            "host",
            Form::One(&ORDERED_HOST),
            Unset::Means("`hosts` says it"),
            "The same, for one host.",
        ),
        key(
            "key_type",
            Form::Word(|| words(&KeyType::NAMES)),
            Unset::Means("there is only one certificate for the hosts"),
            "Which of two certificates that have the same hosts.",
        ),
        key(
            "to",
            Form::Word(|| words(&Consumer::NAMES)),
            Unset::Required,
            "What server it is. `kurento` needs `combined`; `coturn`, `janus` and `prosody` need `cert` and `key`, or \
             `combined`, which they take for both; `files` is any other and needs one file of any form.",
        ),
        key(
            "cert",
            Form::One(&FILE),
            NOT_WRITTEN,
            "PEM: the server's certificate, then its issuers, as `fullchain.pem` of certbot.",
        ),
        key(
            "key",
            Form::One(&FILE),
            NOT_WRITTEN,
            "PEM: the private key, as `privkey.pem` of certbot.",
        ),
        key(
            "combined",
            Form::One(&FILE),
            NOT_WRITTEN,
            "PEM: certificate, issuers and key in this order, which Kurento and HAProxy read.",
        ),
        key(
            "pkcs12",
            Form::One(&FILE),
            NOT_WRITTEN,
            "PKCS#12: certificate, issuers and key, for Java. It needs `password_file` or `password_env`.",
        ),
        key(
            "password_file",
            Form::One(&FILE),
            Unset::Means("`password_env` says it"),
            "The password of `pkcs12`, in a file; a newline at its end is not part of it. Plain ASCII, as Java takes no other.",
        ),
        key(
            "password_env",
            Form::One(&ENVIRONMENT),
            Unset::Means("`password_file` says it"),
            "The same, from a variable of the environment.",
        ),
        key(
            "owner",
            Form::One(&USER),
            Unset::Means("the gateway's user"),
            "Whose the files are to be.",
        ),
        key(
            "group",
            Form::One(&USER),
            Unset::Means("the gateway's group"),
            "Their group.",
        ),
        key(
            "mode",
            Form::One(&MODE),
            Unset::Is(|| quoted(format!("{:04o}", DeploySpec::MODE))),
            "Their permissions. One that lets everybody read a private key is a warning.",
        ),
        key(
            "reload",
            Form::Table(&RELOAD),
            Unset::Means("the server is not told"),
            "",
        ),
        key(
            "verify",
            Form::One(&HOST_PORT),
            Unset::Means("nobody is asked"),
            "Where the server is asked by TLS what it serves; until that is the new certificate, it is told again, later \
             and later.",
        ),
    ],
};

pub(in crate::config) static RELOAD: Keys = Keys {
    table: "deploy.reload",
    about: "How the server is told: by a signal to the process in `pid_file`, or by a `command`.",
    keys: &[
        key(
            "signal",
            Form::Word(|| words(&Signal::NAMES)),
            Unset::Means("`command` says it"),
            "With or without `SIG` before it. coturn reads its files anew on `USR2`, Prosody on `HUP`.",
        ),
        key(
            "pid_file",
            Form::One(&FILE),
            Unset::Means("`command` says it"),
            "The file in which the server keeps the number of its process. Whose processes it may name: [with rights](certificates.md#with-rights).",
        ),
        key(
            "command",
            Form::List(&TEXT),
            Unset::Means("`signal` says it"),
            "A program and its arguments, run as the gateway's user and without a shell. Its environment names the files.",
        ),
    ],
};
