//! `ianitor token mint`: signs a token as an issuer would.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use ianitor::clock::UnixTime;
use ianitor::token::issuer::{Audience, IssuerSpec, KeySource};
use ianitor::token::{self, ALGORITHMS, Algorithm};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};

use super::claim_arg::ClaimArg;
use super::lookup::{load, named};
use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, show};

/// `ianitor token mint`.
#[derive(Debug, Args)]
pub(crate) struct Mint {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
    /// The issuer: a name from [issuers].
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The private key (PEM), if the issuer has no secret.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The ID of that key.
    #[arg(long)]
    kid: Option<String>,
    /// The subject.
    #[arg(long, value_name = "SUBJECT")]
    sub: Option<String>,
    /// How long it is valid.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5m",
        value_parser = humantime::parse_duration
    )]
    ttl: std::time::Duration,
    /// A claim, NAME=VALUE: JSON, or else text. Can be given several times. The name `a.b` is the
    /// member `b` of the object `a`; a dot that belongs to a name is written `\.`.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = ClaimArg::parse)]
    claims: Vec<ClaimArg>,
}

/// Prints a token.
pub(super) fn mint(arguments: &Mint) -> Result<ExitCode, CliError> {
    let config = load(&arguments.config)?;
    let spec = named("issuer", &arguments.issuer, &config.issuers, |spec| {
        &spec.name
    })?;
    let (algorithm, key) = signing_key(spec, arguments.key.as_deref())?;
    let header = Header {
        kid: arguments.kid.clone(),
        ..Header::new(algorithm)
    };
    let token = jsonwebtoken::encode(&header, &claims(spec, arguments)?, &key)
        .map_err(|error| (EXIT_FAILED, format!("the key does not sign: {error}")))?;
    show(&format!("{token}\n"));
    Ok(ExitCode::SUCCESS)
}

fn claims(spec: &IssuerSpec, arguments: &Mint) -> Result<Map<String, Value>, CliError> {
    let now = UnixTime::now();
    let mut claims = Map::new();
    claims.insert("iat".to_owned(), json!(now.0));
    claims.insert("exp".to_owned(), json!(now.after(arguments.ttl).0));
    let audience = match &spec.audience {
        Audience::Any => None,
        Audience::OneOf(ours) => ours.first(),
    };
    for (name, value) in [
        ("iss", spec.issuer.as_deref()),
        ("aud", audience.map(|one| &**one)),
        ("sub", arguments.sub.as_deref()),
    ] {
        claims.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    for claim in &arguments.claims {
        claim.add_to(&mut claims).map_err(|why| (EXIT_USAGE, why))?;
    }
    Ok(claims)
}

/// Far above any private key.
const LARGEST_KEY: u64 = 1 << 20;

fn signing_key(
    spec: &Arc<IssuerSpec>,
    key: Option<&Path>,
) -> Result<(Algorithm, EncodingKey), CliError> {
    match key {
        Some(path) => private_key(spec, path),
        None => secret(spec),
    }
}

fn secret(spec: &Arc<IssuerSpec>) -> Result<(Algorithm, EncodingKey), CliError> {
    let KeySource::Secret { .. } = spec.keys else {
        let what = "a public key cannot sign; name the issuer's private key with --key FILE";
        return Err((EXIT_USAGE, what.to_owned()));
    };
    let secret = token::load::secret(spec).map_err(|error| (EXIT_CONFIG, error.to_string()))?;
    let algorithm = first(spec, |name| name.starts_with("HS")).unwrap_or(Algorithm::HS256);
    Ok((algorithm, EncodingKey::from_secret(secret.reveal())))
}

/// Whether a kind of key is for an algorithm.
type IsFor = fn(&str) -> bool;

/// Makes a key of a PEM file.
type ReadKey = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;

/// The kinds of private keys, with the algorithms that they are for.
const KINDS: [(IsFor, ReadKey); 3] = [
    (
        |name| name.starts_with("RS") || name.starts_with("PS"),
        EncodingKey::from_rsa_pem,
    ),
    (|name| name.starts_with("ES"), EncodingKey::from_ec_pem),
    (|name| name == "EdDSA", EncodingKey::from_ed_pem),
];

fn private_key(spec: &IssuerSpec, path: &Path) -> Result<(Algorithm, EncodingKey), CliError> {
    let mut pem = Vec::new();
    // Not only regular files: a shell may pass the key through a pipe.
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LARGEST_KEY).read_to_end(&mut pem));
    read.map_err(|error| (EXIT_FAILED, format!("{}: {error}", path.display())))?;
    let fits = KINDS
        .into_iter()
        .find_map(|(is_for, read)| Some((first(spec, is_for)?, read(&pem).ok()?)));
    fits.ok_or_else(|| {
        let path = path.display();
        let text = format!("{path} is no private key (PEM) for the issuer's algorithms");
        (EXIT_FAILED, text)
    })
}

/// The issuer's first algorithm for a kind of key.
fn first(spec: &IssuerSpec, is_for: IsFor) -> Option<Algorithm> {
    let mut accepted = ALGORITHMS
        .iter()
        .filter(|(_, algorithm)| spec.algorithms.contains(algorithm));
    accepted
        .find(|(name, _)| is_for(name))
        .map(|(_, algorithm)| *algorithm)
}
