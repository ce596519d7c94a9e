//! Whose files are to be, and who may read them.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use nix::unistd::{Group, User};

use super::DeploySpec;
use super::error::DeployError;

/// The bits of a mode that say who may do what.
const PERMISSIONS: u32 = 0o7777;

/// Owner, group and permissions, names looked up.
#[derive(Debug)]
pub(super) struct Access {
    owner: Option<Party>,
    group: Option<Party>,
    mode: u32,
}

/// A user or a group.
#[derive(Debug)]
struct Party {
    id: u32,
    name: Box<str>,
    /// Where the configuration names it.
    key: String,
}

impl Access {
    /// What the configuration says. Names are looked up each time: packages are installed and removed.
    pub(super) fn of(spec: &DeploySpec) -> Result<Self, DeployError> {
        let party = |name: &Option<Box<str>>, what: &str, find: Find| {
            let key = format!("{}.{what}", spec.config_key);
            name.as_ref().map(|name| party(name, key, find)).transpose()
        };
        Ok(Self {
            owner: party(&spec.owner, "owner", user)?,
            group: party(&spec.group, "group", group)?,
            mode: spec.mode,
        })
    }

    /// Whether a file is that way already.
    pub(super) fn is_of(&self, file: &Metadata) -> bool {
        let is_of = |party: &Option<Party>, id| party.as_ref().is_none_or(|party| party.id == id);
        let mode = file.permissions().mode() & PERMISSIONS;
        is_of(&self.owner, file.uid()) && is_of(&self.group, file.gid()) && mode == self.mode
    }

    /// Makes a file that way. `path` is what it is going to be called.
    pub(super) fn give(&self, file: &File, path: &Path) -> Result<(), DeployError> {
        let not_given = |party: &Party, cause| {
            let (key, name) = (party.key.clone(), party.name.clone());
            DeployError::NotGiven { path: path.to_owned(), key, name, cause }
        };
        if let Some(group) = &self.group {
            fchown(file, None, Some(group.id)).map_err(|cause| not_given(group, cause))?;
        }
        // For the right group, and while the file is ours: whoever has no more than CAP_CHOWN cannot change it later.
        let mode = fs::Permissions::from_mode(self.mode);
        file.set_permissions(mode).map_err(|error| DeployError::Write(path.to_owned(), error))?;
        match &self.owner {
            Some(owner) => fchown(file, Some(owner.id), None).map_err(|cause| not_given(owner, cause)),
            None => Ok(()),
        }
    }
}

/// The number of a name.
type Find = fn(&str, String) -> Result<u32, DeployError>;

fn party(name: &str, key: String, find: Find) -> Result<Party, DeployError> {
    let id = match name.parse() {
        // The highest means "as it is" to the system, and is nobody's.
        Ok(id) if id != u32::MAX => id,
        _ => find(name, key.clone())?,
    };
    Ok(Party { id, name: name.into(), key })
}

fn user(name: &str, key: String) -> Result<u32, DeployError> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(DeployError::NoUser { key, name: name.into() }),
        Err(cause) => Err(DeployError::Lookup { key, name: name.into(), cause }),
    }
}

fn group(name: &str, key: String) -> Result<u32, DeployError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(DeployError::NoGroup { key, name: name.into() }),
        Err(cause) => Err(DeployError::Lookup { key, name: name.into(), cause }),
    }
}
