//! Sockets that the process was started with: those of a systemd socket unit, or of the gateway
//! that this process replaces.
//!
//! ```text
//! LISTEN_FDS=3                    descriptors 3, 4 and 5 are such sockets
//! LISTEN_FDNAMES=https:http:…     their names, which help where an address does not suffice
//! LISTEN_PID=4711                 the process that they are for; without it, this one
//! ```
//!
//! See sd_listen_fds(3). Each socket is found by the address that it listens on.

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use socket2::SockRef;

use crate::addr::ListenAddr;

/// The name of the channel to the gateway that this process replaces.
pub const UPGRADE: &str = "ianitor-upgrade";

/// More descriptors are rejected. A gateway has one for each worker and address.
const LIMIT: usize = 4096;

/// The first descriptor of sd_listen_fds(3).
const FIRST: usize = 3;

/// The sockets that have not been used yet.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<Inet>,
    unix: Vec<Unix>,
    channel: Option<UnixStream>,
    is_upgrade: bool,
}

#[derive(Debug)]
struct Inet {
    label: Label,
    addr: SocketAddr,
    socket: TcpListener,
}

#[derive(Debug)]
struct Unix {
    label: Label,
    path: PathBuf,
    socket: UnixListener,
}

/// What an error says of a descriptor.
#[derive(Clone, Debug)]
struct Label {
    number: usize,
    name: Option<String>,
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "descriptor {}", self.number)?;
        match &self.name {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// Why the process cannot use what it was started with.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// A variable has no usable number.
    #[error(
        "the environment's {variable} is {text:?}, and not a number up to {most}; unset \
         it, or start the gateway by a socket unit of systemd"
    )]
    Number {
        /// The variable.
        variable: &'static str,
        /// What it is.
        text: String,
        /// The greatest number that it may be.
        most: usize,
    },
    /// A descriptor is not a listening socket.
    #[error(
        "LISTEN_FDS hands over {label}, which is {what}, and not a socket that listens for TCP or \
         Unix streams; correct what starts the gateway, such as ianitor.socket"
    )]
    NotAListener {
        /// The descriptor.
        label: String,
        /// What it is.
        what: String,
    },
    /// A socket listens where the configuration has no listener.
    #[error(
        "LISTEN_FDS hands over {label}, which listens on {address}, and [listen] of gateway.toml \
         has no such address; add it there, or remove the socket from what starts the gateway, \
         such as ianitor.socket"
    )]
    Unknown {
        /// The descriptor.
        label: String,
        /// Its address.
        address: String,
    },
}

/// The number in a variable of the environment; `default` without it.
fn number(variable: &'static str, most: usize, default: usize) -> Result<usize, InheritError> {
    let Some(text) = env::var_os(variable) else {
        return Ok(default);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    let number = number.filter(|number| *number <= most);
    number.ok_or_else(|| InheritError::Number {
        variable,
        text: text.display().to_string(),
        most,
    })
}

impl Inherited {
    /// Takes the sockets that the environment describes. To be called once, before there are other
    /// threads: the variables are removed from the environment.
    ///
    /// # Errors
    /// Every descriptor that is not a listening socket.
    pub fn from_environment() -> Result<Self, Vec<InheritError>> {
        if env::var_os("LISTEN_FDS").is_none() {
            return Ok(Self::default());
        }
        let pid = env::var("LISTEN_PID").unwrap_or_default();
        let is_ours = pid.is_empty() || pid.parse() == Ok(std::process::id());
        let numbers = number("LISTEN_FDS", LIMIT, 0).and_then(|_| {
            // So that the last descriptor has a number, too.
            number("LISTEN_FDS_FIRST_FD", i32::MAX as usize - LIMIT, FIRST)
        });
        let first = match numbers {
            Err(error) if is_ours => return Err(vec![error]),
            numbers => numbers.unwrap_or(FIRST),
        };
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut all = ListenFd::from_env();
        let names: Vec<&str> = names.split(':').collect();
        let (mut inherited, mut errors) = (Self::default(), Vec::new());
        for at in 0..all.len() {
            let name = names.get(at).filter(|name| !name.is_empty());
            let label = Label {
                number: first + at,
                name: name.map(|name| (*name).to_owned()),
            };
            if let Err(error) = inherited.take(&mut all, at, label) {
                errors.push(error);
            }
        }
        if errors.is_empty() {
            Ok(inherited)
        } else {
            Err(errors)
        }
    }

    fn take(&mut self, all: &mut ListenFd, at: usize, label: Label) -> Result<(), InheritError> {
        let what = describe(label.number);
        let wrong = |label: &Label| InheritError::NotAListener {
            label: label.to_string(),
            what,
        };
        let is_listening = |socket: SockRef<'_>| socket.is_listener().unwrap_or(false);
        if let Ok(Some(socket)) = all.take_tcp_listener(at)
            && is_listening(SockRef::from(&socket))
        {
            let addr = socket.local_addr().map_err(|_| wrong(&label))?;
            self.tcp.push(Inet {
                label,
                addr,
                socket,
            });
            return Ok(());
        }
        let Ok(Some(socket)) = all.take_unix_listener(at) else {
            return Err(wrong(&label));
        };
        if is_listening(SockRef::from(&socket)) {
            let addr = socket.local_addr().ok();
            let path = addr.and_then(|addr| addr.as_pathname().map(Path::to_owned));
            let path = path.ok_or_else(|| wrong(&label))?;
            self.unix.push(Unix {
                label,
                path,
                socket,
            });
            return Ok(());
        }
        if label.name.as_deref() == Some(UPGRADE) && self.channel.is_none() {
            self.channel = Some(OwnedFd::from(socket).into());
            self.is_upgrade = true;
            return Ok(());
        }
        Err(wrong(&label))
    }

    /// Takes the channel to the gateway that this process replaces, if that has handed the sockets
    /// over.
    pub fn take_channel(&mut self) -> Option<UnixStream> {
        self.channel.take()
    }

    /// The addresses that the TCP sockets listen on.
    pub fn addresses(&self) -> Vec<ListenAddr> {
        self.tcp.iter().map(|inet| ListenAddr(inet.addr)).collect()
    }

    /// Takes all sockets of a configured address. Where the system is to choose the port, those of
    /// the same name.
    pub fn take_tcp(&mut self, addr: ListenAddr, name: &str) -> Vec<TcpListener> {
        let wanted = match addr.port() {
            0 => self.tcp.iter().find(|inet| {
                inet.addr.ip() == addr.0.ip() && inet.label.name.as_deref() == Some(name)
            }),
            _ => self.tcp.iter().find(|inet| is_at(inet.addr, addr)),
        };
        let Some(wanted) = wanted.map(|inet| inet.addr) else {
            return Vec::new();
        };
        let all = self.tcp.extract_if(.., |inet| inet.addr == wanted);
        all.map(|inet| inet.socket).collect()
    }

    /// Takes the socket at a path, and its name.
    pub fn take_unix(&mut self, path: &Path) -> Option<(UnixListener, Option<String>)> {
        let wanted = std::path::absolute(path).ok()?;
        let is_it = |unix: &Unix| {
            std::path::absolute(&unix.path).is_ok_and(|path| path == wanted)
                || fs::canonicalize(&unix.path)
                    .is_ok_and(|unix| fs::canonicalize(path).is_ok_and(|path| path == unix))
        };
        let at = self.unix.iter().position(is_it)?;
        let Unix { label, socket, .. } = self.unix.remove(at);
        Some((socket, label.name))
    }

    /// Takes the paths of the sockets of this name that have not been used.
    pub fn take_unused_unix(&mut self, name: &str) -> Vec<PathBuf> {
        let is_it = |unix: &mut Unix| unix.label.name.as_deref() == Some(name);
        let unused = self.unix.extract_if(.., is_it);
        unused.map(|unix| unix.path).collect()
    }

    /// The sockets that no listener has used. A configuration may have changed before an upgrade:
    /// then they are closed.
    pub fn unknown(&self) -> Vec<InheritError> {
        if self.is_upgrade {
            return Vec::new();
        }
        let inet = self.tcp.iter().map(|inet| InheritError::Unknown {
            label: inet.label.to_string(),
            address: inet.addr.to_string(),
        });
        let unix = self.unix.iter().map(|unix| InheritError::Unknown {
            label: unix.label.to_string(),
            address: unix.path.display().to_string(),
        });
        inet.chain(unix).collect()
    }
}

/// Whether a socket is that of a configured address. Without IPv6, `[::]` is bound as `0.0.0.0`.
fn is_at(socket: SocketAddr, addr: ListenAddr) -> bool {
    let is_v4_instead = addr.is_dual_stack()
        && socket.is_ipv4()
        && socket.ip().is_unspecified()
        && socket.port() == addr.port();
    socket == addr.0 || (is_v4_instead && super::usable(addr) == socket)
}

/// What a descriptor is, for an error.
fn describe(number: usize) -> String {
    match fs::read_link(format!("/proc/self/fd/{number}")) {
        Err(_) => "closed".to_owned(),
        Ok(target) => match target.to_str() {
            Some(text) if text.starts_with("socket:") => "another socket".to_owned(),
            _ => format!("{:?}", target.display().to_string()),
        },
    }
}
