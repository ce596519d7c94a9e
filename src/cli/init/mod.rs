//! `ianitor init`: a first configuration for the servers of this machine.

mod ask;
mod look;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use ianitor::doctor;
use ianitor::doctor::files::Below;
use ianitor::host::HostName;
use ianitor::init::{self, Lines, Secrets, Service, Setup};

use super::check;
use super::output::{CliError, EXIT_CONFIG, EXIT_FAILED, EXIT_USAGE, complain, finish, show};
use write::Written;

/// `ianitor init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The servers: those that answer on this machine, if none is named.
    #[arg(value_enum, value_name = "SERVER")]
    servers: Vec<Server>,
    /// The name by which clients reach the gateway, such as media.example.com.
    #[arg(long, value_name = "NAME")]
    host: HostName,
    /// The name by which clients reach coturn, if it is another one.
    #[arg(long, value_name = "NAME")]
    turn: Option<HostName>,
    /// Order certificates from Let's Encrypt, which may write to this address. Using this accepts
    /// its terms. Without it the certificate is self-signed.
    #[arg(long, value_name = "ADDRESS", value_parser = mail)]
    mail: Option<String>,
    /// The folder to write to.
    #[arg(long, value_name = "FOLDER", default_value = "/etc/ianitor")]
    dir: PathBuf,
    /// Ask nothing.
    #[arg(long)]
    yes: bool,
}

/// A server on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Server {
    Janus,
    Kurento,
    Jitsi,
    Coturn,
}

impl From<Server> for Service {
    fn from(server: Server) -> Self {
        match server {
            Server::Janus => Self::Janus,
            Server::Kurento => Self::Kurento,
            Server::Jitsi => Self::Jitsi,
            Server::Coturn => Self::Coturn,
        }
    }
}

fn mail(text: &str) -> Result<String, &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_+@".contains(c);
    let parts = text.split_once('@');
    let is_mail = parts.is_some_and(|(who, host)| {
        !who.is_empty() && host.parse::<HostName>().is_ok() && text.chars().all(is_plain)
    });
    match is_mail {
        true => Ok(text.to_owned()),
        false => Err("no mail address, such as ops@example.com"),
    }
}

pub(crate) fn run(arguments: &Init) -> ExitCode {
    finish(execute(arguments))
}

fn execute(arguments: &Init) -> Result<ExitCode, CliError> {
    let seen = look::answering();
    show(&look::shown(&seen));
    let setup = Setup {
        services: services(arguments, &seen)?,
        host: arguments.host.clone(),
        turn: arguments.turn.clone().unwrap_or(arguments.host.clone()),
        mail: arguments.mail.clone(),
    };
    let folder = write::Folder::find(&arguments.dir)?;
    let names: Vec<&str> = setup.services.iter().map(|one| one.name()).collect();
    let question = format!(
        "Write {} for {} at {}? [Y/n] ",
        folder.config().display(),
        names.join(", "),
        setup.host.as_str()
    );
    if !ask::agrees(&question, arguments.yes)? {
        return Err((EXIT_FAILED, "nothing was written".to_owned()));
    }
    let secrets = Secrets::new(&setup).map_err(|error| (EXIT_FAILED, error.to_string()))?;
    let lines = lines(&setup, &secrets);
    let mut written = folder.begin()?;
    written.all(&setup, &secrets, &init::markdown(&setup, &lines))?;
    judge(&folder.config(), &mut written)?;
    written.keep();
    show(&next(&setup, &folder.config(), &lines));
    Ok(ExitCode::SUCCESS)
}

/// The servers that are named, or else those that answer.
fn services(arguments: &Init, seen: &look::Seen) -> Result<BTreeSet<Service>, CliError> {
    if !arguments.servers.is_empty() {
        let named = arguments.servers.iter().map(|server| (*server).into());
        return Ok(named.collect());
    }
    let found = seen.services();
    if found.is_empty() {
        let text = "no server answers on this machine; name those that you will have: ianitor init \
                    janus coturn --host NAME";
        return Err((EXIT_USAGE, text.to_owned()));
    }
    if !arguments.yes && !ask::is_possible() {
        let names: Vec<&str> = found.iter().map(|one| one.name()).collect();
        let text = format!(
            "there is no terminal to ask whether to write a configuration for {}; name the \
             servers, or write --yes",
            names.join(", ")
        );
        return Err((EXIT_USAGE, text));
    }
    Ok(found)
}

/// The lines for the files of the servers, as these files are now.
fn lines(setup: &Setup, secrets: &Secrets) -> Vec<Lines> {
    let machine = match Below::new(Path::new("/")) {
        Ok(files) => doctor::examine(&files, &[], None).machine,
        Err(_) => doctor::machine::Machine::default(),
    };
    init::changes(setup, secrets, &machine)
}

/// What is written has to pass `ianitor check`; otherwise it is removed.
fn judge(config: &Path, written: &mut Written<'_>) -> Result<(), CliError> {
    match check::check(config) {
        Ok(checked) => {
            for warning in &checked.warnings {
                complain(&format!("warning: {warning}\n"));
            }
            Ok(())
        }
        Err(unusable) => {
            written.undo();
            let text =
                format!("what was written does not pass the check, and is removed: {unusable}");
            Err((EXIT_CONFIG, text))
        }
    }
}

/// What is written, and what to do next.
fn next(setup: &Setup, config: &Path, lines: &[Lines]) -> String {
    let folder = config.parent().unwrap_or(Path::new(""));
    let (config, folder) = (config.display(), folder.display());
    let mut out =
        format!("\nwritten: {config}, secrets in {folder}/secrets, {folder}/changes.md\n\n");
    let open: BTreeSet<&str> = lines
        .iter()
        .filter(|lines| !lines.are_in_force())
        .map(|lines| lines.file)
        .collect();
    let files: Vec<&str> = open.into_iter().collect();
    if !files.is_empty() {
        out += &format!(
            "{folder}/changes.md has the lines to change, with the secrets, in\n  {}\n\n",
            files.join("\n  ")
        );
    }
    out += &format!("next:\n  ianitor check --config {config} --live\n");
    out += "  systemctl restart ianitor\n";
    if setup.has(Service::Janus) || setup.has(Service::Coturn) {
        out += &format!(
            "  TOKEN=$(ianitor token mint --config {config} --issuer app --sub ada \
             --claim room_ids=[1234])\n"
        );
    }
    let (host, insecure) = (setup.host.as_str(), setup.mail.is_none());
    let insecure = if insecure { "-k " } else { "" };
    let path = match () {
        () if setup.has(Service::Janus) => {
            "/janus -d '{\"janus\":\"create\",\"transaction\":\"1\"}'"
        }
        () if setup.has(Service::Coturn) => "/turn",
        () => "",
    };
    if !path.is_empty() {
        out += &format!(
            "  curl {insecure}--resolve {host}:443:127.0.0.1 -H \"Authorization: Bearer $TOKEN\" \
             https://{host}{path}\n"
        );
    }
    out
}
