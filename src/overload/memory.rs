//! How much memory the process has, and how much it may have.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::limits::MemoryLimit;

/// Whether the process has nearly as much memory as it may have. Measured by the control runtime,
/// read by workers when they accept connections.
#[derive(Debug, Default)]
pub struct Memory {
    /// In bytes; 0 without a limit.
    limit: AtomicU64,
    is_short: AtomicBool,
    has_changed: Notify,
}

/// A change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryChange {
    /// New connections are rejected from now on.
    Begins,
    /// They are accepted again.
    Ends,
}

/// The amounts of memory, in bytes, at which the state changes. They are apart, so that it does not
/// change with every connection that opens or closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLevels {
    /// New connections are rejected from this much on.
    pub begin: u64,
    /// They are accepted again below this.
    pub end: u64,
}

impl MemoryLevels {
    /// The levels of a limit: 90 % and 80 % of it.
    pub fn of(limit: u64) -> Self {
        Self {
            begin: limit / 10 * 9,
            end: limit / 10 * 8,
        }
    }
}

impl Memory {
    /// With this limit; nothing has been measured yet.
    pub fn new(limit: MemoryLimit) -> Arc<Self> {
        let memory = Self::default();
        memory.configure(limit);
        Arc::new(memory)
    }

    /// Whether new connections are rejected.
    pub fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// The limit in bytes; `None` if there is none.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// Sets the limit to what the configuration says.
    pub fn configure(&self, limit: MemoryLimit) {
        let bytes = match limit {
            MemoryLimit::Off => None,
            MemoryLimit::Bytes(bytes) => Some(bytes),
            MemoryLimit::OfCgroup => cgroup_limit(),
        };
        self.limit.store(bytes.unwrap_or(0), Ordering::Relaxed);
        self.has_changed.notify_one();
    }

    /// Waits until the limit may have changed.
    pub async fn changed(&self) {
        self.has_changed.notified().await;
    }

    /// Notes how much memory the process has, in bytes.
    pub fn note(&self, resident: u64) -> Option<MemoryChange> {
        let was_short = self.is_short();
        let is_short = self.limit().is_some_and(|limit| {
            let levels = MemoryLevels::of(limit);
            let level = if was_short { levels.end } else { levels.begin };
            resident >= level
        });
        self.is_short.store(is_short, Ordering::Relaxed);
        match (was_short, is_short) {
            (false, true) => Some(MemoryChange::Begins),
            (true, false) => Some(MemoryChange::Ends),
            _ => None,
        }
    }
}

/// The memory that the process has now, in bytes: its resident set.
///
/// # Errors
/// Where there is no `/proc`.
pub fn resident() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.ok_or(io::ErrorKind::InvalidData)?.saturating_mul(1024))
}

/// The limit of the process's control group or of one above it, in bytes; `None` if there is none.
pub fn cgroup_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let read = |file: PathBuf| fs::read_to_string(file).ok();
    limits_of(&groups, read).min()
}

const MOUNT: &str = "/sys/fs/cgroup";

/// Without a limit, version 1 has the largest number of whole pages.
const UNLIMITED: u64 = 1 << 60;

/// The limits of the control groups that `/proc/self/cgroup` names, and of those above them. Inside
/// a container that file may name the group as the host sees it, where only the topmost exists.
fn limits_of(groups: &str, read: impl Fn(PathBuf) -> Option<String>) -> impl Iterator<Item = u64> {
    let files = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (mount, file) = match controllers {
            "" => (MOUNT.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (format!("{MOUNT}/memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = group.trim_start_matches('/');
        let above = Path::new(group).ancestors();
        Some(above.map(move |group| Path::new(&mount).join(group).join(file)))
    });
    let limits = files.flatten().filter_map(read);
    limits
        .filter_map(|text| text.trim().parse().ok())
        .filter(|limit| (1..UNLIMITED).contains(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_rejected_at_90_percent_until_less_than_80_are_used() {
        let memory = Memory::default();
        assert_eq!(memory.note(u64::MAX), None, "without a limit");
        memory.configure(MemoryLimit::Bytes(1000));
        for (resident, change, is_short) in [
            (899, None, false),
            (900, Some(MemoryChange::Begins), true),
            (880, None, true),
            (910, None, true),
            (800, None, true),
            (799, Some(MemoryChange::Ends), false),
            (850, None, false),
        ] {
            assert_eq!(memory.note(resident), change, "{resident}");
            assert_eq!(memory.is_short(), is_short, "{resident}");
        }
        memory.note(1000);
        memory.configure(MemoryLimit::Off);
        assert_eq!(memory.note(1000), Some(MemoryChange::Ends));
    }

    #[test]
    fn the_process_has_some_memory() {
        let held = vec![1_u8; 32 << 20];
        assert!(resident().unwrap() > held.len() as u64);
    }

    /// The limits where these files exist.
    fn limits(groups: &str, files: &[(&str, &str)]) -> Vec<u64> {
        let read = |file: PathBuf| {
            let found = files.iter().find(|(path, _)| Path::new(path) == file);
            found.map(|(_, text)| (*text).to_owned())
        };
        limits_of(groups, read).collect()
    }

    #[test]
    fn the_limit_of_a_control_group_is_its_own_or_one_above_it() {
        let slice = "/sys/fs/cgroup/system.slice";
        let service = format!("{slice}/ianitor.service/memory.max");
        let (group, above) = (
            "0::/system.slice/ianitor.service\n",
            format!("{slice}/memory.max"),
        );
        let files = [(&*service, "max\n"), (&*above, "2147483648\n")];
        assert_eq!(limits(group, &files), [2 << 30]);
        let files = [(&*service, "536870912\n"), (&*above, "2147483648\n")];
        assert_eq!(limits(group, &files), [512 << 20, 2 << 30]);
        // A container whose own group is mounted at the top.
        let top = [("/sys/fs/cgroup/memory.max", "1000000\n")];
        assert_eq!(limits("0::/../../docker/1f\n", &top), [1_000_000]);
        assert!(limits("0::/\n", &[]).is_empty());
    }

    #[test]
    fn version_1_has_a_hierarchy_for_memory() {
        let groups = "9:name=systemd:/\n4:cpu,memory:/a\n3:cpuset:/b\n0::/\n";
        let files = [
            ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4096000\n"),
            (
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ];
        assert_eq!(limits(groups, &files), [4_096_000]);
    }
}
