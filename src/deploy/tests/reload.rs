use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, ExitStatus};

use super::*;
use crate::deploy::command::{LIMIT, find, run, variables};
use crate::deploy::error::DeployError;
use crate::deploy::signal::{reaches, send};
use crate::secret::SecretSource;

fn pid_file(folder: &TempDir, text: &str) -> std::path::PathBuf {
    let path = folder.path().join("server.pid");
    fs::write(&path, text).unwrap();
    path
}

/// A server that ends with the status 7 when it is told.
fn server(folder: &TempDir) -> Child {
    let ready = folder.path().join("ready");
    let script = format!(
        "trap 'exit 7' USR2; : > {}; while :; do sleep 0.02; done",
        ready.display()
    );
    let child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    until("the server is ready", || ready.exists());
    child
}

fn ended(mut child: Child) -> ExitStatus {
    let mut status = None;
    until("the server has ended", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

#[test]
fn a_signal_arrives() {
    let folder = TempDir::new().unwrap();
    let child = server(&folder);
    send("USR2", &pid_file(&folder, &format!("{}\n", child.id()))).unwrap();
    assert_eq!(ended(child).code(), Some(7));
}

#[test]
fn a_stale_pid_file_is_told_as_such() {
    let folder = TempDir::new().unwrap();
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let error = send("USR2", &pid_file(&folder, &child.id().to_string())).unwrap_err();
    assert!(
        error.to_string().contains("is stale") && error.to_string().contains("server.pid"),
        "{error}"
    );
}

#[test]
fn only_the_number_of_another_process_is_taken() {
    let folder = TempDir::new().unwrap();
    for text in [
        "",
        "\n",
        "turnserver",
        "0",
        "1",
        "-5",
        "+7",
        "12 13",
        "1.5",
        "99999999999999",
    ] {
        let error = send("HUP", &pid_file(&folder, text)).unwrap_err();
        assert!(matches!(error, DeployError::NoPid(_)), "{text:?}: {error}");
    }
    let large = "1".repeat(10_000);
    assert!(matches!(
        send("HUP", &pid_file(&folder, &large)),
        Err(DeployError::NoPid(_))
    ));
    let own = std::process::id().to_string();
    assert!(matches!(
        send("HUP", &pid_file(&folder, &own)),
        Err(DeployError::OwnPid(_))
    ));
    assert!(matches!(
        send("HUP", &folder.path().join("none")),
        Err(DeployError::PidFile(..))
    ));
    assert!(matches!(
        send("NONE", &pid_file(&folder, "77")),
        Err(DeployError::NoSignal(_))
    ));
}

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_command_is_told_what_was_written_and_no_more() {
    let folder = TempDir::new().unwrap();
    let password = SecretSource::Inline(Secret::new("changeit".into()));
    let mut spec = spec(&folder);
    spec.files
        .push(output(&folder, "store.p12", FileForm::Pkcs12 { password }));
    let out = folder.path().join("environment");
    let script = format!("env > {}; read line && exit 1; exit 0", out.display());
    run(&sh(&script), &variables(&spec, &stored(1)), LIMIT)
        .await
        .unwrap();

    let text = read(&out);
    let own: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("IANITOR_"))
        .collect();
    let at = folder.path().display();
    for line in [
        format!("IANITOR_CERTIFICATE={HOST}"),
        format!("IANITOR_HOSTS={HOST} turn.example.com"),
        format!("IANITOR_CERT={at}/chain.pem"),
        format!("IANITOR_KEY={at}/key.pem"),
        format!("IANITOR_PKCS12={at}/store.p12"),
    ] {
        assert!(own.contains(&&*line), "{line} is not in {own:?}");
    }
    assert_eq!(own.len(), 5, "{own:?}");
    assert!(
        text.contains("PATH=") && !text.contains("CARGO") && !text.contains("changeit"),
        "{text}"
    );
}

#[tokio::test]
async fn a_command_that_fails_has_the_last_word() {
    let script = "seq 100 200; echo 'no such unit' >&2; exit 5";
    let error = run(&sh(script), &[], LIMIT).await.unwrap_err();
    let DeployError::CommandFailed {
        program,
        status,
        said,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((&*program, status.code()), ("sh", Some(5)));
    let said = said.to_string();
    assert!(
        said.contains("no such unit") && !said.contains("100"),
        "{said}"
    );

    let error = run(&["/nowhere/reload".to_owned()], &[], LIMIT)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DeployError::NoCommand { program, .. } if program == "/nowhere/reload")
    );
}

#[test]
fn a_command_is_looked_for_where_the_system_would() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = std::env::join_paths([other.path(), folder.path()]).unwrap();
    let look = |program: &str| find(&[program.to_owned(), "reload".to_owned()], &path);
    let program = folder.path().join("tell");
    assert!(matches!(look("tell"), Err(DeployError::NotFound(name)) if name == "tell"));
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(matches!(look("tell"), Err(DeployError::NotExecutable(at)) if at == program));
    fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(look("tell").unwrap(), program);
    look(program.to_str().unwrap()).unwrap();
    assert!(matches!(look("tell reload"), Err(DeployError::NotFound(_))));
    assert!(matches!(
        look(folder.path().to_str().unwrap()),
        Err(DeployError::NotExecutable(_))
    ));
}

#[test]
fn whether_a_signal_would_arrive_is_found_out_without_one() {
    let folder = TempDir::new().unwrap();
    let mut child = server(&folder);
    let file = pid_file(&folder, &child.id().to_string());
    reaches(&file).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    send("USR2", &file).unwrap();
    assert_eq!(ended(child).code(), Some(7));
    assert!(matches!(reaches(&file), Err(DeployError::StalePid { .. })));
}

#[tokio::test]
async fn what_a_command_leaves_running_is_not_waited_for() {
    let folder = TempDir::new().unwrap();
    let left = folder.path().join("left");
    let script = format!(
        "sleep 600 & echo $! > {}; echo started; exit 3",
        left.display()
    );
    let error = run(&sh(&script), &[], LIMIT).await.unwrap_err();
    let pid = read(&left).trim().parse().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert!(
        matches!(&error, DeployError::CommandFailed { said, .. } if said.0 == "started"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_command_that_does_not_end_is_ended_with_all_that_it_started() {
    let folder = TempDir::new().unwrap();
    let pids = folder.path().join("pids");
    let script = format!(
        "sleep 600 & echo $$ $! > {}; echo waiting; wait",
        pids.display()
    );
    let error = run(&sh(&script), &[], Duration::from_secs(2))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, DeployError::CommandLate { said, .. } if said.0 == "waiting"),
        "{error:?}"
    );
    for pid in read(&pids).split_whitespace() {
        until("the process has ended", || !is_alive(pid));
    }
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_any_more_ends_with_all_that_it_started() {
    let folder = TempDir::new().unwrap();
    let pids = folder.path().join("pids");
    let argv = sh(&format!(
        "sleep 600 & echo $$ $! > {}; wait",
        pids.display()
    ));
    let has_begun = async {
        while !fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        ended = run(&argv, &[], LIMIT) => panic!("{ended:?}"),
        () = has_begun => {}
    }
    for pid in read(&pids).split_whitespace() {
        until("the process has ended", || !is_alive(pid));
    }
}

/// A process that nobody has waited for yet is no longer alive either.
fn is_alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
