//! `ianitor token mint`: signs a token as an issuer would.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
};
use clap::Args;
use ianitor::clock::UnixTime;
use ianitor::token::issuer::{Audience, IssuerSpec, KeySource};
use ianitor::token::{self, ALGORITHMS, Algorithm, BadToken, jws};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{EncodingKey, Header};
use rustls::pki_types::PrivateSec1KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};

use super::claim_arg::ClaimArg;
use super::lookup::named;
use crate::cli::config_file::ConfigFile;
use crate::cli::output::{CliError, EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, complain, show};

/// `ianitor token mint`.
#[derive(Debug, Args)]
pub(crate) struct Mint {
    #[command(flatten)]
    config: ConfigFile,
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
    let config = arguments.config.load()?.config;
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
    if let Some(path) = &arguments.key
        && let Some(why) = rejected(&token, spec)
    {
        complain(&format!(
            "warning: {} is not the key of issuers.{}, which does not accept the token: {why}\n",
            path.display(),
            spec.name
        ));
    }
    show(&format!("{token}\n"));
    Ok(ExitCode::SUCCESS)
}

/// Why the issuer does not take the token for its own, as far as its keys are here.
fn rejected(token: &str, spec: &Arc<IssuerSpec>) -> Option<BadToken> {
    let issuers = token::load::load_all(std::slice::from_ref(spec)).ok()?;
    let issuer = issuers.first()?;
    let parts = jws::split(token).ok()?;
    let why = issuer.verify(&parts, &issuer.key_set()).err()?;
    matches!(why, BadToken::NoKey | BadToken::Signature).then_some(why)
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
    let issuer = spec.issuers.as_ref().and_then(|all| all.first());
    for (name, value) in [
        ("iss", issuer.map(|one| &**one)),
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
    (|name| name.starts_with("ES"), ec_key),
    (|name| name == "EdDSA", EncodingKey::from_ed_pem),
];

/// An EC key in PKCS#8, or in the older form of `openssl ecparam` (SEC 1, `EC PRIVATE KEY`).
fn ec_key(pem: &[u8]) -> jsonwebtoken::errors::Result<EncodingKey> {
    let Ok(sec1) = PrivateSec1KeyDer::from_pem_slice(pem) else {
        return EncodingKey::from_ec_pem(pem);
    };
    let mut curves = [
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &ECDSA_P384_SHA384_FIXED_SIGNING,
    ]
    .into_iter();
    let pkcs8 = curves.find_map(|curve| {
        let key = EcdsaKeyPair::from_private_key_der(curve, sec1.secret_sec1_der()).ok()?;
        key.to_pkcs8v1().ok()
    });
    match pkcs8 {
        Some(pkcs8) => Ok(EncodingKey::from_ec_der(pkcs8.as_ref())),
        None => Err(ErrorKind::InvalidKeyFormat.into()),
    }
}

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
        let text = format!(
            "{path} is no private key (PEM) for the issuer's algorithms, or needs a password; \
             `openssl pkcs8 -topk8 -nodes -in {path}` prints one in a form that is read (PKCS#8)"
        );
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
