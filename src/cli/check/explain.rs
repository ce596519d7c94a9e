//! `ianitor check --explain`: which message rule decides about a message, and why.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use ianitor::config::{self, Config};
use ianitor::policy::{self, Policy};
use ianitor::route::{Target, UpstreamId};
use ianitor::signalling::Protocol;
use ianitor::signalling::presets::Preset;
use ianitor::signalling::rules::{MessageRules, Rule};
use ianitor::token::claims::Claims;
use ianitor::token::jws::is_jwt;

use super::certificate;
use super::explanation::Asked;
use crate::cli::config_file::load;
use crate::cli::output::{CliError, EXIT_FAILED, EXIT_USAGE, complain, show};
use crate::cli::token::{Offline, named, offline};

/// The arguments of `ianitor check --explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Explain, rule by rule, whether the message rules of a policy let a message pass.
    #[arg(long, requires_all = ["policy", "file"], conflicts_with = "live")]
    pub(super) explain: bool,
    /// The policy.
    #[arg(long, value_name = "NAME", requires = "explain")]
    policy: Option<String>,
    /// A file with the client's token; `-` reads it from standard input. Without it, the client is
    /// one that its address admits.
    #[arg(long, value_name = "FILE", requires = "explain")]
    token: Option<PathBuf>,
    /// A PEM file with the client's certificate and those of its issuers.
    #[arg(
        long,
        value_name = "FILE",
        requires = "explain",
        conflicts_with = "token"
    )]
    certificate: Option<PathBuf>,
    /// Of a message to Janus, the plugin that its handle is attached to.
    #[arg(long, value_name = "PLUGIN", requires = "explain")]
    plugin: Option<String>,
    /// The configuration. With --explain, a file with the message, or several, as they are sent to
    /// Janus or Kurento; `-` reads it from standard input.
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

/// The largest message and token.
const LARGEST: u64 = 1 << 20;

impl Explain {
    /// Prints a line for each rule; the status says whether every message would pass.
    pub(super) fn run(&self, config: &Path) -> Result<ExitCode, CliError> {
        let name = self.policy.as_deref().unwrap_or_default();
        let config = load(config)?.config;
        let open = Arc::new(Policy::new(Policy::OPEN, policy::Rule::Open));
        let policy = match name == Policy::OPEN {
            true => &open,
            false => named("policy", name, &config.policies, Policy::name)?,
        };
        if [&self.token, &self.file].map(is_stdin) == [true; 2] {
            let text = "standard input cannot be both the token and the message; write one of \
                        them into a file";
            return Err((EXIT_USAGE, text.to_owned()));
        }
        let plugin = self.plugin.as_deref().map(full_name).transpose()?;
        let (claims, is_admitted) = self.client(&config, policy)?;
        let message = self.file.as_deref().unwrap_or(Path::new("-"));
        let message = read(message)?;
        let Some(rules) = policy.messages() else {
            show(&format!(
                "the policy {name} has no message rules: whatever is valid passes\n"
            ));
            return Ok(status(is_admitted));
        };
        let asked = Asked {
            rules,
            claims: claims.as_ref(),
            plugin,
        };
        let protocols = protocols(&config, name, rules);
        if self.plugin.is_some() && protocols == [Protocol::Kurento] {
            let text = "--plugin is about messages to Janus, and the policy judges requests to \
                        Kurento; take it out";
            return Err((EXIT_USAGE, text.to_owned()));
        }
        let answer = asked.explain(&protocols, &message).map_err(|unclear| {
            let text = format!("{unclear}; write --plugin janus.plugin.videoroom");
            (EXIT_USAGE, text)
        })?;
        show(&answer.text);
        Ok(status(is_admitted && answer.passes))
    }

    /// The claims of the client, verified or not, and whether the policy would admit it.
    fn client(&self, config: &Config, policy: &Policy) -> Result<(Option<Claims>, bool), CliError> {
        let refused = |why: &str| show(&format!("the handshake would be refused: {why}\n"));
        if let Some(file) = &self.certificate {
            let (claims, verdict) = certificate::offline(file, config, policy)?;
            match &verdict {
                Ok(note) => show(&format!("certificate: {note}\n")),
                Err(why) => refused(&format!("{why}; the claims are taken as they are")),
            }
            return Ok((claims, verdict.is_ok()));
        }
        let Some(file) = &self.token else {
            let wants_token = !policy.admits_without_token();
            if wants_token {
                refused("the policy admits clients by a token; write --token FILE");
            }
            return Ok((None, !wants_token));
        };
        let Offline { claims, verdict } = offline(read(file)?.trim(), config, policy)?;
        match &verdict {
            Ok(note) => show(&format!("token: {note}\n")),
            Err(why) => refused(&format!("{why}; the claims are taken as they are")),
        }
        let has_subject = |claims: &Claims| claims.subject().is_some();
        if !claims.as_ref().is_none_or(has_subject) {
            show(
                "token: it has no subject, so that its sessions end with their WebSocket, and \
                 belong to the client's address by REST\n",
            );
        }
        Ok((claims, verdict.is_ok()))
    }
}

fn status(passes: bool) -> ExitCode {
    match passes {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_FAILED),
    }
}

fn is_stdin(path: &Option<PathBuf>) -> bool {
    path.as_deref() == Some(Path::new("-"))
}

fn read(path: &Path) -> Result<String, CliError> {
    if path.to_str().is_some_and(is_jwt) {
        let text = "the token itself would show up in process lists; write it into a file, and \
                    name that with --token FILE, or - for standard input";
        return Err((EXIT_USAGE, text.to_owned()));
    }
    let mut text = String::new();
    let result = if path == Path::new("-") {
        std::io::stdin().take(LARGEST).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text))
    };
    result.map_err(|error| (EXIT_USAGE, format!("{}: {error}", path.display())))?;
    Ok(text)
}

/// `videoroom` and `sip` are Janus' own; any other name has to be a whole one.
fn full_name(plugin: &str) -> Result<String, CliError> {
    let near = config::nearest_plugin(plugin);
    let meant = near.map(|near| format!(", did you mean {near}?"));
    let meant = meant.unwrap_or_default();
    let Some(name) = config::plugin_name(plugin) else {
        let text =
            format!("--plugin {plugin}: is no plugin, such as janus.plugin.videoroom{meant}");
        return Err((EXIT_USAGE, text));
    };
    if near.is_some() {
        complain(&format!(
            "warning: {name} is not known to the gateway{meant}\n"
        ));
    }
    Ok(name)
}

/// What the upstreams speak that clients of the policy reach; if there are none, what its first
/// preset is for.
fn protocols(config: &Config, policy: &str, rules: &MessageRules) -> Vec<Protocol> {
    let protocol = |id: UpstreamId| config.routes.upstream(id).protocol.of_messages();
    let mut found = Vec::new();
    for route in config.routes.routes() {
        if let Target::Forward(to) = &route.target
            && route.policy.name() == policy
        {
            let upstreams = [to.upstream_of(false), to.upstream_of(true)];
            found.extend(upstreams.into_iter().filter_map(protocol));
        }
    }
    let all = [Protocol::Janus, Protocol::JanusAdmin, Protocol::Kurento];
    let of_rule = |rule: &Rule| Preset::of_rule(&rule.name).map(|preset| preset.protocol);
    let first = || rules.rules().iter().find_map(of_rule);
    match found.is_empty() {
        true => vec![first().unwrap_or(Protocol::Janus)],
        false => all
            .into_iter()
            .filter(|protocol| found.contains(protocol))
            .collect(),
    }
}

#[cfg(test)]
mod tests;
