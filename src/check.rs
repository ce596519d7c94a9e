//! `ianitor check`: reads everything that a start would read, writes nothing, and connects only if asked to.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use http::{Request, header};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use crate::config::{self, Config, Failure};
use crate::files;
use crate::host::HostPattern;
use crate::jwks::{self, Client};
use crate::proxy::connect::Connector;
use crate::route::upstream::{ServerAddr, UpstreamSpec};
use crate::telemetry::Chain;
use crate::tls::{self, CertTable, LoadError, Mode, Standing};
use crate::token;
use crate::turn;

/// What a good configuration has to show.
#[derive(Debug)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// What is taken but hardly meant, a line each.
    pub warnings: Vec<String>,
    /// The certificates, a line each.
    pub certificates: String,
}

/// Checks a file, the certificates that it names, and the secrets of its TURN servers.
///
/// # Errors
/// Everything that would keep the gateway from starting with it, but for addresses that are taken.
pub fn check(path: &Path) -> Result<Checked, Unfit> {
    let loaded = config::load(path)?;
    let (table, notices) = CertTable::load(&loaded.config.tls, SystemTime::now(), Mode::Read)
        .map_err(|errors| Unfit::Certificates { file: path.display().to_string(), errors })?;
    token::load::load_all(&loaded.config.issuers)
        .map_err(|errors| Unfit::Issuers { file: path.display().to_string(), errors })?;
    let errors: Vec<_> = loaded.config.turns.iter().filter_map(|spec| turn::load::load(spec).err()).collect();
    if !errors.is_empty() {
        return Err(Unfit::Turn { file: path.display().to_string(), errors });
    }
    let warnings = loaded.warnings.to_string();
    let mut warnings: Vec<String> = warnings.lines().map(str::to_owned).collect();
    if !loaded.config.tls.default {
        let unserved = loaded.config.routes.hosts().filter(|host| !will_serve(&table, &loaded.config, host));
        warnings.extend(unserved.map(|host| format!("{}: {}", path.display(), table.unserved(host))));
    }
    warnings.extend(notices.iter().map(|notice| format!("{}: {notice}", path.display())));
    let missing = files::missing(&loaded.config.routes);
    warnings.extend(missing.iter().map(|line| format!("{}: {line}", path.display())));
    Ok(Checked { config: loaded.config, warnings, certificates: certificates(&table) })
}

fn will_serve(table: &CertTable, config: &Config, host: &HostPattern) -> bool {
    let is_to_be_made = || config.tls.self_signed.iter().any(|name| host.matches(name));
    table.standing(host, SystemTime::now()) != Standing::Unserved || is_to_be_made()
}

fn certificates(table: &CertTable) -> String {
    let mut out = String::from("certificates\n");
    for entry in table.entries() {
        let names: Vec<String> = entry.names.iter().map(ToString::to_string).collect();
        let until = tls::Date(entry.not_after);
        let _ = writeln!(out, "  {}  until {until}  {}", names.join(" "), entry.file.display());
    }
    out
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// The file.
    #[error(transparent)]
    Config(#[from] Failure),
    /// Certificates or keys that it names.
    #[error("{}", errors.iter().map(|error| format!("{file}: {error}")).collect::<Vec<_>>().join("\n"))]
    Certificates {
        /// The configuration file.
        file: String,
        /// What is wrong.
        errors: Vec<LoadError>,
    },
    /// Keys of issuers, or lists of revoked tokens.
    #[error("{}", errors.iter().map(|error| format!("{file}: {error}")).collect::<Vec<_>>().join("\n"))]
    Issuers {
        /// The configuration file.
        file: String,
        /// What is wrong.
        errors: Vec<token::load::LoadError>,
    },
    /// Secrets of TURN servers, or API keys.
    #[error("{}", errors.iter().map(|error| format!("{file}: {error}")).collect::<Vec<_>>().join("\n"))]
    Turn {
        /// The configuration file.
        file: String,
        /// What is wrong.
        errors: Vec<turn::load::LoadError>,
    },
}

/// For an upstream to answer.
const LIVE_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks every server of every upstream and says, a line each, which answer. The second value is how many do not.
pub async fn ask_upstreams(config: &Config) -> (String, usize) {
    let mut out = String::from("upstreams\n");
    let mut silent = 0;
    for upstream in config.routes.upstreams() {
        for server in &upstream.servers {
            let began = Instant::now();
            let asked = tokio::time::timeout(LIVE_TIMEOUT, ask(upstream, server)).await;
            let result = match asked {
                Ok(Ok(status)) => format!("answers (HTTP {status}, {} ms)", began.elapsed().as_millis()),
                Ok(Err(error)) => format!("does not answer: {}", Chain(&*error)),
                Err(_) => format!("does not answer within {} s", LIVE_TIMEOUT.as_secs()),
            };
            silent += usize::from(!result.starts_with("answers"));
            let _ = writeln!(out, "  {}  {server}  {result}", upstream.name);
        }
    }
    (out, silent)
}

/// Fetches the keys of every issuer that publishes them and says, a line each, what is there. The second value is how
/// many could not be had.
pub async fn ask_issuers(config: &Config) -> (String, usize) {
    let (mut out, mut silent) = (String::new(), 0);
    for issuer in &config.issuers {
        let Some(place) = issuer.keys.place() else { continue };
        let result = match Client::new(place, &format!("issuers.{}.ca_file", issuer.name)) {
            Ok(client) => jwks::ask(issuer, &client).await.map_err(|error| Chain(&error).to_string()),
            Err(error) => Err(Chain(&error).to_string()),
        };
        silent += usize::from(result.is_err());
        let result = result.unwrap_or_else(|error| error);
        let _ = writeln!(out, "  {}  {}  {result}", issuer.name, place.url);
    }
    let title = if out.is_empty() { "" } else { "issuers\n" };
    (format!("{title}{out}"), silent)
}

/// Any status is an answer: 404 of Janus' REST port, 403 of its WebSocket port, 426 of Kurento.
async fn ask(upstream: &UpstreamSpec, server: &ServerAddr) -> Result<u16, Box<dyn std::error::Error>> {
    let tls = match server.is_tls() {
        true => Some(tls::client_config(upstream.tls.ca_file.as_deref(), "ca_file")?),
        false => None,
    };
    let host = match server {
        ServerAddr::Tcp { host, port, .. } => format!("{host}:{port}"),
        ServerAddr::Unix(_) => "localhost".to_owned(),
    };
    let stream = Connector::new(server.clone(), &upstream.tls, tls.as_ref()).connect().await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get("/").header(header::HOST, host).body(Empty::<Bytes>::new())?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    // The connection may end in the moment in which it delivers the answer, which counts.
    let ended = tokio::select! {
        biased;
        answer = &mut answer => return Ok(answer?.status().as_u16()),
        ended = connection => ended,
    };
    match (answer.await, ended) {
        (Ok(answer), _) => Ok(answer.status().as_u16()),
        (Err(_), Err(error)) => Err(error.into()),
        (Err(_), Ok(())) => Err("the connection was closed without an answer".into()),
    }
}
