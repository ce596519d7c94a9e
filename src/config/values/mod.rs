//! The kinds of values in `gateway.toml`: how each is written, how it is read, and what the
//! reference says of it. Most domain types parse themselves; here they get the hints that only a
//! configuration file needs.

mod address;
mod ca;
mod certificate;
mod health;
mod host_slips;
mod kurento;
mod login;
mod message;
mod number;
mod path;
pub(super) mod pattern;
mod pin;
mod route_path;
mod size;
mod text;
mod token;
mod words;

use super::read::Value;

pub(super) use address::{Exempt, HostPort};
pub(super) use ca::{CertHost, Contacts, DirectoryUrl, OrderedHost};
pub(super) use health::{ProbeInterval, Statuses};
pub(super) use kurento::{MethodName, ObjectsWord, Parameters, TypeName};
pub(super) use login::{AuthUrl, Realm, Recheck, SignInUrl};
pub(super) use message::{
    ClaimName, MediaHost, MemberName, OneOrMore, OperationName, PluginName, PresetName, Ptype,
    RequestName, Room, RuleName, Verb,
};
pub use message::{nearest_plugin, plugin_name};
pub(super) use number::{Count, CountOrUnlimited, Lifetime, Port, Threads, Timeout};
pub(super) use path::{FileMode, OneOrTwoFiles, RedirectStatus, SocketPath};
pub(super) use pin::Pins;
pub(super) use size::{MessageSize, Size, TargetSize, TokenSize};
pub(super) use text::{
    EnvVar, HeaderField, HeaderText, IncludePattern, IssuerName, KeyId, Origin, PolicyName,
    ProfileName, SecretText, Text, TurnName, UpstreamName, User,
};
pub(super) use token::{Claims, FetchUrl, IssClaim, RawAudience};
pub(super) use words::{AddressHeader, Method, OnExpiryWord, Satisfy, Signal};

/// What is expected of the many kinds that are written as a string.
const STRING: &str = "a string";

/// A text as TOML.
fn quoted(text: impl std::fmt::Display) -> String {
    format!("\"{text}\"")
}

/// Reports a list where each table has one of something.
fn one_for_each<T>(value: &Value<'_>) -> Option<T> {
    let place = &value.place().key;
    let table = place.split('[').next().unwrap_or_default();
    let key = place.rsplit('.').next().unwrap_or_default();
    // A misspelt `hosts` is read as the key that it is taken for.
    let key = if key == "hosts" { "host" } else { key };
    let texts = value.texts().filter(|texts| texts.len() > 1);
    let texts = texts.unwrap_or_default();
    let each: Vec<String> = texts
        .iter()
        .take(3)
        .map(|text| format!("{key} = {text}"))
        .chain((texts.len() > 3).then(|| "so on".to_owned()))
        .collect();
    let each = match &each[..] {
        [] => value.hint_without_value().to_owned(),
        each => format!(
            "; write a [[{table}]] for each, with {}",
            each.join(" and ")
        ),
    };
    value.expected(STRING, &each)
}
