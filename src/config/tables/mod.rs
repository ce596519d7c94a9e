//! Every table of `gateway.toml`, each key in one place: how it is written, what holds without it,
//! and what the reference says of it. Each value is of its type; names are not resolved here, and
//! nothing is compared.

mod access;
mod acme;
mod defaults;
mod deploy;
mod headers;
mod health;
mod listen;
mod login;
mod message;
mod reload;
mod root;
mod route;
mod tls;
mod turn;
mod upstream;

use super::section::section;

pub(super) use access::{RawIssuer, RawPolicy, default_sources};
pub(super) use acme::{RawAcme, RawCert, RawExternal};
pub(super) use defaults::RawDefaults;
pub(super) use deploy::{RawDeploy, RawReload};
pub(super) use headers::{HEADERS, METHODS, RawCors, WHIP};
pub(super) use health::RawHealth;
pub(super) use listen::{RawListen, RawPassthrough};
pub(super) use login::{RawBasic, RawClientCertificate, RawForwardAuth};
pub(super) use message::RawRule;
pub(super) use root::Raw;
pub(super) use route::{FOLLOW_SYMLINKS, RawRoute};
pub(super) use tls::{RawPair, RawTls};
pub(super) use turn::RawTurn;
pub(super) use upstream::{RawClientCert, RawUpstream};
