//! The tables of the file.

use super::access::{RawIssuer, RawPolicy};
use super::acme::RawAcme;
use super::defaults::RawDefaults;
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
use crate::config::values::IncludePattern;
use crate::limits::Limits;
use crate::telemetry::LogSpec;

section! {
    /// The file as a whole.
    "the top level" => struct Raw {
        /// Other files whose tables belong to this configuration, by patterns with `*`, `?` and
        /// `[a-z]`. Relative ones begin at the folder of the file that includes, and so do relative
        /// paths in what is included. The files that match are read in the order of their names;
        /// names that begin with a dot have to be written. They may include others.
        ///
        /// Each file has whole tables, or some keys of a table: `[limits]` may be in several, each
        /// key of it in one. Lists of tables, such as `[[routes]]` and `[[acme.certificates]]`, go
        /// on from file to file. The same key or the same name in two files is rejected, and a file
        /// that includes itself, and one that is named without a pattern and missing. A pattern
        /// without a match is a warning. A reload looks for new files.
        include: List<IncludePattern> = or_empty("this file is the whole configuration");
        listen: RawListen = section(Unset::Required);
        log: LogSpec = section(Unset::Empty("the defaults"));
        limits: Limits = section(Unset::Empty("the defaults"));
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
        defaults: RawDefaults = optional("each route says everything itself");
    }
    also {
        /// Whether `acme` is there, valid or not.
        acme_is_written: bool = |table| table.has("acme");
    }
}

const TLS_UNSET: Unset = Unset::Empty("the defaults, and certificates come from `[acme]`");
const NO_ROUTES: &str = "there is none, so every request would get 404; write a [[routes]] table";
