//! What was read of a machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::firewall::Firewall;
use super::place::Place;
use super::read::haproxy::Section;
use super::read::settings::Settings;
use super::read::sockets::Socket;
use super::tree::{Member, Tree};
use crate::config::{Config, Report};
use crate::nginx::Directive;

/// The configurations that were found, by program.
#[derive(Debug, Default)]
pub struct Machine {
    /// A folder of `*.jcfg` files each.
    pub janus: Vec<Janus>,
    /// `kurento.conf.json`.
    pub kurento: Vec<Tree>,
    /// `*.conf.ini` of Kurento's modules.
    pub kurento_modules: Vec<Settings>,
    /// `turnserver.conf`.
    pub coturn: Vec<Settings>,
    /// `prosody.cfg.lua`, with what it includes.
    pub prosody: Vec<Tree>,
    /// `config.js` of Jitsi Meet.
    pub jitsi: Vec<Tree>,
    /// `haproxy.cfg`.
    pub haproxy: Vec<Haproxy>,
    /// `nginx.conf`, with what it includes.
    pub nginx: Vec<Nginx>,
    /// `renewal/*.conf` of certbot.
    pub certbot: Vec<Settings>,
    /// Whether certbot has a folder of hooks that every renewal runs, with something in it;
    /// `None` if that is not known.
    pub certbot_hooks: Option<bool>,
    /// `gateway.toml`.
    pub gateways: Vec<Gateway>,
    /// What listens; empty where there is no `/proc`.
    pub sockets: Vec<Socket>,
    /// The rules of the firewall, if any were given.
    pub firewall: Firewall,
    /// The versions of installed packages that matter.
    pub packages: BTreeMap<String, String>,
    /// What was looked at.
    pub looked: Looked,
}

/// What was looked at.
#[derive(Debug, Default)]
pub struct Looked {
    /// Files that were read.
    pub read: BTreeSet<String>,
    /// Files and folders that this user may not read.
    pub denied: BTreeSet<String>,
    /// Files that could not be read for another reason.
    pub failed: BTreeMap<String, &'static str>,
}

/// A Janus: its files by their names without `.jcfg`.
#[derive(Debug)]
pub struct Janus {
    /// The folder.
    pub folder: String,
    /// The files.
    pub files: BTreeMap<String, Tree>,
}

/// A `haproxy.cfg`.
#[derive(Debug)]
pub struct Haproxy {
    /// The file.
    pub file: Arc<str>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// An `nginx.conf`.
#[derive(Debug)]
pub struct Nginx {
    /// Its directives; those of included files follow their `include`.
    pub directives: Vec<Directive>,
    /// Why NGINX does not read it.
    pub error: Option<(Place, String)>,
}

/// A `gateway.toml`.
#[derive(Debug)]
pub struct Gateway {
    /// The file.
    pub file: Arc<str>,
    /// Where it begins.
    pub place: Place,
    /// What it says, or everything that is wrong with it.
    pub config: Result<Box<Config>, Report>,
}

impl Janus {
    /// A file of it.
    pub fn file(&self, name: &str) -> Option<&Tree> {
        self.files.get(name)
    }

    /// The port of its REST API without TLS, if that is on.
    pub fn rest_port(&self) -> Option<u16> {
        let tree = self.file("janus.transport.http")?;
        let is_on = tree.is_true(&["general", "http"]);
        let port = tree
            .find(&["general", "port"])
            .and_then(|member| member.node.number());
        is_on.then(|| {
            port.and_then(|port| u16::try_from(port).ok())
                .unwrap_or(8088)
        })
    }

    /// Its `janus.jcfg`.
    pub fn core(&self) -> Option<&Tree> {
        self.file("janus")
    }
}

/// The sections of Prosody's configuration that hold for hosts.
pub fn hosts(tree: &Tree) -> impl Iterator<Item = &Member> {
    let is_host = |member: &&Member| matches!(member.name.as_str(), "VirtualHost" | "Component");
    tree.members.iter().filter(is_host)
}

impl Machine {
    /// Whether a package is older than a version. `None` if it is not known.
    pub fn is_older(&self, package: &str, than: &[u64]) -> Option<bool> {
        let version = self.packages.get(package)?;
        // `1:1.1.2-1+deb12u1`: an epoch, and the package's own number.
        let version = version.split_once(':').map_or(&version[..], |(_, it)| it);
        let version = version.split(['-', '+', '~']).next()?;
        let numbers: Option<Vec<u64>> = version.split('.').map(|it| it.parse().ok()).collect();
        Some(numbers?.as_slice() < than)
    }

    /// The place of a socket that listens on a port on all addresses.
    pub fn listens_everywhere(&self, port: u16) -> Option<&Place> {
        let mut sockets = self.sockets.iter();
        let is_it = |it: &&Socket| it.is_tcp && it.port == port && it.address.is_unspecified();
        sockets.find(is_it).map(|socket| &socket.place)
    }
}
