//! The `ianitor` command: the list of its subcommands.

mod cli;

use std::borrow::Cow;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use cli::output::{EXIT_USAGE, complain, without_tokens};
use cli::{
    aliases, certs, check, config, doctor, generate, import, init, reload, run, token, turn,
    upgrade, version,
};

/// Returns memory to the system after thousands of connections have closed.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A TLS gateway in front of Janus, Kurento and Jitsi.
#[derive(Debug, Parser)]
#[command(name = "ianitor", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway. SIGHUP reloads, SIGUSR2 upgrades, SIGTERM drains, and a second SIGTERM
    /// stops at once.
    Run(run::Run),
    /// Have the running gateway reload its configuration, and report every problem.
    Reload(reload::Reload),
    /// Have the running gateway start the program anew and hand its sockets over, so that no
    /// connection is lost.
    Upgrade(upgrade::Upgrade),
    /// Report everything that is wrong with a configuration, or show what it does.
    Check(check::Check),
    /// Print what a configuration says with included files, variables of the environment and
    /// defaults, and where each value is from.
    Config(config::Config),
    /// Read the configurations of Janus, coturn, Kurento, Prosody, Jitsi, HAProxy and certbot on
    /// this machine, and report what is wrong with them and what to write instead.
    Doctor(doctor::Doctor),
    /// Make a token for testing, or explain why one would or would not pass.
    #[command(subcommand)]
    Token(token::Token),
    /// Show the certificates that are looked after; renew or revoke one.
    Certs(certs::Certs),
    /// Print a TURN credential, and how to try it.
    Turn(turn::Turn),
    /// Write a first configuration for the servers of this machine, with secrets, and the lines to
    /// change in the files of these servers.
    Init(init::Init),
    /// Translate the configuration of another server into a gateway.toml, never more open than it.
    #[command(subcommand)]
    Import(import::Import),
    /// Print the version, the commit, and the versions of the libraries for TLS.
    Version(version::Version),
    /// Write the man pages, completions for bash, zsh and fish, and the JSON Schema of
    /// gateway.toml, for packages.
    #[command(hide = true)]
    Generate(generate::Generate),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse_from(aliases::translated(std::env::args_os())) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Upgrade(arguments) => upgrade::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Certs(arguments) => certs::run(&arguments),
        Command::Turn(arguments) => turn::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments, &Arguments::command()),
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // If standard output is closed, there is nowhere to report that.
    let text = error.render().to_string();
    match without_tokens(&text) {
        Cow::Borrowed(_) => _ = error.print(),
        Cow::Owned(text) => complain(&text),
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_USAGE),
    }
}
