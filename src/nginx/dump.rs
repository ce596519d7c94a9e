//! The output of `nginx -T`: every file behind a line that names it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::glob;

const MARK: &str = "# configuration file ";

/// The files of a dump.
#[derive(Clone, Debug)]
pub struct Dump {
    main: PathBuf,
    files: BTreeMap<PathBuf, String>,
}

impl Dump {
    /// Takes a dump apart; `None` if the text is no dump.
    pub fn read(text: &str) -> Option<Self> {
        let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
        let mut order: Vec<PathBuf> = Vec::new();
        let mut current: Option<PathBuf> = None;
        for line in text.split_inclusive('\n') {
            let named = line.trim_end().strip_prefix(MARK);
            if let Some(name) = named.and_then(|name| name.strip_suffix(':')) {
                let path = PathBuf::from(name);
                order.push(path.clone());
                files.entry(path.clone()).or_default();
                current = Some(path);
            } else if let Some(path) = &current
                && let Some(file) = files.get_mut(path)
            {
                file.push_str(line);
            }
        }
        let main = order.into_iter().next()?;
        Some(Self { main, files })
    }

    /// The main file, which NGINX shows first.
    pub fn main(&self) -> &Path {
        &self.main
    }
}

impl Files for Dump {
    fn read(&self, path: &Path) -> io::Result<String> {
        let text = self.files.get(path).cloned();
        text.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the dump does not have it"))
    }

    fn find(&self, pattern: &Path) -> Vec<PathBuf> {
        let pattern = pattern.to_string_lossy();
        let paths = self.files.keys();
        let fitting = paths.filter(|path| glob::path_fits(&pattern, &path.to_string_lossy()));
        fitting.cloned().collect()
    }
}
