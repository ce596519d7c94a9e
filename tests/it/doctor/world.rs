//! Machines in memory, read from `tests/doctor`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ianitor::doctor::files::{Files, Look, Unread};

/// A folder below `tests/doctor`.
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) files: Memory,
    pub(super) firewall: Option<String>,
    pub(super) expected: String,
}

/// Files by their paths. Symbolic links are followed when they are read from disk.
#[derive(Clone, Default)]
pub(super) struct Memory {
    pub(super) texts: BTreeMap<String, Vec<u8>>,
    /// Where they are not those of an ordinary file of root.
    modes: BTreeMap<String, u32>,
}

impl Memory {
    fn is_folder(&self, path: &str) -> bool {
        let path = format!("{}/", path.trim_end_matches('/'));
        self.texts
            .range(path.clone()..)
            .next()
            .is_some_and(|(name, _)| name.starts_with(&path))
    }
}

impl Files for Memory {
    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Unread> {
        let bytes = self.texts.get(path).ok_or(Unread::Missing)?;
        match bytes.len() as u64 > limit {
            true => Err(Unread::TooLarge),
            false => Ok(bytes.clone()),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Unread> {
        let folder = format!("{}/", folder.trim_end_matches('/'));
        let below = self
            .texts
            .keys()
            .filter_map(|path| path.strip_prefix(&folder));
        let mut names: Vec<String> = below
            .map(|path| path.split('/').next().unwrap().to_owned())
            .collect();
        names.dedup();
        match names.is_empty() {
            true => Err(Unread::Missing),
            false => Ok(names),
        }
    }

    fn look(&self, path: &str) -> Option<Look> {
        let is_folder = self.is_folder(path);
        let is_there = is_folder || self.texts.contains_key(path);
        let usual = if is_folder { 0o755 } else { 0o644 };
        is_there.then(|| Look {
            mode: self.modes.get(path).copied().unwrap_or(usual),
            owner: 0,
            is_folder,
        })
    }

    fn link(&self, _path: &str) -> Option<String> {
        None
    }
}

/// All of them.
pub(super) fn machines() -> Vec<Machine> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor");
    let entries = fs::read_dir(here).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 30, "{folders:?}");
    folders.into_iter().map(machine).collect()
}

fn machine(folder: PathBuf) -> Machine {
    let mut files = Memory::default();
    add(&folder.join("root"), "", &mut files);
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    for line in text("modes").unwrap_or_default().lines() {
        let (mode, path) = line.split_once(' ').unwrap();
        files
            .modes
            .insert(path.to_owned(), u32::from_str_radix(mode, 8).unwrap());
    }
    Machine {
        name: folder.file_name().unwrap().to_str().unwrap().to_owned(),
        firewall: text("firewall"),
        expected: text("expected").unwrap_or_else(|| "there is no file of this name\n".to_owned()),
        files,
        folder,
    }
}

fn add(folder: &Path, name: &str, files: &mut Memory) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
        match entry.path().is_dir() {
            true => add(&entry.path(), &name, files),
            false => _ = files.texts.insert(name, fs::read(entry.path()).unwrap()),
        }
    }
}
