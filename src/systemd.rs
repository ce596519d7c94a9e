//! What the service manager learns: systemd, or another that has the protocol of `sd_notify(3)`.
//!
//! The environment names a socket (`NOTIFY_SOCKET`) and how often systemd wants to hear that the
//! process is alive (`WATCHDOG_USEC`). Without them nothing is sent. Both are for the main process
//! alone: commands of `[[deploy]]` get an environment of their own, and a process that has a
//! successor says nothing more.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior};

/// How often the state of the process is shown (`systemctl status`).
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

static MANAGER: LazyLock<Manager> = LazyLock::new(|| {
    let socket = env::var_os("NOTIFY_SOCKET").and_then(|name| {
        let opened = Socket::open(&name);
        let warn = |error: &io::Error| {
            tracing::warn!(
                socket = %name.display(),
                %error,
                "NOTIFY_SOCKET cannot be used; systemd does not learn the state of the gateway"
            );
        };
        opened.inspect_err(warn).ok()
    });
    let watchdog = watchdog(
        env::var("WATCHDOG_USEC").ok().as_deref(),
        env::var("WATCHDOG_PID").ok().as_deref(),
    );
    Manager {
        watchdog: watchdog.filter(|_| socket.is_some()),
        socket,
        is_silent: AtomicBool::new(false),
        has_failed: AtomicBool::new(false),
    }
});

/// The service manager of this process.
struct Manager {
    socket: Option<Socket>,
    /// If it hears nothing for this long, it kills the process.
    watchdog: Option<Duration>,
    /// Another process speaks for the service now.
    is_silent: AtomicBool,
    has_failed: AtomicBool,
}

struct Socket {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Socket {
    /// `name` is a path, or begins with `@` as an abstract name does.
    fn open(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                let text = "it is neither an absolute path nor an abstract name, which begins \
                            with @";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        let socket = UnixDatagram::unbound()?;
        // A service manager that does not read must not hold the gateway up.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    fn send(&self, states: &[NotifyState<'_>]) -> io::Result<()> {
        let mut message = String::new();
        for state in states {
            // Writing to a string cannot fail.
            let _ = writeln!(message, "{state}");
        }
        let sent = self
            .socket
            .send_to_addr(message.as_bytes(), &self.address)?;
        match sent == message.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

impl Manager {
    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(socket) = &self.socket else { return };
        if self.is_silent.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = socket.send(states)
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "the state of the gateway could not be sent to systemd");
        }
    }
}

/// The time of the watchdog by the two variables of systemd, of which the second one is missing if
/// it is for any process.
fn watchdog(micros: Option<&str>, process: Option<&str>) -> Option<Duration> {
    let own = std::process::id().to_string();
    let micros = micros?.parse().ok().filter(|micros| *micros > 0)?;
    let is_own = process.is_none_or(|process| process == own);
    is_own.then(|| Duration::from_micros(micros))
}

/// The gateway accepts connections. Also said after a reload, whether it was applied or not.
pub fn ready(status: &str) {
    MANAGER.send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload has begun; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => MANAGER.send(&[
            NotifyState::Reloading,
            now,
            NotifyState::Status("reloading gateway.toml"),
        ]),
        Err(error) => tracing::debug!(%error, "no monotonic clock for systemd"),
    }
}

/// The gateway drains, for at most this long. systemd waits so long, even if its `TimeoutStopSec=`
/// is shorter.
pub fn stopping(status: &str, most: Duration) {
    // `NotifyState::ExtendTimeoutUsec` has 32 bits, which end after 71 minutes; systemd reads 64.
    let extend = format!("EXTEND_TIMEOUT_USEC={}", most.as_micros());
    MANAGER.send(&[
        NotifyState::Stopping,
        NotifyState::Custom(&extend),
        NotifyState::Status(status),
    ]);
}

/// What the gateway does, for people.
pub fn status(status: &str) {
    MANAGER.send(&[NotifyState::Status(status)]);
}

/// The gateway is alive.
pub fn alive() {
    if MANAGER.watchdog.is_some() {
        MANAGER.send(&[NotifyState::Watchdog]);
    }
}

/// Another process is the service from now on. This one says nothing more.
pub fn hand_over(successor: u32) {
    MANAGER.send(&[NotifyState::MainPid(successor)]);
    MANAGER.is_silent.store(true, Ordering::Relaxed);
}

/// Prepares the environment of a process that will be the service: the time of the watchdog is for
/// this process by its number.
pub fn prepare_successor(command: &mut Command) {
    command.env_remove("WATCHDOG_PID");
}

/// When the service manager is to hear of the process. Never, if there is none.
#[derive(Debug)]
pub struct Beat {
    interval: Option<Interval>,
}

impl Beat {
    /// Must be called on a runtime.
    pub fn new() -> Self {
        let interval = MANAGER.socket.is_some().then(|| {
            let half = MANAGER.watchdog.map(|watchdog| watchdog / 2);
            let pace = half.map_or(STATUS_INTERVAL, |half| half.min(STATUS_INTERVAL));
            let mut interval = tokio::time::interval(pace);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        Self { interval }
    }

    /// Waits until [`alive`] and [`status`] are due.
    pub async fn next(&mut self) {
        match &mut self.interval {
            Some(interval) => drop(interval.tick().await),
            None => std::future::pending().await,
        }
    }
}

impl Default for Beat {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names_or_for_any() {
        let own = std::process::id().to_string();
        let half_a_minute = Some(Duration::from_secs(30));
        assert_eq!(watchdog(Some("30000000"), Some(&own)), half_a_minute);
        assert_eq!(watchdog(Some("30000000"), None), half_a_minute);
        assert_eq!(watchdog(Some("30000000"), Some("1")), None);
        for micros in [None, Some("0"), Some("-1"), Some("soon")] {
            assert_eq!(watchdog(micros, None), None, "{micros:?}");
        }
    }

    #[test]
    fn an_abstract_name_and_a_path_are_sockets_and_nothing_else() {
        let name = format!("ianitor-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let socket = Socket::open(OsStr::new(&format!("@{name}"))).unwrap();
        socket
            .send(&[NotifyState::Ready, NotifyState::Status("well")])
            .unwrap();
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\nSTATUS=well\n");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        Socket::open(path.as_os_str())
            .unwrap()
            .send(&[NotifyState::Watchdog])
            .unwrap();
        let length = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"WATCHDOG=1\n");

        for bad in ["", "vsock:2:1234", "run/notify"] {
            assert!(Socket::open(OsStr::new(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let socket = Socket::open(path.as_os_str()).unwrap();
        let sent = (0..100_000).find_map(|_| socket.send(&[NotifyState::Watchdog]).err());
        assert_eq!(sent.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
