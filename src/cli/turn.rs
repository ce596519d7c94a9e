//! `ianitor turn`: prints a credential for trying out the TURN server.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ianitor::clock::UnixTime;
use ianitor::config::{self, Config};
use ianitor::turn::uri::{Scheme, Transport, TurnUri};
use ianitor::turn::{Credential, Subject, TurnSpec, load};

use super::config_file::ConfigFile;
use super::output::{CliError, EXIT_CONFIG, EXIT_USAGE, finish, show};

/// `ianitor turn`.
#[derive(Debug, Args)]
pub(crate) struct Turn {
    /// The [turn.NAME] table; may be omitted if there is only one.
    name: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// Who the credential is for.
    #[arg(long, value_name = "NAME", default_value = "test")]
    user: String,
    /// How long it is valid, such as 5m; by default, as long as the table says.
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: Option<Duration>,
}

/// The lifetime of a credential: whole seconds.
fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = config::duration(text)?;
    if ttl < Duration::from_secs(1) {
        Err("is less than a second".to_owned())
    } else {
        Ok(ttl)
    }
}

/// Prints a credential.
pub(crate) fn run(arguments: &Turn) -> ExitCode {
    finish(execute(arguments))
}

fn execute(arguments: &Turn) -> Result<ExitCode, CliError> {
    let path = arguments.config.path();
    let config = arguments.config.load()?.config;
    if config.turns.is_empty() {
        let text = format!(
            "{}: has no [turn.NAME] table to make credentials from",
            path.display()
        );
        return Err((EXIT_CONFIG, text));
    }
    let spec = choose(&config, arguments.name.as_deref()).map_err(|text| (EXIT_USAGE, text))?;
    let Some(subject) = Subject::new(&arguments.user) else {
        let text = "--user is empty; write a name, or omit --user".to_owned();
        return Err((EXIT_USAGE, text));
    };
    let (turn, _) = load::load(spec).map_err(|errors| {
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("{}: {error}", path.display()))
            .collect();
        (EXIT_CONFIG, lines.join("\n"))
    })?;
    let now = UnixTime::now();
    let ttl = arguments.ttl.unwrap_or(spec.ttl);
    show(&page(
        spec,
        &turn.credential(now, &subject, ttl),
        now.after(ttl),
    ));
    Ok(ExitCode::SUCCESS)
}

/// The table of this name, or the only one.
fn choose<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c Arc<TurnSpec>, String> {
    let known = || {
        config
            .turns
            .iter()
            .map(|turn| &*turn.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (name, &config.turns[..]) {
        (None, [only]) => Ok(only),
        (None, _) => Err(format!(
            "which one? write its name after `ianitor turn`: {}",
            known()
        )),
        (Some(name), all) => all
            .iter()
            .find(|turn| &*turn.name == name)
            .ok_or_else(|| format!("there is no [turn.{name}]; there is {}", known())),
    }
}

fn page(spec: &TurnSpec, credential: &Credential, expires: UnixTime) -> String {
    let Credential {
        username,
        password,
        ttl,
    } = credential;
    let password = password.reveal();
    let mut out =
        format!("username  {username}\npassword  {password}\nttl       {ttl} s, until {expires}\n");
    for uri in &spec.uris {
        out += &format!("uri       {uri}\n");
    }
    if let Some(uri) = spec.uris.iter().find(|uri| uri.relays()) {
        let options = transport_options(uri);
        let (host, port) = (uri.host.as_str(), uri.port);
        out += &format!(
            "\nturnutils_uclient -y -n 5 -m 1{options} -u '{username}' -w '{password}' \
             -p {port} {host}\n"
        );
    }
    out
}

/// The options of turnutils_uclient for the transport; UDP needs none.
fn transport_options(uri: &TurnUri) -> &'static str {
    match (uri.scheme, uri.transport) {
        (Scheme::Turns, Some(Transport::Udp)) => " -S",
        (Scheme::Turns, _) => " -t -S",
        (_, Some(Transport::Tcp)) => " -t",
        _ => "",
    }
}
