//! Upgrades that fail: the old process goes on as it is, and says why.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream};

/// A gateway whose program can be replaced.
struct Replaceable {
    folder: TempDir,
    gateway: GatewayProcess,
    _upstream: Upstream,
}

impl Replaceable {
    fn start() -> Self {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), Upstream::ok());
        let program = folder.path().join("ianitor");
        symlink(env!("CARGO_BIN_EXE_ianitor"), &program).unwrap();
        let config = Config::to(&upstream).limits("drain_delay = \"1h\"");
        let gateway = GatewayProcess::spawn_by(Command::new(program), &config);
        gateway.listening(1);
        Self {
            folder,
            gateway,
            _upstream: upstream,
        }
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("ianitor")
    }

    /// Replaces the program by something else.
    fn replace(&self, by: impl AsRef<[u8]>) {
        let new = self.folder.path().join("new");
        fs::write(&new, by).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, self.program()).unwrap();
    }

    /// What `ianitor upgrade` says, which fails.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.gateway.try_upgrade(arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        // The old process serves as before.
        assert_eq!(self.gateway.dial().h1().get("/").status(), 200);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("the old process goes on"), "{said}");
        said
    }
}

/// The program, for another machine: the field of an ELF header that names it is changed.
fn of_another_machine() -> Vec<u8> {
    let mut head = fs::read(Path::new(env!("CARGO_BIN_EXE_ianitor"))).unwrap();
    head.truncate(4096);
    head[18] ^= 0xff;
    head
}

#[test]
fn a_program_that_is_damaged_missing_or_of_another_machine_is_not_started() {
    let place = Replaceable::start();
    for (program, why) in [
        (b"no program".to_vec(), "is damaged"),
        (of_another_machine(), "is for another architecture"),
    ] {
        place.replace(program);
        let said = place.fails(&[]);
        assert!(said.contains(why), "{said}");
        assert!(said.contains(place.program().to_str().unwrap()), "{said}");
    }
    fs::remove_file(place.program()).unwrap();
    let said = place.fails(&[]);
    assert!(said.contains("cannot start"), "{said}");
    symlink(env!("CARGO_BIN_EXE_ianitor"), place.program()).unwrap();
    place.gateway.upgrade();
}

#[test]
fn a_program_that_ends_or_hangs_is_given_up() {
    let place = Replaceable::start();
    place.replace("#!/bin/sh\nexit 3\n");
    let said = place.fails(&[]);
    assert!(said.contains("has ended before it was ready"), "{said}");
    assert!(said.contains("exit status: 3"), "{said}");
    place.replace("#!/bin/sh\nexec sleep 1000\n");
    let said = place.fails(&["--wait", "1s"]);
    assert!(said.contains("was not ready within 1 s"), "{said}");
    // A program that does not know the channel closes it.
    place.replace("#!/bin/sh\nexec sleep 1000 3<&- 4<&- 5<&- 6<&- 7<&- 8<&-\n");
    let said = place.fails(&[]);
    assert!(said.contains("broke the upgrade off"), "{said}");
}

/// A library with which a process ends as soon as it says that it is ready.
fn fault(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("fault.c"), folder.join("fault.so"));
    let text = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <string.h>\n#include <unistd.h>\n\
        ssize_t write(int fd, const void *text, size_t size) {\n\
        if (memmem(text, size, \"ready: this process\", 19)) _exit(9);\n\
        ssize_t (*next)(int, const void *, size_t) = dlsym(RTLD_NEXT, \"write\");\n\
        return next(fd, text, size);\n}\n";
    fs::write(&source, text).unwrap();
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]).arg(&library);
    assert!(command.arg(source).arg("-ldl").status().unwrap().success());
    library
}

#[test]
fn a_program_that_ends_as_soon_as_it_is_ready_leaves_the_old_process_in_place() {
    let place = Replaceable::start();
    let library = fault(place.folder.path());
    place.replace(format!(
        "#!/bin/sh\nLD_PRELOAD={} exec {} \"$@\"\n",
        library.display(),
        env!("CARGO_BIN_EXE_ianitor")
    ));
    let mut kept = place.gateway.dial().h1();
    assert_eq!(kept.get("/").status(), 200);
    for _ in 0..2 {
        let said = place.fails(&[]);
        assert!(
            said.contains("ended at once, though it was ready"),
            "{said}"
        );
        assert!(said.contains("exit status: 9"), "{said}");
        assert_eq!(kept.get("/").status(), 200);
    }
    // Commands reach the old process as before.
    let mut reload = Command::new(env!("CARGO_BIN_EXE_ianitor"));
    let config = place.gateway.config_path();
    let output = reload.args(["reload", "--config"]).arg(config).output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
    fs::remove_file(place.program()).unwrap();
    symlink(env!("CARGO_BIN_EXE_ianitor"), place.program()).unwrap();
    place.gateway.upgrade();
}

#[test]
fn a_configuration_that_is_wrong_leaves_the_old_process_in_place() {
    let upstream = Upstream::ok();
    let config = Config::to(&upstream);
    let gateway = GatewayProcess::start(&config);
    fs::write(gateway.config_path(), "[listen]\nhttps = 1\n").unwrap();
    gateway.signal(Signal::USR2);
    let said = gateway.event("not upgraded; the old process goes on");
    assert!(said.contains("gateway.toml"), "{said}");
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
    // What only the new process finds is part of the answer.
    let tls = "certificates = [{ cert = \"missing.pem\", key = \"missing.pem\" }]";
    fs::write(gateway.config_path(), config.clone().tls(tls).text()).unwrap();
    let output = gateway.try_upgrade(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("missing.pem"), "{said}");
    fs::write(gateway.config_path(), config.text()).unwrap();
    gateway.upgrade();
}

#[test]
fn reloads_and_further_upgrades_are_refused_during_an_upgrade() {
    let place = Replaceable::start();
    place.replace("#!/bin/sh\nexec sleep 1000\n");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| place.gateway.try_upgrade(&["--wait", "3s"]));
        place.gateway.event("upgrading: starting the new process");
        let second = place.gateway.try_upgrade(&[]);
        let mut reload = Command::new(env!("CARGO_BIN_EXE_ianitor"));
        reload
            .arg("reload")
            .arg("--config")
            .arg(place.gateway.config_path());
        let reload = reload.output().unwrap();
        for refused in [second, reload] {
            assert_eq!(refused.status.code(), Some(1), "{refused:?}");
            let said = String::from_utf8(refused.stderr).unwrap();
            assert!(said.contains("an upgrade is in progress"), "{said}");
        }
        place.gateway.signal(Signal::HUP);
        place.gateway.event("not reloaded");
        assert_eq!(first.join().unwrap().status.code(), Some(1));
    });
}

#[test]
fn a_gateway_that_is_stopped_during_an_upgrade_ends_the_new_process_too() {
    let mut place = Replaceable::start();
    let marker = place.folder.path().join("pid");
    place.replace(format!(
        "#!/bin/sh\necho $$ > {}\nexec sleep 1000\n",
        marker.display()
    ));
    place.gateway.signal(Signal::USR2);
    let pid = || {
        fs::read_to_string(&marker)
            .unwrap_or_default()
            .trim()
            .parse::<i32>()
    };
    crate::harness::eventually("the new process runs", || pid().is_ok());
    let new = rustix::process::Pid::from_raw(pid().unwrap()).unwrap();
    place.gateway.signal(Signal::TERM);
    // At once, and not when the old process has drained.
    crate::harness::eventually("the new process has ended", || {
        rustix::process::test_kill_process(new).is_err()
    });
    place.gateway.signal(Signal::TERM);
    assert_eq!(place.gateway.ended().code(), Some(1));
}
