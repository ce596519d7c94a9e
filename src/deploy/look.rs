//! What stands in the way of a deployment, seen without writing anything: for `ianitor check`.

use std::fs;
use std::path::Path;

use rustix::fs::Access as Wanted;

use super::access::Access;
use super::error::DeployError;
use super::{DeploySpec, FileForm, Output, Reload, forms};

/// Looks at users, folders, passwords and the pid file. Each of these may be mended while the gateway runs.
pub fn look(spec: &DeploySpec) -> Vec<DeployError> {
    let mut found: Vec<DeployError> = Access::of(spec).err().into_iter().collect();
    let mut folders: Vec<&Path> = Vec::new();
    for Output { path, form } in &spec.files {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folders.contains(&folder) {
            found.extend(of_folder(folder));
            folders.push(folder);
        }
        if let FileForm::Pkcs12 { password } = form {
            found.extend(forms::password(path, password).err());
        }
        let is_in_the_way = |there: &fs::Metadata| !there.is_file() && !there.is_symlink();
        let in_the_way = fs::symlink_metadata(path).is_ok_and(|there| is_in_the_way(&there));
        found.extend(in_the_way.then(|| DeployError::NotAFile(path.clone())));
    }
    if let Some(Reload::Signal { pid_file, .. }) = &spec.reload {
        let missing = fs::metadata(pid_file).err();
        found.extend(missing.map(|error| DeployError::PidFile(pid_file.clone(), error)));
    }
    found
}

fn of_folder(folder: &Path) -> Option<DeployError> {
    if !fs::metadata(folder).is_ok_and(|there| there.is_dir()) {
        return Some(DeployError::NoFolder(folder.to_owned()));
    }
    let access = rustix::fs::access(folder, Wanted::WRITE_OK | Wanted::EXEC_OK);
    access.err().map(|error| DeployError::Write(folder.to_owned(), error.into()))
}

#[cfg(test)]
mod tests {
    use crate::deploy::{Consumer, DeploySpec, FileForm, Output, Reload};
    use crate::secret::SecretSource;

    #[test]
    fn everything_that_is_missing_is_found_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let password = SecretSource::File(at("password"));
        let mut spec = DeploySpec {
            certificate: "a.example".parse().unwrap(),
            to: Consumer::Files,
            files: vec![
                Output { path: at("none/cert.pem"), form: FileForm::Chain },
                Output { path: at("none/key.pem"), form: FileForm::Key },
                Output { path: at("key.p12"), form: FileForm::Pkcs12 { password } },
            ],
            owner: Some("nobody-of-this-name".into()),
            group: None,
            mode: DeploySpec::MODE,
            reload: Some(Reload::Signal { signal: "HUP".into(), pid_file: at("pid") }),
            verify: None,
            config_key: "deploy[0]".to_owned(),
        };
        let said: Vec<String> = super::look(&spec).iter().map(ToString::to_string).collect();
        let want =
            ["deploy[0].owner: this machine has no user", "none is missing", "password cannot be read", "pid file"];
        assert_eq!(said.len(), want.len(), "{said:#?}");
        for (said, want) in said.iter().zip(want) {
            assert!(said.contains(want), "{want}: {said}");
        }

        std::fs::create_dir(at("none")).unwrap();
        std::fs::write(at("password"), "p").unwrap();
        std::fs::write(at("pid"), "4").unwrap();
        spec.owner = None;
        assert!(super::look(&spec).is_empty());

        std::fs::create_dir(at("none/key.pem")).unwrap();
        std::fs::write(at("password"), "pä").unwrap();
        let said: Vec<String> = super::look(&spec).iter().map(ToString::to_string).collect();
        assert!(
            matches!(&said[..], [file, password] if file.contains("is no file") && password.contains("ASCII")),
            "{said:#?}"
        );
    }
}
