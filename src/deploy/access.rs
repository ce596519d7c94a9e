//! Owner, group and permissions of the files.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use nix::unistd::{Gid, Group, User, getegid, geteuid, getgroups};

use super::DeploySpec;
use super::error::DeployError;
use crate::disk::capabilities;

/// The bits of a mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

/// The bit of a folder's mode that gives its group to new files.
const SETGID: u32 = 0o2000;

/// The user that would change the owner of files.
#[derive(Debug)]
pub(super) struct Us {
    pub(super) user: u32,
    pub(super) groups: Vec<u32>,
    /// Whether files may be given to any user.
    pub(super) may_chown: bool,
}

impl Us {
    /// This process.
    pub(super) fn now() -> Self {
        const CAP_CHOWN: u64 = 1;
        let user = geteuid();
        let mut groups: Vec<u32> = getgroups()
            .unwrap_or_default()
            .into_iter()
            .map(Gid::as_raw)
            .collect();
        groups.push(getegid().as_raw());
        let may_chown = capabilities().map_or(user.is_root(), |held| held & CAP_CHOWN != 0);
        Self {
            user: user.as_raw(),
            groups,
            may_chown,
        }
    }
}

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
    /// Its key in the configuration.
    key: String,
}

impl Access {
    /// As configured. Names are looked up each time, since installing a package may add a user.
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

    /// Whether a file has them already.
    pub(super) fn is_of(&self, file: &Metadata) -> bool {
        let is_of = |party: &Option<Party>, id| party.as_ref().is_none_or(|party| party.id == id);
        let mode = file.permissions().mode() & PERMISSIONS;
        is_of(&self.owner, file.uid()) && is_of(&self.group, file.gid()) && mode == self.mode
    }

    /// The owner and group that `us` could not give to files in these folders. Keeping what a new
    /// file has anyway needs no privilege.
    pub(super) fn refused<'a>(
        &'a self,
        us: &'a Us,
        folders: &'a [&Path],
    ) -> impl Iterator<Item = DeployError> + 'a {
        let owner = self.owner.iter().filter(|owner| owner.id != us.user);
        let hands_on = |folder: &Path, id| {
            fs::metadata(folder).is_ok_and(|there| there.mode() & SETGID != 0 && there.gid() == id)
        };
        let all_hand_on =
            move |id| !folders.is_empty() && folders.iter().all(|folder| hands_on(folder, id));
        let group = self
            .group
            .iter()
            .filter(move |group| !us.groups.contains(&group.id) && !all_hand_on(group.id));
        let not_given = |party: &Party| DeployError::MayNotGive {
            key: party.key.clone(),
            name: party.name.clone(),
        };
        owner.chain(group).filter(|_| !us.may_chown).map(not_given)
    }

    /// Sets them on a file. `path` is its later name.
    pub(super) fn give(&self, file: &File, path: &Path) -> Result<(), DeployError> {
        let not_given = |party: &Party, cause| {
            let (key, name) = (party.key.clone(), party.name.clone());
            DeployError::NotGiven {
                path: path.to_owned(),
                key,
                name,
                cause,
            }
        };
        if let Some(group) = &self.group {
            fchown(file, None, Some(group.id)).map_err(|cause| not_given(group, cause))?;
        }
        // After the group, and while the file is still ours: with CAP_CHOWN alone the mode cannot
        // be changed later.
        let mode = fs::Permissions::from_mode(self.mode);
        file.set_permissions(mode)
            .map_err(|error| DeployError::Write(path.to_owned(), error))?;
        match &self.owner {
            Some(owner) => {
                fchown(file, Some(owner.id), None).map_err(|cause| not_given(owner, cause))
            }
            None => Ok(()),
        }
    }
}

/// The number of a name.
type Find = fn(&str, String) -> Result<u32, DeployError>;

fn party(name: &str, key: String, find: Find) -> Result<Party, DeployError> {
    let id = match name.parse() {
        // The highest number means "unchanged" to the system, and is no user.
        Ok(id) if id != u32::MAX => id,
        _ => find(name, key.clone())?,
    };
    Ok(Party {
        id,
        name: name.into(),
        key,
    })
}

fn user(name: &str, key: String) -> Result<u32, DeployError> {
    let found = User::from_name(name).map(|user| user.map(|user| user.uid.as_raw()));
    number(found, name, key, |key, name| DeployError::NoUser {
        key,
        name,
    })
}

fn group(name: &str, key: String) -> Result<u32, DeployError> {
    let found = Group::from_name(name).map(|group| group.map(|group| group.gid.as_raw()));
    number(found, name, key, |key, name| DeployError::NoGroup {
        key,
        name,
    })
}

fn number(
    found: nix::Result<Option<u32>>,
    name: &str,
    key: String,
    missing: fn(String, Box<str>) -> DeployError,
) -> Result<u32, DeployError> {
    let name = name.into();
    match found {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err(missing(key, name)),
        Err(cause) => Err(DeployError::Lookup { key, name, cause }),
    }
}
