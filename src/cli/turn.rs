//! `ianitor turn`: one credential, to try the TURN server with.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ianitor::clock::UnixTime;
use ianitor::config::{self, Config};
use ianitor::telemetry::Chain;
use ianitor::turn::uri::{Scheme, Transport, TurnUri};
use ianitor::turn::{Credential, Subject, TurnSpec, load};

use crate::{EXIT_CONFIG, EXIT_USAGE, show};

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The `[turn]` table; the only one, where none is named.
    pub(crate) name: Option<&'a str>,
    /// For whom.
    pub(crate) user: &'a str,
    /// For how long, where that is not what the table says.
    pub(crate) ttl: Option<Duration>,
}

/// Prints a credential.
pub(crate) fn print(path: &Path, asked: &Asked<'_>) -> ExitCode {
    let config = match config::load(path) {
        Ok(loaded) => loaded.config,
        Err(failure) => return complain(&Chain(&failure), EXIT_CONFIG),
    };
    if config.turns.is_empty() {
        let text = format!(
            "{}: has no [turn.NAME] table, of which credentials are made",
            path.display()
        );
        return complain(&text, EXIT_CONFIG);
    }
    let spec = match choose(&config, asked.name) {
        Ok(spec) => spec,
        Err(text) => return complain(&text, EXIT_USAGE),
    };
    let Some(subject) = Subject::new(asked.user) else {
        return complain(
            &"--user is empty; write a name, or leave it out",
            EXIT_USAGE,
        );
    };
    let turn = match load::load(spec) {
        Ok((turn, _)) => turn,
        Err(errors) => {
            let lines: Vec<String> = errors
                .iter()
                .map(|error| format!("{}: {error}", path.display()))
                .collect();
            return complain(&lines.join("\n"), EXIT_CONFIG);
        }
    };
    let now = UnixTime::now();
    let ttl = asked.ttl.unwrap_or(spec.ttl);
    show(&page(
        spec,
        &turn.credential(now, &subject, ttl),
        now.after(ttl),
    ));
    ExitCode::SUCCESS
}

fn complain(text: &dyn std::fmt::Display, code: u8) -> ExitCode {
    crate::complain(&format!("{text}\n"));
    ExitCode::from(code)
}

/// The table by its name, or the only one.
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
            "which one? write its name behind `ianitor turn`: {}",
            known()
        )),
        (Some(name), all) => all
            .iter()
            .find(|turn| &*turn.name == name)
            .ok_or_else(|| format!("there is no [turn.{name}]; there is {}", known())),
    }
}

fn page(spec: &TurnSpec, credential: &Credential, ends: UnixTime) -> String {
    let Credential {
        username,
        password,
        ttl,
    } = credential;
    let password = password.reveal();
    let mut out =
        format!("username  {username}\npassword  {password}\nttl       {ttl} s, until {ends}\n");
    for uri in &spec.uris {
        out += &format!("uri       {uri}\n");
    }
    if let Some(uri) = spec.uris.iter().find(|uri| uri.relays()) {
        let options = transport_options(uri);
        let (host, port) = (uri.host.as_str(), uri.port);
        out += &format!(
            "\nturnutils_uclient -y -n 5 -m 1{options} -u '{username}' -w '{password}' -p {port} {host}\n"
        );
    }
    out
}

/// How turnutils_uclient is told what is spoken: UDP without any option.
fn transport_options(uri: &TurnUri) -> &'static str {
    match (uri.scheme, uri.transport) {
        (Scheme::Turns, Some(Transport::Udp)) => " -S",
        (Scheme::Turns, _) => " -t -S",
        (_, Some(Transport::Tcp)) => " -t",
        _ => "",
    }
}
