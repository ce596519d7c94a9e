//! The `ianitor` command.

mod certs_command;
mod cli;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use ianitor::config;
use ianitor::telemetry::escape;

use cli::{check, run, token, turn};

/// Gives memory back after thousands of connections have closed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Failed at run time.
const EXIT_FAILED: u8 = 1;
/// The command line is wrong (sysexits.h: EX_USAGE).
const EXIT_USAGE: u8 = 64;
/// The configuration is wrong (sysexits.h: EX_CONFIG).
const EXIT_CONFIG: u8 = 78;

/// A TLS gateway in front of Janus, Kurento and Jitsi.
#[derive(Debug, Parser)]
#[command(name = "ianitor", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open the doors. SIGHUP reloads, SIGTERM drains and a second one ends at once.
    Run {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Say everything that is wrong with a configuration, or show what it does.
    Check {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
        config: PathBuf,
        /// Ask the upstreams too whether they answer and are what their protocol says, fetch the
        /// keys of issuers and the directory of the CA, and ask the servers that get its
        /// certificates.
        #[arg(long)]
        live: bool,
    },
    /// Make a token for trying things out, or say why one would or would not pass.
    #[command(subcommand)]
    Token(token::Token),
    /// Show the certificates that are looked after; renew or revoke one.
    Certs(certs_command::Certs),
    /// Print a TURN credential, and how to try it.
    Turn {
        /// The [turn.NAME] table; may be left out where there is one only.
        name: Option<String>,
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
        config: PathBuf,
        /// For whom it is.
        #[arg(long, value_name = "NAME", default_value = "test")]
        user: String,
        /// For how long it is good, such as 5m; what the table says, if left out.
        #[arg(long, value_name = "TIME", value_parser = ttl)]
        ttl: Option<Duration>,
    },
    /// Print the version.
    Version,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match arguments.command {
        Command::Run { config } => run::run(&config),
        Command::Check { config, live } => check_file(&config, live),
        Command::Token(arguments) => token::run(arguments),
        Command::Certs(certs) => certs_command::run(&certs),
        Command::Turn {
            name,
            config,
            user,
            ttl,
        } => turn::print(
            &config,
            &turn::Asked {
                name: name.as_deref(),
                user: &user,
                ttl,
            },
        ),
        Command::Version => {
            show(&format!("ianitor {}\n", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
    }
}

/// How long a credential may be good: whole seconds.
fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = config::duration(text)?;
    if ttl < Duration::from_secs(1) {
        Err("is less than a second".to_owned())
    } else {
        Ok(ttl)
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    // Nothing can be done about a closed standard output.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(EXIT_USAGE),
    }
}

/// Prints to standard output, with everything escaped that would steer a terminal: much of it is
/// from elsewhere. Whoever has closed it, `head` for example, has seen enough.
fn show(text: &str) {
    let _ = std::io::stdout().write_all(escape::lines(text).as_bytes());
}

/// The same on standard error. Every command prints by one of these two.
fn complain(text: &str) {
    let _ = std::io::stderr().write_all(escape::lines(text).as_bytes());
}

/// Asks everybody who has to be there, and returns how much is mismatch.
async fn ask_all(config: &config::Config) -> usize {
    let mut mismatch = 0;
    let mut tell = |(text, count): (String, usize)| {
        show(&text);
        mismatch += count;
    };
    tell(check::ask_upstreams(config).await);
    tell(check::ask_issuers(config).await);
    tell(check::ask_ca(config).await);
    tell(check::ask_deployments(config).await);
    mismatch
}

fn check_file(path: &Path, live: bool) -> ExitCode {
    let checked = match check::check(path) {
        Ok(checked) => checked,
        Err(unfit) => {
            complain(&format!("{unfit}\n"));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    for warning in &checked.warnings {
        complain(&format!("warning: {warning}\n"));
    }
    show(&config::summary(&checked.config));
    show(&checked.certificates);
    show(&checked.unseen);
    if !live {
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start a runtime: {error}\n"));
            return ExitCode::from(EXIT_FAILED);
        }
    };
    let mismatch = runtime.block_on(ask_all(&checked.config));
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    if mismatch == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILED)
    }
}
