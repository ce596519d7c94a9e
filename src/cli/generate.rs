//! `ianitor generate`: man pages and completions, from the definition of the command line, and the
//! JSON Schema of `gateway.toml`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use ianitor::config;

use super::output::{CliError, EXIT_FAILED, finish};

/// `ianitor generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// Where to write: a folder with the layout of /usr/share.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// The files of completions, as Debian's shells look for them below `/usr/share`.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/ianitor"),
    (Shell::Zsh, "zsh/vendor-completions/_ianitor"),
    (Shell::Fish, "fish/vendor_completions.d/ianitor.fish"),
];

/// The JSON Schema of `gateway.toml`.
const SCHEMA: &str = "ianitor/gateway.schema.json";

/// Sections of `ianitor(1)` that no option or command has: each entry is a term with its text.
const SECTIONS: [(&str, &[(&str, &str)]); 4] = [
    (
        "SIGNALS",
        &[
            ("SIGHUP", "Reload the configuration, as \"ianitor reload\"."),
            (
                "SIGUSR2",
                "Start the installed program, hand the sockets over, and drain.",
            ),
            (
                "SIGTERM, SIGINT",
                "Stop accepting and drain; a second one stops at once.",
            ),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Success."),
            ("1", "Failure at run time."),
            ("64", "The command line is wrong."),
            ("78", "The configuration is wrong."),
        ],
    ),
    (
        "FILES",
        &[
            (
                "/etc/ianitor/gateway.toml",
                "The configuration of the service.",
            ),
            (
                "/run/ianitor/control.sock",
                "The control socket, where commands reach the service.",
            ),
            (
                "/usr/share/doc/ianitor/reference.md",
                "Every key of the configuration.",
            ),
        ],
    ),
    (
        "SEE ALSO",
        &[(
            "systemctl(1), systemd.service(5)",
            "How the service is started.",
        )],
    ),
];

pub(crate) fn run(arguments: &Generate, command: &Command) -> ExitCode {
    let folder = &arguments.folder;
    let failed = |error| (EXIT_FAILED, format!("{}: {error}", folder.display()));
    let written: Result<(), CliError> = write(folder, command).map_err(failed);
    finish(written.map(|()| ExitCode::SUCCESS))
}

fn write(folder: &Path, command: &Command) -> io::Result<()> {
    for (shell, path) in COMPLETIONS {
        let mut script = Vec::new();
        generate(
            shell,
            &mut visible(command),
            command.get_name(),
            &mut script,
        );
        fs::write(below(folder, path)?, script)?;
    }
    fs::write(below(folder, SCHEMA)?, config::json_schema())?;
    let mut command = visible(command).disable_help_subcommand(true);
    // This gives commands of commands their whole names.
    command.build();
    pages(&command, &below(folder, "man/man1")?)
}

/// A path in the folder, whose own folder exists then.
fn below(folder: &Path, path: &str) -> io::Result<PathBuf> {
    let path = folder.join(path);
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    Ok(path)
}

/// The command without those that are hidden, which completions would offer.
fn visible(command: &Command) -> Command {
    let mut shown = Command::new(command.get_name().to_owned());
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        shown = shown.long_about(about.clone());
    }
    if let Some(help) = command.get_after_help() {
        shown = shown.after_help(help.clone());
    }
    if let Some(help) = command.get_after_long_help() {
        shown = shown.after_long_help(help.clone());
    }
    let commands = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown
        .args(command.get_arguments())
        .subcommand_required(command.is_subcommand_required_set())
        .subcommands(commands.map(visible))
}

/// Writes the page of a command, and those of its commands.
fn pages(command: &Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let page = Man::new(command.clone())
        .source(format!("ianitor {}", env!("CARGO_PKG_VERSION")))
        .manual("ianitor");
    let mut file = File::create(folder.join(page.get_filename()))?;
    page.render(&mut file)?;
    if command.get_name() == "ianitor" {
        file.write_all(sections().as_bytes())?;
    }
    command
        .get_subcommands()
        .try_for_each(|command| pages(command, folder))
}

fn sections() -> String {
    let mut roff = Roff::new();
    for (title, entries) in SECTIONS {
        roff.control("SH", [title]);
        for (term, text) in entries {
            roff.control("TP", []);
            roff.text([bold(*term)]).text([roman(*text)]);
        }
    }
    roff.render()
}
