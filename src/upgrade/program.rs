//! Which program an upgrade starts: the one that this process was started by, as it is now.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::UpgradeError;

/// What Linux appends to the path of a program whose file was replaced.
const DELETED: &[u8] = b" (deleted)";

/// As much of a program as is looked at: up to the machine of an ELF header.
const HEAD: usize = 20;

/// The program and its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
}

impl Program {
    /// What this process was started by.
    pub fn of_this_process() -> Self {
        let mut arguments = std::env::args_os();
        Self {
            name: arguments.next().unwrap_or_default(),
            arguments: arguments.collect(),
        }
    }

    /// The name that it was started by.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(super) fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// The file that this name means now. A name without a slash is looked up in `PATH`; if that
    /// finds nothing, it is the file that runs, or what is in its place.
    ///
    /// # Errors
    /// That there is none, or that this machine cannot execute it. A shell would be started for
    /// what is no program, so it is looked at first.
    pub(super) fn find(&self) -> Result<PathBuf, UpgradeError> {
        let path = match self.name.as_bytes().contains(&b'/') {
            true => PathBuf::from(&self.name),
            false => match in_path(&self.name, std::env::var_os("PATH")) {
                Some(path) => path,
                None => running().map_err(|error| UpgradeError::Start("ianitor".into(), error))?,
            },
        };
        let failed = |error| UpgradeError::Start(path.clone(), error);
        let heads = readable(head(&path)).map_err(failed)?;
        let heads = heads.zip(readable(head_of_this()).map_err(failed)?);
        match heads.and_then(|(head, own)| no_program(&head, &own)) {
            Some(why) => Err(UpgradeError::NoProgram { path, why }),
            None => Ok(path),
        }
    }
}

fn in_path(name: &OsStr, path: Option<OsString>) -> Option<PathBuf> {
    let path = path?;
    let is_program = |file: &PathBuf| {
        let found = fs::metadata(file);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    files.find(is_program)
}

/// The file of this process, or what is in its place now.
fn running() -> std::io::Result<PathBuf> {
    let path = fs::read_link("/proc/self/exe")?.into_os_string().into_vec();
    let path = path.strip_suffix(DELETED).map_or(&*path, |path| path);
    Ok(Path::new(OsStr::from_bytes(path)).to_owned())
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Nothing for a file that may be executed and not read, as one with mode 0711: the kernel looks at
/// it instead.
fn readable<T>(read: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
        read => read.map(Some),
    }
}

fn head_of_this() -> std::io::Result<Vec<u8>> {
    head(Path::new("/proc/self/exe"))
}

/// Why the kernel would not execute a file that begins like this, if `own` is one that it does.
fn no_program(head: &[u8], own: &[u8]) -> Option<&'static str> {
    const ELF: &[u8] = b"\x7fELF";
    // The class and the order of bytes; behind them, the machine (elf(5)).
    let parts = |of: &[u8]| Some((of.get(4..6)?.to_owned(), of.get(18..20)?.to_owned()));
    if head.starts_with(b"#!") {
        return None;
    }
    if !head.starts_with(ELF) || parts(head).is_none() {
        return Some("is damaged: it is not a program");
    }
    (parts(head) != parts(own)).then_some("is for another architecture than this machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_of_this_machine_are_started() {
        let own = head_of_this().unwrap();
        assert_eq!(no_program(&own, &own), None);
        assert_eq!(no_program(b"#!/bin/sh", &own), None);
        let mut other = own.clone();
        other[18] ^= 0xff;
        assert!(no_program(&other, &own).is_some_and(|why| why.contains("architecture")));
        for damaged in [&b""[..], b"\x7fELF", b"echo no program", &own[..10]] {
            assert!(no_program(damaged, &own).is_some_and(|why| why.contains("damaged")));
        }
    }

    #[test]
    fn a_program_that_may_not_be_read_is_left_to_the_kernel() {
        let denied = || Err::<(), _>(ErrorKind::PermissionDenied.into());
        assert_eq!(readable(denied()).unwrap(), None);
        assert!(readable(Err::<(), _>(ErrorKind::NotFound.into())).is_err());
        assert_eq!(readable(Ok(1)).unwrap(), Some(1));
    }

    #[test]
    fn a_name_is_looked_up_in_the_path_and_else_it_is_the_program_that_runs() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ianitor");
        fs::write(&program, "#!/bin/true").unwrap();
        let path = || Some(OsString::from(folder.path()));
        assert_eq!(
            in_path(OsStr::new("ianitor"), path()),
            None,
            "not executable"
        );
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(in_path(OsStr::new("ianitor"), path()), Some(program));
        assert_eq!(running().unwrap(), std::env::current_exe().unwrap());
    }
}
