//! Notices when gateway.toml has changed, for `ianitor run --watch`.
//!
//! Paths are looked at again and again, instead of by inotify: that also works where the file is a
//! link that changes, as a ConfigMap of Kubernetes is, and on NFS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Config;
use crate::disk::FileStamp;
use crate::exposure::Use;

/// How often the files are looked at. A change is applied when they were the same in two looks, so
/// that a file that is still being written is not read.
pub const CONFIG_LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// The files that a configuration was read from.
#[derive(Debug)]
pub struct ConfigWatch {
    files: Vec<PathBuf>,
    /// As they were when they were last read.
    read: Vec<Option<FileStamp>>,
    /// As they were at the last look.
    seen: Vec<Option<FileStamp>>,
}

impl ConfigWatch {
    /// Watches one file, as it is now.
    pub fn new(file: &Path) -> Self {
        let files = vec![file.to_owned()];
        let now = stamps(&files);
        Self {
            files,
            read: now.clone(),
            seen: now,
        }
    }

    /// Watches the files of a configuration that is now in force.
    pub fn follow(&mut self, config: &Config) {
        let named = config.files().into_iter();
        let written = named.filter(|file| file.is == Use::CONFIGURATION);
        let files: Vec<PathBuf> = written.map(|file| file.path).collect();
        if files != self.files {
            self.read = stamps(&files);
            self.files = files;
        }
    }

    /// The files are about to be read.
    pub fn note_read(&mut self) {
        self.read = stamps(&self.files);
    }

    /// Whether the files have changed since they were read, and are at rest. Afterwards they count
    /// as read: those that cannot be applied are not read again until they change.
    pub fn look(&mut self) -> bool {
        let now = stamps(&self.files);
        let is_due = now != self.read && now == self.seen;
        if is_due {
            self.read.clone_from(&now);
        }
        self.seen = now;
        is_due
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<FileStamp>> {
    files.iter().map(|file| FileStamp::of(file)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_counts_once_and_at_rest() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        fs::write(&file, "a").unwrap();
        let mut watch = ConfigWatch::new(&file);
        assert!(!watch.look());
        fs::write(&file, "ab").unwrap();
        assert!(!watch.look(), "it has just changed");
        fs::write(&file, "abc").unwrap();
        assert!(!watch.look(), "it is still being written");
        assert!(watch.look());
        assert!(!watch.look(), "once");
        fs::remove_file(&file).unwrap();
        assert!(!watch.look());
        assert!(watch.look(), "a file that is gone is a change");
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let link = |to: &str| std::os::unix::fs::symlink(to, at("..data.new"));
        for version in ["1", "2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("gateway.toml"), "same").unwrap();
        }
        link("1").unwrap();
        fs::rename(at("..data.new"), at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/gateway.toml", at("gateway.toml")).unwrap();
        let mut watch = ConfigWatch::new(&at("gateway.toml"));
        link("2").unwrap();
        fs::rename(at("..data.new"), at("..data")).unwrap();
        assert!(!watch.look());
        assert!(watch.look());
    }
}
