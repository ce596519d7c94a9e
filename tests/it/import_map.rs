//! Imports point one way: between modules by the map below, between files without a circle.
//!
//! Between files, a child may use what is defined in its parent (or further up), and a parent uses
//! its children: that alone is no circle. Everything else is: two siblings that use each other, or
//! a child that uses a sibling of its parent which in turn uses the parent.

mod circles;
mod paths;

use std::path::Path;

use circles::{circles, shown};

/// What everybody may use, and what uses nothing but itself.
const VOCABULARY: &[&str] = &[
    "addr",
    "clock",
    "disk",
    "exposure",
    "challenge_slots",
    "host",
    "html",
    "json",
    "keyed_mutex",
    "limits",
    "overload",
    "pin",
    "pulse",
    "registry",
    "resolve",
    "secret",
    "slot",
    "socket",
    "sync",
    "systemd",
    "tick",
];

/// What each module may use beside itself and the vocabulary.
const MAP: &[(&str, &[&str])] = &[
    ("addr", &[]),
    ("clock", &[]),
    ("disk", &[]),
    ("exposure", &[]),
    ("challenge_slots", &[]),
    ("html", &[]),
    ("json", &[]),
    ("keyed_mutex", &[]),
    ("secret", &[]),
    ("host", &[]),
    ("limits", &[]),
    ("overload", &[]),
    ("pin", &[]),
    ("pulse", &[]),
    ("registry", &[]),
    ("slot", &[]),
    ("socket", &[]),
    ("sync", &[]),
    ("systemd", &[]),
    ("tick", &[]),
    ("telemetry", &[]),
    ("resolve", &["telemetry"]),
    ("listen", &["telemetry"]),
    ("tls", &["telemetry"]),
    ("fetch", &[]),
    ("store", &["telemetry"]),
    ("token", &["telemetry"]),
    // Messages without sockets: what they say, and whether they may pass.
    ("signalling", &["token"]),
    // Fetches and replaces; who asks for it is told by `gateway`.
    ("jwks", &["telemetry", "tls", "fetch", "token"]),
    ("acme", &["telemetry", "tls", "fetch", "store"]),
    ("deploy", &["telemetry", "tls", "store"]),
    ("policy", &["telemetry", "tls", "token", "signalling"]),
    // Needs no HTTP request: what verifies a token inside a message must not need one.
    ("auth", &["telemetry", "token", "policy"]),
    ("turn", &["policy"]),
    ("route", &["telemetry", "signalling", "policy", "turn"]),
    ("files", &["route"]),
    ("proxy", &["telemetry", "policy", "route"]),
    // Asks servers; `gateway` names them to the tasks.
    ("health", &["telemetry", "route", "proxy"]),
    // Knows two sockets and a permit, not how they came to be joined.
    (
        "tunnel",
        &["telemetry", "token", "signalling", "policy", "route"],
    ),
    (
        "serve",
        &[
            "telemetry",
            "tls",
            "token",
            "signalling",
            "policy",
            "auth",
            "turn",
            "route",
            "files",
            "proxy",
            "tunnel",
        ],
    ),
    (
        "worker",
        &["telemetry", "listen", "token", "auth", "tunnel", "serve"],
    ),
    // Only looks; its accept loop is the one of `listen`.
    (
        "status",
        &[
            "telemetry",
            "listen",
            "tls",
            "store",
            "acme",
            "deploy",
            "token",
            "route",
            "serve",
        ],
    ),
    // A process and a channel; what goes over it is up to `gateway`.
    ("upgrade", &["telemetry"]),
    // Passes requests on; who answers them is the command's main loop.
    ("control", &["telemetry"]),
    // Specification types only: what `[listen]`, `[log]`, `[tls]`, `[policies]` and `[[routes]]`
    // become.
    (
        "config",
        &[
            "telemetry",
            "control",
            "listen",
            "tls",
            "store",
            "acme",
            "deploy",
            "token",
            "signalling",
            "policy",
            "turn",
            "route",
        ],
    ),
    (
        "gateway",
        &[
            "telemetry",
            "control",
            "listen",
            "tls",
            "store",
            "acme",
            "deploy",
            "token",
            "signalling",
            "jwks",
            "policy",
            "auth",
            "turn",
            "route",
            "files",
            "proxy",
            "health",
            "tunnel",
            "serve",
            "worker",
            "status",
            "upgrade",
            "config",
        ],
    ),
    // Reads the files of NGINX; knows nothing of what they mean.
    ("nginx", &[]),
    // Reads other programs' files; of the gateway it knows only its configuration.
    ("doctor", &["listen", "config", "nginx"]),
    // Writes configurations, and checks what it has written.
    ("import", &["route", "config", "nginx"]),
    // Writes a configuration, and compares it with other programs' files.
    ("init", &["config", "doctor"]),
    ("lib", &[]),
    // The command: `main.rs` and its commands.
    (
        "cli",
        &[
            "telemetry",
            "control",
            "listen",
            "upgrade",
            "config",
            "tls",
            "store",
            "acme",
            "deploy",
            "token",
            "jwks",
            "turn",
            "route",
            "files",
            "proxy",
            "health",
            "policy",
            "signalling",
            "gateway",
            "doctor",
            "nginx",
            "import",
            "init",
        ],
    ),
    ("main", &["telemetry", "config", "cli"]),
];

/// One use of a module by another.
struct Edge {
    from: String,
    to: String,
    place: String,
}

#[test]
fn modules_use_only_what_lies_below_them() {
    let edges = edges();
    assert!(
        edges.len() > 100,
        "only {} edges were found: the sources are not read rightly",
        edges.len()
    );
    let forbidden: Vec<String> = edges
        .iter()
        .filter(|edge| !is_allowed(edge))
        .map(sentence)
        .collect();
    assert!(forbidden.is_empty(), "\n{}\n", forbidden.join("\n"));
}

#[test]
fn the_map_has_every_module_and_no_circle() {
    let modules = modules();
    for module in &modules {
        assert!(
            MAP.iter().any(|(name, _)| name == module),
            "src/{module} is not on the map in {}.",
            file!()
        );
    }
    for (at, (name, uses)) in MAP.iter().enumerate() {
        assert!(
            modules.iter().any(|module| module == name),
            "the map names {name}, which is not there."
        );
        let above = uses
            .iter()
            .find(|used| !MAP[..at].iter().any(|(below, _)| below == *used));
        assert_eq!(above, None, "{name} uses what the map has above it.");
    }
}

#[test]
fn files_have_no_circle_beyond_parent_and_child() {
    let mut uses = paths::uses(&sources());
    assert!(
        uses.len() > 100,
        "the sources are not read: {} files",
        uses.len()
    );
    for (file, used) in &mut uses {
        used.retain(|used| !file.starts_with(used));
    }
    let circles: Vec<String> = circles(&uses)
        .iter()
        .map(|files| shown(&uses, files))
        .collect();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

fn is_allowed(edge: &Edge) -> bool {
    let to = edge.to.as_str();
    let uses = MAP
        .iter()
        .find(|(name, _)| *name == edge.from)
        .map(|(_, uses)| *uses);
    edge.from == to || VOCABULARY.contains(&to) || uses.is_some_and(|uses| uses.contains(&to))
}

fn sentence(edge: &Edge) -> String {
    let Edge { from, to, place } = edge;
    format!(
        "{place}: {from} must not use {to}; see the map in {}.",
        file!()
    )
}

/// Every `crate::name`, and every `ianitor::name` of the command, outside of comments.
fn edges() -> Vec<Edge> {
    let (mut edges, modules) = (Vec::new(), modules());
    for (path, text) in sources() {
        let from = module(&path);
        for (at, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for to in names_after(code, "crate::")
                .into_iter()
                .chain(names_after(code, "ianitor::"))
            {
                // Of the command, `crate` is the command itself.
                if modules.contains(&to) {
                    edges.push(Edge {
                        from: from.clone(),
                        to,
                        place: format!("{path}:{}", at + 1),
                    });
                }
            }
        }
    }
    edges
}

/// The names that follow a path's beginning, also those in braces: `crate::{a, b::c}`.
fn names_after(code: &str, beginning: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(beginning) {
        let rest = &code[at + beginning.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split(',').map(first_name)),
            None => names.push(first_name(rest)),
        }
    }
    names
}

fn first_name(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '_')
        .collect()
}

fn modules() -> Vec<String> {
    let mut modules: Vec<String> = sources().iter().map(|(path, _)| module(path)).collect();
    modules.sort();
    modules.dedup();
    modules
}

/// The first part of a path below `src`, without its ending.
fn module(path: &str) -> String {
    let below = path.strip_prefix("src/").unwrap();
    below.split(['/', '.']).next().unwrap().to_owned()
}

fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    gather(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        "src",
        &mut found,
    );
    found
}

fn gather(folder: &Path, name: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{name}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            gather(&path, &name, found);
        } else if name.ends_with(".rs") {
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}
