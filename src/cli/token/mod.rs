//! `ianitor token`: makes tokens for trying out, and says why one would or would not pass.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use ianitor::addr::ClientAddr;
use ianitor::clock::UnixTime;
use ianitor::config::{self, Config};
use ianitor::inspect::{Question, inspect};
use ianitor::policy::Policy;
use ianitor::telemetry::Chain;
use ianitor::token::issuer::{Audience, IssuerSpec, KeySource};
use ianitor::token::{self, ALGORITHMS, Algorithm};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};

use crate::{EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, complain, show};

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Sign a token as an issuer would. For trying out: whoever has the key can let anybody in.
    Mint(Mint),
    /// Say, rule by rule, why a token would or would not pass a policy.
    Inspect(Inspect),
}

/// `ianitor token mint`.
#[derive(Debug, Args)]
pub(crate) struct Mint {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
    /// Whose token: a name from [issuers].
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The private key (PEM), where the issuer has no secret.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The name of that key.
    #[arg(long)]
    kid: Option<String>,
    /// Who it is about.
    #[arg(long, value_name = "WHO")]
    sub: Option<String>,
    /// How long it lives.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    ttl: std::time::Duration,
    /// A claim, NAME=VALUE: JSON, or else a text. Any number of them.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, Value)>,
}

/// `ianitor token inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
    /// The policy.
    #[arg(long, value_name = "NAME")]
    policy: String,
    /// Where the client comes from.
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    client: std::net::IpAddr,
    /// The token; `-` reads it from standard input, where no list of processes shows it.
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: String,
}

fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("a claim is NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

/// What went wrong, and the status that says so.
type Failure = (u8, String);

pub(crate) fn run(token: Token) -> ExitCode {
    let done = match token {
        Token::Mint(arguments) => mint(&arguments),
        Token::Inspect(arguments) => examine(&arguments),
    };
    done.unwrap_or_else(|(status, what)| {
        complain(&format!("{what}\n"));
        ExitCode::from(status)
    })
}

fn load(path: &Path) -> Result<Config, Failure> {
    let loaded =
        config::load(path).map_err(|failure| (EXIT_CONFIG, Chain(&failure).to_string()))?;
    Ok(loaded.config)
}

/// The one of this name; otherwise, which there are.
fn named<'a, T>(
    kind: &str,
    name: &str,
    all: &'a [Arc<T>],
    name_of: fn(&T) -> &str,
) -> Result<&'a Arc<T>, Failure> {
    all.iter().find(|one| name_of(one) == name).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|one| name_of(one)).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        (
            EXIT_USAGE,
            format!("there is no {kind} \"{name}\"; there is: {known}"),
        )
    })
}

fn mint(arguments: &Mint) -> Result<ExitCode, Failure> {
    let config = load(&arguments.config)?;
    let spec = named("issuer", &arguments.issuer, &config.issuers, |spec| {
        &spec.name
    })?;
    let (algorithm, key) = signing_key(spec, arguments.key.as_deref())?;
    let header = Header {
        kid: arguments.kid.clone(),
        ..Header::new(algorithm)
    };
    let token = jsonwebtoken::encode(&header, &claims(spec, arguments), &key)
        .map_err(|error| (EXIT_FAILED, format!("the key does not sign: {error}")))?;
    show(&format!("{token}\n"));
    Ok(ExitCode::SUCCESS)
}

fn claims(spec: &IssuerSpec, arguments: &Mint) -> Map<String, Value> {
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
    claims.extend(arguments.claims.iter().cloned());
    claims
}

/// Whether a kind of key is for an algorithm.
type IsFor = fn(&str) -> bool;

/// Far above any private key.
const LARGEST_KEY: u64 = 1 << 20;

/// Makes a key of a PEM file.
type ReadKey = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;

fn signing_key(
    spec: &Arc<IssuerSpec>,
    key: Option<&Path>,
) -> Result<(Algorithm, EncodingKey), Failure> {
    let first = |kind: IsFor| {
        let names = ALGORITHMS
            .iter()
            .filter(|(_, algorithm)| spec.algorithms.contains(algorithm));
        names
            .into_iter()
            .find(|(name, _)| kind(name))
            .map(|(_, algorithm)| *algorithm)
    };
    let Some(path) = key else {
        let KeySource::Secret { .. } = spec.keys else {
            let what =
                "the issuer's public key signs nothing; name its private one with --key FILE"
                    .to_owned();
            return Err((EXIT_USAGE, what));
        };
        let secret = token::load::secret(spec).map_err(|error| (EXIT_CONFIG, error.to_string()))?;
        let algorithm = first(|name| name.starts_with("HS")).unwrap_or(Algorithm::HS256);
        return Ok((algorithm, EncodingKey::from_secret(secret.reveal())));
    };
    let mut pem = Vec::new();
    // Of whatever kind: who writes a command may give it a pipe.
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LARGEST_KEY).read_to_end(&mut pem));
    read.map_err(|error| (EXIT_FAILED, format!("{}: {error}", path.display())))?;
    let kinds: [(IsFor, ReadKey); 3] = [
        (
            |name| name.starts_with("RS") || name.starts_with("PS"),
            EncodingKey::from_rsa_pem,
        ),
        (|name| name.starts_with("ES"), EncodingKey::from_ec_pem),
        (|name| name == "EdDSA", EncodingKey::from_ed_pem),
    ];
    let fits = kinds
        .into_iter()
        .find_map(|(kind, read)| Some((first(kind)?, read(&pem).ok()?)));
    fits.ok_or_else(|| {
        (
            EXIT_FAILED,
            format!(
                "{} is no private key (PEM) for the issuer's algorithms",
                path.display()
            ),
        )
    })
}

fn examine(arguments: &Inspect) -> Result<ExitCode, Failure> {
    let config = load(&arguments.config)?;
    let policy = named("policy", &arguments.policy, &config.policies, Policy::name)?;
    let issuers = token::load::load_all(&config.issuers).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        (EXIT_CONFIG, lines.join("\n"))
    })?;
    let token = if arguments.token == "-" {
        read_token()?
    } else {
        arguments.token.clone()
    };
    let token = token.trim().trim_start_matches("Bearer ").trim();
    let answer = inspect(&Question {
        policy,
        issuers: &issuers,
        token: (!token.is_empty()).then_some(token),
        client: ClientAddr::new(arguments.client),
        now: UnixTime::now(),
    });
    show(&answer.text);
    Ok(if answer.passes {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    })
}

fn read_token() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| (EXIT_FAILED, format!("standard input: {error}")))?;
    Ok(text)
}
