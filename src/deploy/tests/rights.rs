//! What other users of the machine can do to a gateway that has rights over their files and
//! processes, and to the files and processes of root. Only root can make files of other users, so
//! that without root these look at what is left: that all of it works in a folder of one's own.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::unistd::geteuid;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::deploy::command::{LIMIT, find, run};
use crate::deploy::error::DeployError;
use crate::deploy::files::write;
use crate::deploy::signal::{reaches, send};
use crate::deploy::{DeployState, Reload, look, state};
use crate::disk::Untrusted;

/// The user of a server that gets certificates.
const CONSUMER: u32 = 65_534;

/// A folder that every user can reach.
fn reachable() -> TempDir {
    let folder = TempDir::new().unwrap();
    set_mode(folder.path(), 0o755);
    folder
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Gives something to the consumer, where the test is root's.
fn give(path: &Path) {
    if geteuid().is_root() {
        lchown(path, Some(CONSUMER), Some(CONSUMER)).unwrap();
    }
}

/// The files below this folder.
fn spec_in(folder: &TempDir, at: &str) -> DeploySpec {
    let files = ["chain.pem", "key.pem"].map(|name| folder.path().join(at).join(name));
    let [chain, key] = files;
    let files = vec![
        Output {
            path: chain,
            form: FileForm::Chain,
        },
        Output {
            path: key,
            form: FileForm::Key,
        },
    ];
    DeploySpec {
        files,
        ..spec(folder)
    }
}

#[test]
fn with_rights_a_folder_of_the_consumer_is_refused() {
    let folder = reachable();
    let theirs = folder.path().join("tls");
    fs::create_dir(&theirs).unwrap();
    give(&theirs);
    let (spec, cert) = (spec_in(&folder, "tls"), stored(1));
    let result = write(&spec, &cert);
    if !geteuid().is_root() {
        assert_eq!(result.unwrap().files.len(), 2);
        return;
    }
    let error = result.unwrap_err();
    let said = error.to_string();
    assert!(
        matches!(error, DeployError::Untrusted(Untrusted::Folder { .. })),
        "{said}"
    );
    let theirs = theirs.display();
    assert!(
        said.contains(&format!(
            "the folder {theirs} belongs to the user \"nobody\""
        )),
        "{said}"
    );
    assert!(
        said.contains(&format!(
            "chown root:nogroup {theirs} && chmod 2750 {theirs}"
        )),
        "{said}"
    );
    assert_eq!(
        look(&spec)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [said]
    );
    assert!(matches!(
        state(&spec, &cert),
        DeployState::Unclear(DeployError::Untrusted(_))
    ));
    assert_eq!(
        fs::read_dir(spec.files[0].path.parent().unwrap())
            .unwrap()
            .count(),
        0
    );
}

/// What the message says, and what the documents say for a gateway with a user of its own.
#[test]
fn a_folder_that_the_consumer_reads_and_does_not_own_is_taken() {
    let folder = reachable();
    let (at, store) = (folder.path().join("tls"), folder.path().join("acme"));
    fs::create_dir(&at).unwrap();
    fs::create_dir(&store).unwrap();
    let is_root = geteuid().is_root();
    if is_root {
        chown(&at, None, Some(CONSUMER)).unwrap();
    }
    set_mode(&at, 0o2750);
    let (spec, group) = (spec_in(&folder, "tls"), fs::metadata(&at).unwrap().gid());
    assert_eq!(write(&spec, &stored(1)).unwrap().files.len(), 2);
    assert_eq!(
        fs::metadata(&spec.files[1].path).unwrap().gid(),
        group,
        "the folder hands its group on"
    );
    if is_root {
        // The folder of a gateway that has a user of its own, whose the store is; root works in its
        // place.
        chown(&at, Some(1234), None).unwrap();
        assert!(write(&spec, &stored(2)).is_err());
        chown(&store, Some(1234), None).unwrap();
        set_mode(&at, 0o2750);
        assert_eq!(write(&spec, &stored(2)).unwrap().files.len(), 2);
        set_mode(&at, 0o2770);
        let error = write(&spec, &stored(3)).unwrap_err();
        assert!(
            matches!(
                error,
                DeployError::Untrusted(Untrusted::Writable { mode: 0o2770, .. })
            ),
            "{error}"
        );
    }
}

#[test]
fn links_of_the_consumer_lead_to_nothing_of_roots() {
    let folder = reachable();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("victim")).unwrap();
    fs::create_dir(at("server")).unwrap();
    fs::write(at("victim/key.pem"), "precious").unwrap();
    symlink(at("victim"), at("server/tls")).unwrap();
    symlink(at("victim/key.pem"), at("server/key.pem")).unwrap();
    for path in ["server", "server/tls", "server/key.pem"] {
        give(&at(path));
    }
    let before = fs::metadata(at("victim/key.pem")).unwrap();
    for place in ["server/tls", "server"] {
        let spec = DeploySpec {
            owner: Some(geteuid().to_string().into()),
            ..spec_in(&folder, place)
        };
        let result = write(&spec, &stored(1));
        assert_eq!(result.is_err(), geteuid().is_root(), "{place}: {result:?}");
    }
    if geteuid().is_root() {
        let after = fs::metadata(at("victim/key.pem")).unwrap();
        assert_eq!(
            (after.ino(), after.mode(), after.uid()),
            (before.ino(), before.mode(), before.uid())
        );
        assert_eq!(read(&at("victim/key.pem")), "precious");
        assert_eq!(fs::read_dir(at("victim")).unwrap().count(), 1);
    }
}

#[test]
fn links_of_roots_on_the_way_are_followed() {
    let folder = reachable();
    fs::create_dir(folder.path().join("real")).unwrap();
    symlink("real", folder.path().join("tls")).unwrap();
    assert_eq!(
        write(&spec_in(&folder, "tls"), &stored(1))
            .unwrap()
            .files
            .len(),
        2
    );
    assert!(folder.path().join("real/key.pem").is_file());
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let folder = reachable();
    let spec = spec(&folder);
    mknodat(
        CWD,
        &spec.files[1].path,
        FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let error = write(&spec, &stored(1)).unwrap_err();
    assert!(
        matches!(&error, DeployError::NotAFile(path) if *path == spec.files[1].path),
        "{error}"
    );
    let error = send("USR2", &spec.files[1].path).unwrap_err();
    assert!(matches!(error, DeployError::PidFile(..)), "{error}");
}

/// A process that is ended by the first signal, of the consumer's if the test is root's.
struct Server(Child);

impl Server {
    fn of(user: Option<u32>) -> Self {
        let mut command = Command::new("sleep");
        command.arg("600");
        if let Some(user) = user.filter(|_| geteuid().is_root()) {
            command.uid(user).gid(user);
        }
        Self(command.spawn().unwrap())
    }

    fn is_running(&mut self) -> bool {
        // A signal that was sent has arrived by the time that this one would.
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pid file in a folder of the consumer's.
fn pid_file(folder: &TempDir, of: &Server) -> PathBuf {
    let run = folder.path().join("run");
    if fs::create_dir(&run).is_ok() {
        give(&run);
    }
    let path = run.join("server.pid");
    let _ = fs::remove_file(&path);
    fs::write(&path, format!("{}\n", of.0.id())).unwrap();
    path
}

#[test]
fn a_pid_file_of_the_consumer_has_no_process_of_roots_signalled() {
    let folder = reachable();
    let (mut roots, mut theirs) = (Server::of(None), Server::of(Some(CONSUMER)));
    let path = pid_file(&folder, &roots);
    for is_given in [true, false] {
        if is_given {
            give(&path);
        } else if geteuid().is_root() {
            // In the consumer's folder, a file of root's may be another one that the consumer has
            // renamed.
            chown(&path, Some(0), Some(0)).unwrap();
        }
        if geteuid().is_root() {
            for result in [reaches(&path), send("TERM", &path)] {
                let error = result.unwrap_err();
                assert!(
                    matches!(error, DeployError::ForeignProcess { .. }),
                    "{error}"
                );
                let said = error.to_string();
                let process = format!("it names the process {} of \"root\"", roots.0.id());
                assert!(
                    said.contains("the user \"nobody\" can change") && said.contains(&process),
                    "{said}"
                );
            }
        } else {
            reaches(&path).unwrap();
        }
        assert!(roots.is_running());
    }
    for is_given in [false, true] {
        let path = pid_file(&folder, &theirs);
        if is_given {
            give(&path);
        }
        reaches(&path).unwrap();
    }
    assert!(theirs.is_running());
    send("TERM", &pid_file(&folder, &theirs)).unwrap();
    until("the server has ended", || !theirs.is_running());
}

#[test]
fn a_pid_file_that_root_alone_can_change_may_name_any_process() {
    let folder = reachable();
    let mut theirs = Server::of(Some(CONSUMER));
    let path = folder.path().join("server.pid");
    fs::write(&path, theirs.0.id().to_string()).unwrap();
    symlink("server.pid", folder.path().join("link.pid")).unwrap();
    reaches(&path).unwrap();
    send("TERM", &folder.path().join("link.pid")).unwrap();
    until("the server has ended", || !theirs.is_running());
}

#[test]
fn a_pid_file_that_everybody_can_write_is_refused() {
    let folder = reachable();
    let mut server = Server::of(None);
    let path = folder.path().join("server.pid");
    fs::write(&path, server.0.id().to_string()).unwrap();
    set_mode(&path, 0o666);
    let error = send("TERM", &path).unwrap_err();
    assert!(matches!(error, DeployError::OpenPidFile(_)), "{error}");
    assert!(error.to_string().contains("chmod 644"), "{error}");
    // Nor one in whose place everybody can put another.
    set_mode(&path, 0o644);
    set_mode(folder.path(), 0o777);
    let error = send("TERM", &path).unwrap_err();
    assert!(
        matches!(error, DeployError::Untrusted(Untrusted::Writable { .. })),
        "{error}"
    );
    // Where everybody can only add names, as in /tmp, one of ours is as good as ever; if it is not
    // a second name.
    set_mode(folder.path(), 0o1777);
    reaches(&path).unwrap();
    fs::hard_link(&path, folder.path().join("second.pid")).unwrap();
    let error = send("TERM", &path).unwrap_err();
    assert!(
        matches!(error, DeployError::Untrusted(Untrusted::Writable { .. })),
        "{error}"
    );
    assert!(server.is_running());
}

#[test]
fn a_link_of_the_consumer_in_the_place_of_a_pid_file_is_not_followed() {
    let folder = reachable();
    let mut server = Server::of(None);
    let path = pid_file(&folder, &server);
    let real = folder.path().join("real.pid");
    fs::rename(&path, &real).unwrap();
    symlink(&real, &path).unwrap();
    give(&path);
    let result = reaches(&path);
    if geteuid().is_root() {
        let error = result.unwrap_err();
        assert!(
            matches!(error, DeployError::Untrusted(Untrusted::Link { .. })),
            "{error}"
        );
    } else {
        result.unwrap();
    }
    assert!(server.is_running());
}

#[tokio::test]
async fn with_rights_a_program_that_the_consumer_can_change_is_not_run() {
    let folder = reachable();
    let (program, ran) = (folder.path().join("reload"), folder.path().join("ran"));
    fs::write(&program, format!("#!/bin/sh\n: > {}\n", ran.display())).unwrap();
    set_mode(&program, 0o755);
    let argv = [program.to_str().unwrap().to_owned()];
    run(&argv, &[], LIMIT).await.unwrap();
    fs::remove_file(&ran).unwrap();
    if !geteuid().is_root() {
        return;
    }
    let refused = async |what: &str| {
        let error = run(&argv, &[], LIMIT).await.unwrap_err();
        assert!(
            matches!(error, DeployError::Untrusted(_)),
            "{what}: {error}"
        );
        assert!(
            matches!(find(&argv, "".as_ref()), Err(DeployError::Untrusted(_))),
            "{what}"
        );
        // By its name alone, from PATH.
        let found = find(&["reload".to_owned()], folder.path().as_os_str());
        assert!(matches!(found, Err(DeployError::Untrusted(_))), "{what}");
        assert!(!ran.exists(), "{what}");
    };
    give(&program);
    refused("it is the consumer's").await;
    chown(&program, Some(0), Some(0)).unwrap();
    set_mode(&program, 0o777);
    refused("everybody can write it").await;
    set_mode(&program, 0o755);
    give(folder.path());
    refused("its folder is the consumer's").await;
    let spec = DeploySpec {
        reload: Some(Reload::Command(argv.to_vec())),
        ..spec(&folder)
    };
    assert!(
        look(&spec)
            .iter()
            .any(|error| matches!(error, DeployError::Untrusted(Untrusted::Folder { .. })))
    );
}
