//! Finds and reads the files of a machine.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::files::{Files, Unread};
use super::firewall::iptables;
use super::machine::{Gateway, Haproxy, Janus, Machine, Nginx};
use super::nginx_files;
use super::place::Place;
use super::read::{haproxy, libconfig, lua, script, settings, sockets};
use super::tree::{Member, Tree};
use crate::{config, nginx};

/// So large that no configuration comes near.
const LARGEST: u64 = 1 << 20;
/// The list of packages of a machine with very many.
const LARGEST_STATUS: u64 = 64 << 20;
/// Entries of folders that are looked at.
const MOST_ENTRIES: usize = 10_000;
const DEEPEST: usize = 8;

/// Folders and files that programs read by default.
const USUAL: [&str; 26] = [
    "/etc/janus",
    "/opt/janus/etc/janus",
    "/usr/local/etc/janus",
    "/etc/kurento",
    "/etc/turnserver.conf",
    "/etc/turnserver",
    "/etc/coturn",
    "/usr/local/etc/turnserver.conf",
    "/etc/prosody/prosody.cfg.lua",
    "/usr/local/etc/prosody/prosody.cfg.lua",
    "/etc/jitsi/meet",
    "/root/.jitsi-meet-cfg",
    "/config/prosody.cfg.lua",
    "/etc/haproxy/haproxy.cfg",
    "/usr/local/etc/haproxy/haproxy.cfg",
    "/etc/letsencrypt/renewal",
    "/etc/ianitor/gateway.toml",
    "/proc/net/tcp",
    "/proc/net/tcp6",
    "/proc/net/udp",
    "/proc/net/udp6",
    "/etc/iptables/rules.v4",
    "/etc/iptables/rules.v6",
    "/etc/letsencrypt/renewal-hooks",
    "/var/lib/dpkg/status",
    "/etc/nginx/nginx.conf",
];

/// What a file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Janus,
    Kurento,
    KurentoModule,
    Coturn,
    Prosody,
    Jitsi,
    Haproxy,
    Certbot,
    Nginx,
    Gateway,
    Sockets,
    Iptables,
    Packages,
}

fn kind(path: &str) -> Option<Kind> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let ends = |ending: &str| name.ends_with(ending);
    Some(match name {
        _ if folder.ends_with("/renewal") && ends(".conf") => Kind::Certbot,
        _ if ends(".jcfg") => Kind::Janus,
        _ if ends("kurento.conf.json") => Kind::Kurento,
        _ if ends(".conf.ini") => Kind::KurentoModule,
        _ if name.contains("turnserver") && ends(".conf") => Kind::Coturn,
        _ if ends(".cfg.lua") => Kind::Prosody,
        _ if ends("config.js") => Kind::Jitsi,
        _ if name.contains("haproxy") && ends(".cfg") => Kind::Haproxy,
        "nginx.conf" => Kind::Nginx,
        _ if ends(".nginx.conf") => Kind::Nginx,
        _ if name.contains("gateway") && ends(".toml") => Kind::Gateway,
        "tcp" | "tcp6" | "udp" | "udp6" if folder.ends_with("/proc/net") => Kind::Sockets,
        "rules.v4" | "rules.v6" => Kind::Iptables,
        "status" if folder.ends_with("/dpkg") => Kind::Packages,
        _ => return None,
    })
}

/// Reads the files that a path leads to, or those in the usual places. Paths that lead to nothing
/// that is known are returned with the reason.
pub(super) fn gather(
    files: &dyn Files,
    paths: &[String],
) -> (Machine, Vec<(String, &'static str)>) {
    let mut gather = Gather {
        files,
        machine: Machine::default(),
        janus: BTreeMap::new(),
        entries: 0,
    };
    let mut useless = Vec::new();
    let usual = USUAL.map(str::to_owned);
    let named = if paths.is_empty() { &usual[..] } else { paths };
    for path in named {
        let before = gather.looked_at();
        gather.path(path, 0, true);
        if gather.looked_at() == before && !paths.is_empty() {
            let is_there = files.look(path).is_some();
            let why = match is_there {
                true => "holds no file that doctor knows by its name",
                false => "there is no such file",
            };
            useless.push((path.clone(), why));
        }
    }
    let janus = gather.janus.into_iter();
    gather.machine.janus = janus
        .map(|(folder, files)| Janus { folder, files })
        .collect();
    (gather.machine, useless)
}

struct Gather<'a> {
    files: &'a dyn Files,
    machine: Machine,
    janus: BTreeMap<String, BTreeMap<String, Tree>>,
    entries: usize,
}

impl Gather<'_> {
    fn looked_at(&self) -> usize {
        let looked = &self.machine.looked;
        looked.read.len() + looked.denied.len() + looked.failed.len()
    }

    /// A file, or a folder with what is in it.
    fn path(&mut self, path: &str, depth: usize, is_named: bool) {
        if self.files.look(path).is_some_and(|look| look.is_folder) {
            return self.folder(path, depth);
        }
        // What Prosody includes is read where it is included.
        let is_included =
            |kind: Kind| kind == Kind::Prosody && !is_named && !path.ends_with("/prosody.cfg.lua");
        match kind(path) {
            Some(kind) if !is_included(kind) => self.file(path, kind),
            _ => {}
        }
    }

    fn folder(&mut self, path: &str, depth: usize) {
        if path == "/etc/letsencrypt/renewal-hooks" {
            return self.hooks(path);
        }
        let names = self.list(path).unwrap_or_default();
        for name in names {
            self.entries += 1;
            if self.entries <= MOST_ENTRIES && depth < DEEPEST {
                let path = format!("{}/{name}", path.trim_end_matches('/'));
                self.path(&path, depth + 1, false);
            }
        }
    }

    fn hooks(&mut self, path: &str) {
        let mut has_some = false;
        for folder in ["deploy", "post"] {
            match self.files.list(&format!("{path}/{folder}")) {
                // Hidden files are no hooks.
                Ok(names) => has_some |= names.iter().any(|name| !name.starts_with('.')),
                Err(Unread::Missing) => {}
                Err(_) => return,
            }
        }
        self.machine.certbot_hooks = Some(has_some);
    }

    fn list(&mut self, path: &str) -> Option<Vec<String>> {
        match self.files.list(path) {
            Ok(names) => Some(names),
            Err(why) => {
                self.unread(path, why);
                None
            }
        }
    }

    fn unread(&mut self, path: &str, why: Unread) {
        let looked = &mut self.machine.looked;
        let why = match why {
            Unread::Missing => return,
            Unread::Denied => {
                looked.denied.insert(path.to_owned());
                return;
            }
            Unread::TooLarge => "is too large for a configuration",
            Unread::NotAFile => "is no regular file",
            Unread::Failed => "cannot be read",
        };
        looked.failed.insert(path.to_owned(), why);
    }

    fn text(&mut self, path: &str, limit: u64) -> Option<String> {
        match self.files.read(path, limit) {
            Ok(bytes) => {
                self.machine.looked.read.insert(path.to_owned());
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(why) => {
                self.unread(path, why);
                None
            }
        }
    }

    fn file(&mut self, path: &str, kind: Kind) {
        if self.machine.looked.read.contains(path) {
            return;
        }
        if kind == Kind::Nginx {
            return self.nginx(path);
        }
        let limit = if kind == Kind::Packages {
            LARGEST_STATUS
        } else {
            LARGEST
        };
        let Some(text) = self.text(path, limit) else {
            return;
        };
        let file: Arc<str> = path.into();
        let machine = &mut self.machine;
        match kind {
            Kind::Janus => self.janus_file(path, &file, &text),
            Kind::Kurento => machine.kurento.push(script::json(&file, &text)),
            Kind::KurentoModule => machine.kurento_modules.push(settings::ini(&file, &text)),
            Kind::Coturn => machine.coturn.push(settings::turnserver(&file, &text)),
            Kind::Prosody => {
                let mut tree = lua::read(&file, &text);
                // What a part does not say may be said elsewhere.
                tree.is_whole &= path.ends_with("/prosody.cfg.lua");
                let tree = self.with_includes(tree, 0);
                self.machine.prosody.push(tree);
            }
            Kind::Jitsi => machine.jitsi.push(script::javascript(&file, &text)),
            Kind::Haproxy => {
                let sections = haproxy::read(&file, &text);
                machine.haproxy.push(Haproxy { file, sections });
            }
            Kind::Nginx => {}
            Kind::Certbot => machine.certbot.push(settings::ini(&file, &text)),
            Kind::Gateway => {
                let config = config::parse(Path::new(path), &text);
                let config = config.map(|loaded| Box::new(loaded.config));
                let place = Place::start_of(&file);
                machine.gateways.push(Gateway {
                    file,
                    place,
                    config,
                });
            }
            Kind::Sockets => machine.sockets.extend(sockets::read(&file, &text)),
            Kind::Iptables => iptables::add(&mut machine.firewall, &text),
            Kind::Packages => machine.packages = packages(&text),
        }
    }

    fn janus_file(&mut self, path: &str, file: &Arc<str>, text: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
        let files = self.files;
        let include = |name: &str| {
            // Others begin at the folder that Janus was started in.
            if !name.starts_with('/') {
                return Err(Unread::Failed);
            }
            let bytes = files.read(name, LARGEST)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            Ok((Arc::from(name), text))
        };
        let tree = libconfig::read(file, text, &include);
        let name = name.trim_end_matches(".jcfg").to_owned();
        self.janus
            .entry(folder.to_owned())
            .or_default()
            .insert(name, tree);
    }

    fn nginx(&mut self, path: &str) {
        let reader = nginx_files::Reader {
            files: self.files,
            read: RefCell::default(),
        };
        let tree = nginx::parse(Path::new(path), &reader);
        let mut is_out_of_reach = false;
        for (path, outcome) in reader.read.into_inner() {
            match outcome {
                Ok(()) => _ = self.machine.looked.read.insert(path),
                Err(why) => {
                    is_out_of_reach |= why != Unread::Missing;
                    self.unread(&path, why);
                }
            }
        }
        let (directives, error) = match tree {
            Ok(tree) => (tree.directives, None),
            Err(error) => {
                let place = nginx_files::place_in(&error.at).filter(|_| !is_out_of_reach);
                (Vec::new(), place.map(|place| (place, error.text)))
            }
        };
        self.machine.nginx.push(Nginx { directives, error });
    }

    /// Puts the members of included files where they are included.
    fn with_includes(&mut self, tree: Tree, depth: usize) -> Tree {
        let (mut members, mut is_whole) = (Vec::new(), tree.is_whole);
        for member in tree.members {
            if member.name != lua::INCLUDE {
                members.push(member);
                continue;
            }
            let found = match depth < DEEPEST {
                true => self.included(&tree.file, &member),
                false => None,
            };
            let Some(found) = found else {
                is_whole = false;
                continue;
            };
            for path in found {
                let Some(text) = self.text(&path, LARGEST) else {
                    is_whole = false;
                    continue;
                };
                let inner = lua::read(&Arc::from(path), &text);
                let inner = self.with_includes(inner, depth + 1);
                is_whole &= inner.is_whole;
                members.extend(inner.members);
            }
        }
        Tree {
            members,
            is_whole,
            ..tree
        }
    }

    /// The files that an `Include` names. `None` if they are not known.
    fn included(&mut self, file: &str, include: &Member) -> Option<Vec<String>> {
        let pattern = include.node.text()?;
        let here = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let pattern = match pattern.starts_with('/') {
            true => pattern.to_owned(),
            false => format!("{here}/{pattern}"),
        };
        let (folder, name) = pattern.rsplit_once('/')?;
        if !name.contains('*') {
            return Some(vec![pattern]);
        }
        if folder.contains('*') || name.contains(['?', '[']) {
            return None;
        }
        let names = match self.files.list(folder) {
            Err(Unread::Missing) => Vec::new(),
            Err(why) => {
                self.unread(folder, why);
                return None;
            }
            Ok(names) => names,
        };
        let fitting = names.into_iter().filter(|it| nginx_files::fits(name, it));
        Some(fitting.map(|name| format!("{folder}/{name}")).collect())
    }
}

/// The versions of the packages whose behaviour depends on them.
fn packages(text: &str) -> BTreeMap<String, String> {
    const WANTED: [&str; 4] = ["janus", "coturn", "prosody", "kurento-media-server"];
    let (mut found, mut name) = (BTreeMap::new(), "");
    for line in text.lines() {
        if let Some(package) = line.strip_prefix("Package: ") {
            name = package;
        } else if let Some(version) = line.strip_prefix("Version: ")
            && WANTED.contains(&name)
        {
            found.insert(name.to_owned(), version.to_owned());
        }
    }
    found
}

/// The place of a problem of `gateway.toml`.
pub(super) fn place_of(file: &Arc<str>, problem: &config::Problem) -> Place {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Place {
        file: file.clone(),
        line: number(problem.line),
        column: number(problem.column),
    }
}
