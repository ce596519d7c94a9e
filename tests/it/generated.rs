//! Man pages and completions, from the definition of the command line, tried in each shell.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io::Write as _};

use tempfile::TempDir;

/// Where packages have them below `/usr/share`.
const BASH: &str = "bash-completion/completions/ianitor";
const ZSH: &str = "zsh/vendor-completions";
const FISH: &str = "fish/vendor_completions.d/ianitor.fish";

fn generated() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    let output = command.arg("generate").arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    folder
}

/// What a program prints. `scripts/test-deps.sh` installs it.
fn printed(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; scripts/test-deps.sh installs it"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that `--help` lists.
fn commands(of: &[&str]) -> Vec<String> {
    let help = printed(
        env!("CARGO_BIN_EXE_ianitor"),
        &[of, &["--help"]].concat(),
        "",
    );
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
    list.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty() && *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = generated();
    let script = folder.path().join(BASH);
    let complete = |words: &str| {
        let text = format!(
            "source {}\ncomplete -p ianitor >/dev/null\n\
             COMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             word=${{COMP_WORDS[COMP_CWORD]}}\nprevious=${{COMP_WORDS[COMP_CWORD-1]}}\n\
             _ianitor ianitor \"$word\" \"$previous\" || :\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            script.display()
        );
        printed("bash", &["--norc", "-eu"], &text)
    };
    assert_eq!(complete("ianitor rel"), "reload\n");
    assert_eq!(
        complete("ianitor gen"),
        "\n",
        "hidden commands are not offered"
    );
    assert!(
        complete("ianitor run --c")
            .lines()
            .any(|word| word == "--config")
    );
}

#[test]
fn zsh_knows_the_completion() {
    let folder = generated();
    let text = format!(
        "fpath=({} $fpath)\nautoload -U compinit\ncompinit -u -D\n\
         print -r -- $_comps[ianitor]\nautoload +X -U _ianitor\nprint -r -- $functions[_ianitor]\n",
        folder.path().join(ZSH).display()
    );
    let said = printed("zsh", &["-f"], &text);
    assert_eq!(said.lines().next(), Some("_ianitor"));
    assert!(
        said.contains("reload") && !said.contains("generate"),
        "{said}"
    );
}

#[test]
fn fish_completes_commands_and_options() {
    let folder = generated();
    let script = folder.path().join(FISH);
    let home = folder.path().to_str().unwrap();
    let complete = |line: &str| {
        let text = format!("source {}; complete -C\"{line}\"", script.display());
        let home = format!("HOME={home}");
        printed("env", &[&home, "fish", "--no-config", "-c", &text], "")
    };
    let said = complete("ianitor r");
    let words: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert!(
        words.contains(&"run") && words.contains(&"reload"),
        "{said}"
    );
    assert!(complete("ianitor run --conf").starts_with("--config"));
    assert_eq!(complete("ianitor gen"), "");
}

#[test]
fn each_command_has_a_man_page_without_warnings() {
    let folder = generated();
    let pages = folder.path().join("man/man1");
    let mut names = vec!["ianitor".to_owned()];
    for command in commands(&[]) {
        let nested = commands(&[&command]);
        names.extend(
            nested
                .iter()
                .map(|nested| format!("ianitor-{command}-{nested}")),
        );
        names.push(format!("ianitor-{command}"));
    }
    assert!(names.len() > 8, "{names:?}");
    let written = fs::read_dir(&pages).unwrap();
    let mut written: Vec<String> = written
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    let mut files: Vec<String> = names.iter().map(|name| format!("{name}.1")).collect();
    files.sort();
    assert_eq!(written, files);
    for file in &files {
        let path = pages.join(file);
        let text = printed(
            "groff",
            &["-man", "-Tutf8", "-P-cbou", "-ww", path.to_str().unwrap()],
            "",
        );
        assert!(text.contains("SYNOPSIS") || file == "ianitor.1", "{file}");
    }
    let text = fs::read_to_string(pages.join("ianitor.1")).unwrap();
    for section in ["SIGNALS", "EXIT STATUS", "FILES"] {
        assert!(text.contains(section), "{section}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_one_clear_line() {
    let file = Path::new(env!("CARGO_BIN_EXE_ianitor"));
    let output = Command::new(file)
        .arg("generate")
        .arg(file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains(file.to_str().unwrap()), "{errors}");
}
