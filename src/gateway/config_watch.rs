//! Notices when gateway.toml has changed, for `ianitor run --watch`.
//!
//! Paths are looked at again and again, instead of by inotify: that also works where the file is a
//! link that changes, as a ConfigMap of Kubernetes is, and on NFS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config;
use crate::disk::FileStamp;

/// How often the files are looked at. A change is applied when they were the same in two looks, so
/// that a file that is still being written is not read.
pub const CONFIG_LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// A file of the configuration, as it was.
type Seen = (PathBuf, Option<FileStamp>);

/// The files that a configuration is read from. Which these are is found out at each look: another
/// file may match what is included.
#[derive(Debug)]
pub struct ConfigWatch {
    file: PathBuf,
    /// The files as they were when they were last read.
    read: Vec<Seen>,
    /// The files as they were at the last look.
    seen: Vec<Seen>,
}

impl ConfigWatch {
    /// Watches a configuration, as it is now.
    pub fn new(file: &Path) -> Self {
        let now = look_at(file);
        Self {
            file: file.to_owned(),
            read: now.clone(),
            seen: now,
        }
    }

    /// The files are about to be read.
    pub fn note_read(&mut self) {
        self.read = look_at(&self.file);
    }

    /// Whether the files have changed since they were read, and are at rest. Afterwards they count
    /// as read: those that cannot be applied are not read again until they change.
    pub fn look(&mut self) -> bool {
        let now = look_at(&self.file);
        let is_due = now != self.read && now == self.seen;
        if is_due {
            self.read.clone_from(&now);
        }
        self.seen = now;
        is_due
    }
}

fn look_at(file: &Path) -> Vec<Seen> {
    let files = config::sources_of(file).into_iter();
    let seen = files.map(|file| {
        let stamp = FileStamp::of(&file);
        (file, stamp)
    });
    seen.collect()
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
    fn included_files_are_watched_and_those_that_come() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(
            at("gateway.toml"),
            "include = [\"one.toml\", \"conf.d/*.toml\"]",
        )
        .unwrap();
        let mut watch = ConfigWatch::new(&at("gateway.toml"));
        let mut is_noticed = || !watch.look() && watch.look() && !watch.look();
        fs::write(at("one.toml"), "# it was missing").unwrap();
        assert!(is_noticed());
        fs::create_dir(at("conf.d")).unwrap();
        fs::write(at("conf.d/a.toml"), "include = [\"../two.toml\"]").unwrap();
        assert!(is_noticed());
        fs::write(at("two.toml"), "this is no TOML").unwrap();
        assert!(is_noticed());
        fs::write(at("two.toml"), "# now it is").unwrap();
        assert!(is_noticed());
        fs::remove_file(at("conf.d/a.toml")).unwrap();
        assert!(is_noticed());
        fs::write(at("conf.d/.#a.toml"), "an editor's").unwrap();
        assert!(!watch.look() && !watch.look());
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
