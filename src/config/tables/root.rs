//! The tables of the file.

use super::access::{RawIssuer, RawPolicy};
use super::acme::RawAcme;
use super::deploy::RawDeploy;
use super::listen::{RawListen, RawPassthrough};
use super::reload::RawReload;
use super::route::RawRoute;
use super::section;
use super::tls::RawTls;
use super::turn::RawTurn;
use super::upstream::RawUpstream;
use crate::config::read::{List, Named};
use crate::config::schema::Unset;
use crate::limits::Limits;
use crate::telemetry::LogSpec;

section! {
    /// The file as a whole.
    "the top level" => struct Raw {
        listen: RawListen = section(Unset::Required);
        log: LogSpec = section(Unset::Means("the defaults"));
        limits: Limits = section(Unset::Means("the defaults"));
        tls: RawTls = section(TLS_UNSET);
        acme: RawAcme = optional("no certificate is ordered");
        reload: RawReload = section(Unset::Means("the default"));
        deploy: List<RawDeploy> = or_empty("none");
        passthrough: List<RawPassthrough> = or_empty("none");
        upstreams: Named<RawUpstream> = or_empty("none");
        issuers: Named<RawIssuer> = or_empty("none");
        policies: Named<RawPolicy> = or_empty("only `open`");
        turn: Named<RawTurn> = or_empty("none");
        routes: List<RawRoute> = nonempty(NO_ROUTES);
    }
    also {
        /// Whether `acme` is there, valid or not.
        acme_is_written: bool = |table| table.has("acme");
    }
}

const TLS_UNSET: Unset = Unset::Means("the defaults, and certificates come from `[acme]`");
const NO_ROUTES: &str = "there is none, so every request would get 404; write a [[routes]] table";
