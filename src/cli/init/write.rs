//! Writes the files of a set-up: all of them, or none.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ianitor::init::{self, Secrets, Setup};
use nix::unistd::{Gid, Group, geteuid};

use crate::cli::output::{CliError, EXIT_FAILED};

/// The file that the package installs.
const PACKAGED: &str = include_str!("../../../packaging/debian/gateway.toml");

/// What the packaged file is called afterwards.
const ASIDE: &str = "gateway.toml.packaged";

/// The group of the service.
const GROUP: &str = "ianitor";

/// The folder to write to.
pub(super) struct Folder {
    path: PathBuf,
    /// Whether the file of the package is there, unchanged.
    has_packaged: bool,
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    let text = format!("{}: cannot be written: {error}", path.display());
    (EXIT_FAILED, text)
}

impl Folder {
    /// Looks what is in the folder.
    ///
    /// # Errors
    /// That there is a configuration already.
    pub(super) fn find(path: &Path) -> Result<Self, CliError> {
        let path = std::path::absolute(path).map_err(|error| failed(path, &error))?;
        let config = path.join("gateway.toml");
        let has_packaged = match fs::read(&config) {
            Ok(text) => text == PACKAGED.as_bytes(),
            Err(_) => false,
        };
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        let in_the_way = match has_packaged {
            true => path.join(ASIDE),
            false => config,
        };
        if is_there(&in_the_way) {
            let text = format!(
                "{}: exists already, and nothing is overwritten; move it away, or write --dir with \
                 another folder",
                in_the_way.display()
            );
            return Err((EXIT_FAILED, text));
        }
        Ok(Self { path, has_packaged })
    }

    /// The configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.path.join("gateway.toml")
    }

    /// Begins to write.
    ///
    /// # Errors
    /// That there cannot be a folder.
    pub(super) fn begin(&self) -> Result<Written<'_>, CliError> {
        let group = match geteuid().is_root() {
            true => Group::from_name(GROUP).ok().flatten(),
            false => None,
        };
        let mut written = Written {
            folder: self,
            group: group.map(|group| group.gid),
            made: Vec::new(),
        };
        written.folder_at(&self.path, 0o755)?;
        Ok(written)
    }
}

/// What was written. Dropped before it is kept, it is removed again.
pub(super) struct Written<'f> {
    folder: &'f Folder,
    /// Who may read secrets, besides their owner.
    group: Option<Gid>,
    /// Files and folders that are new, in the order in which they were made.
    made: Vec<PathBuf>,
}

impl Written<'_> {
    /// Writes every file.
    ///
    /// # Errors
    /// That one of them exists already, or cannot be written.
    pub(super) fn all(
        &mut self,
        setup: &Setup,
        secrets: &Secrets,
        changes: &str,
    ) -> Result<(), CliError> {
        let folder = self.folder.path.join("secrets");
        let (folder_mode, mode) = match self.group {
            Some(_) => (0o750, 0o640),
            None => (0o700, 0o600),
        };
        if self.folder_at(&folder, folder_mode)? {
            self.give_to_group(&folder)?;
        }
        for (name, secret) in secrets.iter() {
            let file = folder.join(name);
            self.file(&file, mode, secret)?;
            self.give_to_group(&file)?;
        }
        self.file(&self.folder.path.join("changes.md"), 0o600, changes)?;
        let config = self.folder.config();
        if self.folder.has_packaged {
            let aside = self.folder.path.join(ASIDE);
            fs::rename(&config, &aside).map_err(|error| failed(&aside, &error))?;
        }
        self.file(&config, 0o644, &init::gateway(setup))
    }

    /// Makes a folder; whether it is new.
    fn folder_at(&mut self, path: &Path, mode: u32) -> Result<bool, CliError> {
        if path.is_dir() {
            return Ok(false);
        }
        let made = DirBuilder::new().mode(mode).create(path);
        made.map_err(|error| failed(path, &error))?;
        self.made.push(path.to_owned());
        Ok(true)
    }

    fn file(&mut self, path: &Path, mode: u32, text: &str) -> Result<(), CliError> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(mode).open(path);
        let mut file: File = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let text = format!(
                    "{}: exists already, and nothing is overwritten; move it away",
                    path.display()
                );
                (EXIT_FAILED, text)
            }
            _ => failed(path, &error),
        })?;
        self.made.push(path.to_owned());
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| file.sync_all());
        written.map_err(|error| failed(path, &error))
    }

    fn give_to_group(&self, path: &Path) -> Result<(), CliError> {
        let Some(group) = self.group else {
            return Ok(());
        };
        nix::unistd::chown(path, None, Some(group))
            .map_err(|error| failed(path, &io::Error::from(error)))
    }

    /// Removes everything, and puts the file of the package back.
    pub(super) fn undo(&mut self) {
        for path in std::mem::take(&mut self.made).iter().rev() {
            let _ = match path.is_dir() {
                true => fs::remove_dir(path),
                false => fs::remove_file(path),
            };
        }
        let (config, aside) = (self.folder.config(), self.folder.path.join(ASIDE));
        if self.folder.has_packaged && !config.exists() {
            let _ = fs::rename(aside, config);
        }
    }

    /// All is well.
    pub(super) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        if !self.made.is_empty() {
            self.undo();
        }
    }
}
