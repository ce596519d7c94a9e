//! What would prevent a deployment, found out without writing anything: for `ianitor check`.

use std::fs;
use std::path::Path;

use rustix::fs::Access as Wanted;

use super::access::{Access, Us};
use super::error::DeployError;
use super::target::{folder, open_folder, trust};
use super::{DeploySpec, FileForm, Output, Reload, command, forms, signal};
use crate::disk::Trust;

/// Checks users, folders, passwords, the pid file and the command. All of these can be repaired
/// while the gateway runs.
pub fn look(spec: &DeploySpec) -> Vec<DeployError> {
    let mut folders: Vec<&Path> = spec
        .files
        .iter()
        .map(|output| folder(&output.path))
        .collect();
    folders.sort_unstable();
    folders.dedup();
    let mut found: Vec<DeployError> = match Access::of(spec) {
        Ok(access) => access.refused(&Us::now(), &folders).collect(),
        Err(error) => vec![error],
    };
    let trust = trust(spec);
    found.extend(
        folders
            .iter()
            .filter_map(|folder| of_folder(folder, &trust)),
    );
    for Output { path, form } in &spec.files {
        if let FileForm::Pkcs12 { password } = form {
            found.extend(forms::password(path, password).err());
        }
        let is_in_the_way = |there: &fs::Metadata| !there.is_file() && !there.is_symlink();
        let in_the_way = fs::symlink_metadata(path).is_ok_and(|there| is_in_the_way(&there));
        found.extend(in_the_way.then(|| DeployError::NotAFile(path.clone())));
    }
    found.extend(
        spec.reload
            .as_ref()
            .and_then(|reload| of_reload(reload).err()),
    );
    found
}

fn of_reload(reload: &Reload) -> Result<(), DeployError> {
    match reload {
        Reload::Signal { pid_file, .. } => signal::reaches(pid_file),
        Reload::Command(argv) => {
            let path = std::env::var_os("PATH").unwrap_or_else(|| command::DEFAULT_PATH.into());
            command::find(argv, &path).map(drop)
        }
    }
}

fn of_folder(folder: &Path, trust: &Trust) -> Option<DeployError> {
    if let Err(error) = open_folder(folder, trust) {
        return Some(error);
    }
    let access = rustix::fs::access(folder, Wanted::WRITE_OK | Wanted::EXEC_OK);
    access
        .err()
        .map(|error| DeployError::Write(folder.to_owned(), error.into()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::deploy::{Consumer, DeploySpec, FileForm, Output, Reload};
    use crate::secret::SecretSource;

    fn said(spec: &DeploySpec) -> Vec<String> {
        super::look(spec).iter().map(ToString::to_string).collect()
    }

    fn spec_in(folder: &Path) -> DeploySpec {
        let at = |name: &str| folder.join(name);
        let password = SecretSource::File(at("password"));
        DeploySpec {
            certificate: "a.example".parse().unwrap(),
            to: Consumer::Files,
            files: vec![
                Output {
                    path: at("none/cert.pem"),
                    form: FileForm::Chain,
                },
                Output {
                    path: at("none/key.pem"),
                    form: FileForm::Key,
                },
                Output {
                    path: at("key.p12"),
                    form: FileForm::Pkcs12 { password },
                },
            ],
            owner: Some("nobody-of-this-name".into()),
            group: None,
            mode: DeploySpec::MODE,
            reload: Some(Reload::Signal {
                signal: "HUP".into(),
                pid_file: at("pid"),
            }),
            verify: None,
            store: folder.join("acme"),
            config_key: "deploy[0]".to_owned(),
        }
    }

    #[test]
    fn everything_that_is_missing_is_found_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut spec = spec_in(folder.path());
        let said = self::said(&spec);
        let want = [
            "deploy[0].owner: this machine has no user",
            "none is missing",
            "password cannot be read",
            "pid file",
        ];
        assert_eq!(said.len(), want.len(), "{said:#?}");
        for (said, want) in said.iter().zip(want) {
            assert!(said.contains(want), "{want}: {said}");
        }

        std::fs::create_dir(at("none")).unwrap();
        std::fs::write(at("password"), "p").unwrap();
        // Only a process of our own: no signal is sent to another one here.
        let mut server = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        std::fs::write(at("pid"), server.id().to_string()).unwrap();
        spec.owner = None;
        assert!(super::look(&spec).is_empty(), "{:#?}", super::look(&spec));
        server.kill().unwrap();
        server.wait().unwrap();
        let said = self::said(&spec);
        assert!(
            matches!(&said[..], [pid] if pid.contains("is stale")),
            "{said:#?}"
        );
        std::fs::write(at("pid"), "turnserver").unwrap();
        let said = self::said(&spec);
        assert!(
            matches!(&said[..], [pid] if pid.contains("no number")),
            "{said:#?}"
        );
        spec.reload = Some(Reload::Command(vec!["systemctl reload coturn".to_owned()]));
        let said = self::said(&spec);
        assert!(
            matches!(&said[..], [command] if command.contains("is not found")),
            "{said:#?}"
        );
        spec.reload = None;

        std::fs::create_dir(at("none/key.pem")).unwrap();
        std::fs::write(at("password"), "pä").unwrap();
        let said = self::said(&spec);
        assert!(
            matches!(
                &said[..],
                [file, password] if file.contains("is no file") && password.contains("ASCII")
            ),
            "{said:#?}"
        );
    }
}
