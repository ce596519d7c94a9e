//! Files that include others, and variables of the environment.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::config::include::{Gathered, gather};
use crate::config::sources::Sources;
use crate::config::{ConfigError, Loaded, Report, load, understand};

/// A whole configuration but for `include`.
const REST: &str = "[listen]\nhttps = [\"[::]:443\"]\n[tls]\nself_signed = [\"localhost\"]\n\
                    [[routes]]\npath = \"/\"\nfiles = \"/srv/www\"\npolicy = \"open\"\n";

/// A folder with these files, in which every user may read.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn environment(name: &str) -> Option<OsString> {
    match name {
        "HOST" => Some("10.0.0.7".into()),
        "SECRET" => Some("0123456789abcdef0123456789abcdef".into()),
        "ODD" => Some("\"]\n[[routes]]\nhost = \"x".into()),
        _ => None,
    }
}

/// `gateway.toml` of a folder, with the environment above.
fn read(folder: &TempDir) -> Result<Loaded, Report> {
    let file = folder.path().join("gateway.toml");
    let sources = Sources::of(&file, fs::read_to_string(&file).unwrap());
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|_| ConfigError::Missing(path.to_owned()));
    let identity = fs::canonicalize(&file).ok();
    let gathered = gather(sources, folder.path(), identity, read, &environment);
    let Gathered { sources, findings } = gathered;
    understand(&sources, findings, &environment, |_| ()).map(|(loaded, ())| loaded)
}

/// The lines of a report, without the folder.
fn lines(folder: &TempDir, report: &Report) -> Vec<String> {
    let front = format!("{}/", folder.path().display());
    let text = report.to_string().replace(&front, "");
    text.lines().map(str::to_owned).collect()
}

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    lines(&folder, &read(&folder).unwrap_err())
}

#[test]
fn tables_of_several_files_are_one_configuration() {
    let root =
        format!("include = [\"conf.d/*.toml\", \"more.toml\"]\n{REST}[limits]\nbody = \"1KiB\"\n");
    let folder = folder(&[
        ("gateway.toml", &root),
        (
            "conf.d/20.toml",
            "[limits]\ntarget = \"1KiB\"\n[upstreams.b]\nservers = [\"http://b\"]\n\
             [[routes]]\npath = \"/b\"\nupstream = \"b\"\npolicy = \"open\"\n",
        ),
        (
            "conf.d/10.toml",
            "include = [\"deep/*\"]\n[upstreams.a]\nservers = [\"https://a\"]\n\
             ca_file = \"ca.pem\"\n\
             [[routes]]\npath = \"/a\"\nupstream = \"a\"\npolicy = \"open\"\n",
        ),
        (
            "conf.d/deep/x",
            "[[routes]]\npath = \"/x\"\nfiles = \"www\"\npolicy = \"open\"\n",
        ),
        ("conf.d/.hidden.toml", "["),
        ("conf.d/not.conf", "["),
        // By two patterns, but once.
        ("more.toml", "include = [\"conf.d/10.toml\"]\n"),
    ]);
    let loaded = load(&folder.path().join("gateway.toml")).unwrap();
    let config = loaded.config;
    let names: Vec<_> = config
        .included
        .iter()
        .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "conf.d/10.toml",
            "conf.d/deep/x",
            "conf.d/20.toml",
            "more.toml"
        ]
    );
    assert_eq!((config.limits.body, config.limits.target), (1024, 1024));
    let routes = config.routes.routes().iter();
    let paths: Vec<_> = routes.map(|route| route.path.to_string()).collect();
    assert_eq!(paths, ["/", "/a", "/x", "/b"]);
    let upstreams = config.routes.upstreams();
    let named: Vec<_> = upstreams.iter().map(|it| it.name.to_string()).collect();
    assert_eq!(named, ["a", "b"]);
    // Paths begin at the folder of their file.
    let ca_file = upstreams[0].tls.ca_file.as_ref().unwrap();
    assert_eq!(*ca_file, folder.path().join("conf.d/ca.pem"));
    let shown = format!("{:?}", config.routes.routes()[2].target);
    assert!(shown.contains("conf.d/deep/www"), "{shown}");
    let files = config.files();
    let mut included = files.iter().filter(|file| file.key == "include");
    assert_eq!(
        included.next().unwrap().path,
        folder.path().join("conf.d/10.toml")
    );
}

#[test]
fn problems_have_the_place_in_their_file() {
    let root = format!(
        "include = [\"a.toml\"]\n{REST}[limits]\nbody = \"5\"\n[upstreams.u]\n\
                        servers = [\"http://u\"]\n"
    );
    let got = problems(&[
        ("gateway.toml", &root),
        (
            "a.toml",
            "# ä\n[listen]\nhttps = []\n[limits]\nbody = \"1KiB\"\nheader_timeout = 1\n\
             [upstreams.u]\nservers = [\"http://u\"]\n[[routes]]\npath = \"/\"\n\
             files = \"x\"\npolicy = \"opne\"\n[limit]\n",
        ),
    ]);
    assert_eq!(
        got,
        [
            "gateway.toml:11:8 limits.body: \"5\" has no unit; write \"5B\", or 5 without \
             quotes, for bytes",
            "a.toml:3:1 listen.https: is here already, on line 3 of gateway.toml; take one out, \
             or join the two",
            "a.toml:5:1 limits.body: is here already, on line 11 of gateway.toml; take one out, \
             or join the two",
            "a.toml:6:18 limits.header_timeout: expected a duration such as \"10s\", found an \
             integer; \"1\" has no unit; write \"1s\" for seconds",
            "a.toml:7:12 upstreams.u: is here already, on line 12 of gateway.toml; take one out, \
             or join the two",
            "a.toml:10:8 routes[1].path: routes[0] has this host and path already (line 6 of \
             gateway.toml); take one out",
            "a.toml:12:10 routes[1].policy: unknown policy \"opne\", did you mean \"open\"?",
            "a.toml:13:2 limit: unknown key, did you mean \"limits\"?",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_the_only_thing_that_is_reported_missing() {
    let included = "include = [\"none.toml\", \"sub\", \"no/*.toml\", \"[\", \"a**\", 5, \"\", \
                    \"a.toml\", \"a.toml\"]\n";
    let got = problems(&[
        (
            "gateway.toml",
            &format!(
                "{included}{REST}[[routes]]\npath = \"/u\"\nupstream = \"u\"\npolicy = \"p\"\n"
            ),
        ),
        ("sub/x", ""),
        ("a.toml", "x = [\n"),
    ]);
    assert_eq!(
        got,
        [
            "gateway.toml:1:12 include: none.toml: there is no such file",
            "gateway.toml:1:25 include: sub: there is no such file",
            "gateway.toml:1:45 include: \"[\" is no pattern: invalid range pattern",
            "gateway.toml:1:50 include: \"a**\" has \"**\"; write a pattern for each folder, such \
             as \"conf.d/*.toml\"",
            "gateway.toml:1:57 include[5]: expected a string, found an integer; write it in quotes",
            "gateway.toml:1:60 include[6]: is empty",
            "a.toml:1:6 the list is not closed; write \"]\"",
        ]
    );
}

#[test]
fn what_is_read_from_the_disk_is_named_as_it_is() {
    let root = format!("include = [\"x/*\", \"x/\"]\n{REST}");
    let folder = folder(&[
        ("gateway.toml", &root),
        (
            "x/a.conf",
            "server {\n  listen 443 ssl;\n  location = /turn {\n    return 404;\n  }\n}\n",
        ),
        ("x/sub/a.toml", "["),
        ("x/large", &"#".repeat(2 << 20)),
    ]);
    fs::write(folder.path().join("x/latin"), b"# caf\xe9\n").unwrap();
    symlink("nowhere", folder.path().join("x/link")).unwrap();
    symlink("/dev/null", folder.path().join("x/null")).unwrap();
    let Err(ConfigError::Invalid(report)) = load(&folder.path().join("gateway.toml")) else {
        panic!("is taken");
    };
    assert_eq!(
        lines(&folder, &report),
        [
            "gateway.toml:1:12 include: x/large: is larger than 1024 KiB, which no configuration \
             is; is it the right file?",
            "gateway.toml:1:12 include: x/latin:1: is not UTF-8 on this line; save the file as \
             UTF-8",
            "gateway.toml:1:12 include: x/link: there is no such file",
            "gateway.toml:1:12 include: x/null: is no regular file but a pipe, a device or a \
             socket; save the configuration in a file",
            "gateway.toml:1:19 include: x: is a folder; write \"x/*.toml\" for the files in it",
            "x/a.conf:1:1 is written as for NGINX, and no part of a gateway.toml; include other \
             files",
        ]
    );
}

#[test]
fn circles_and_chains_end() {
    let include = |name: &str| format!("include = [\"{name}\"]\n");
    let got = problems(&[
        ("gateway.toml", &(include("a.toml") + REST)),
        ("a.toml", &include("b.toml")),
        ("b.toml", &include("gateway.toml")),
    ]);
    assert_eq!(
        got,
        [
            "b.toml:1:12 include: gateway.toml includes itself by this; take it out, or name other \
          files"
        ]
    );
    let got = problems(&[("gateway.toml", &(include("*.toml") + REST))]);
    assert_eq!(got.len(), 1, "{got:?}");
    let names: Vec<String> = (0..12).map(|number| format!("{number}.toml")).collect();
    let texts: Vec<String> = (1..13)
        .map(|number| include(&format!("{number}.toml")))
        .collect();
    let root = include("0.toml") + REST;
    let mut files: Vec<_> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    files.push(("gateway.toml", &root));
    assert_eq!(
        problems(&files),
        ["7.toml:1:12 include: 8.toml would be included by 8 files in a row; name it above"]
    );
}

#[test]
fn a_pattern_without_a_match_is_a_warning() {
    let folder = folder(&[(
        "gateway.toml",
        &format!("include = [\"conf.d/*.toml\"]\n{REST}"),
    )]);
    let loaded = read(&folder).unwrap();
    assert_eq!(
        lines(&folder, &loaded.warnings)[0],
        "gateway.toml:1:12 include: no file matches \"conf.d/*.toml\""
    );
}

#[test]
fn variables_are_values_and_never_toml() {
    let route = "[[routes]]\npath = \"/u\"\nupstream = \"u\"\npolicy = \"open\"\n";
    let folder = folder(&[
        (
            "gateway.toml",
            &format!("include = [\"${{WHICH:-a}}.toml\"]\n{REST}"),
        ),
        (
            "a.toml",
            &format!(
                "{route}headers.set = {{ X-A = \"$${{a}} $b $$\", X-B = '${{HOST}}' }}\n\
                      [upstreams.u]\nservers = [\"http://${{HOST}}:8088\"]\n"
            ),
        ),
    ]);
    let shown = format!("{:?}", read(&folder).unwrap().config);
    assert!(shown.contains("\"${a} $b $$\""), "{shown}");
    assert!(
        shown.contains("\"x-b\": \"10.0.0.7\"") || shown.contains("\"10.0.0.7\""),
        "{shown}"
    );
    let got = problems(&[(
        "gateway.toml",
        &format!(
            "{REST}host = \"${{ODD}}\"\n[upstreams.\"${{HOST}}\"]\n\
             servers = [\"${{NO}}\", \"http://a\"]\n[listen2]\n\
             [issuers.a]\nalgorithms = [\"HS256\"]\nsecret = \"${{SECRET}}${{NO}}\"\n"
        ),
    )]);
    let wanted = [
        (
            "gateway.toml:9:8 routes[0].host: ",
            "\\\"]\\n[[routes]]\\nhost = \\\"x",
        ),
        (
            "gateway.toml:10:12 upstreams.\"${HOST}\": ",
            "is not a name",
        ),
        (
            "gateway.toml:11:12 upstreams.\"${HOST}\".servers[0]: ",
            "the environment has no NO;",
        ),
        (
            "gateway.toml:15:10 issuers.a.secret: ",
            "the environment has no NO;",
        ),
    ];
    for (place, text) in wanted {
        let mut here = got.iter().filter(|line| line.starts_with(place));
        assert!(
            here.next().is_some_and(|line| line.contains(text)),
            "{place}{text}\n{got:#?}"
        );
        assert_eq!(here.next(), None);
    }
    assert!(
        !got.iter().any(|line| line.contains("0123456789")),
        "{got:#?}"
    );
}

#[test]
fn a_secret_in_a_file_that_others_may_read_is_a_warning_there() {
    let issuer = "[issuers.a]\nalgorithms = [\"HS256\"]\naudience = \"x\"\n";
    let secret = "secret = \"0123456789abcdef0123456789abcdef\"\n";
    let folder = folder(&[
        ("gateway.toml", &format!("include = [\"a.toml\"]\n{REST}")),
        ("a.toml", &format!("{issuer}{secret}")),
    ]);
    let warned = |mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join("a.toml");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&folder.path().join("gateway.toml")).unwrap();
        lines(&folder, &loaded.warnings).iter().any(|line| {
            line.starts_with("a.toml:4:10 issuers.a.secret: every user of this machine can read")
        })
    };
    assert!(warned(0o644));
    assert!(!warned(0o640));
    // What comes from the environment is not in the file.
    let variable = format!("{issuer}secret = \"${{NO:-0123456789abcdef0123456789abcdef}}\"\n");
    fs::write(folder.path().join("a.toml"), variable).unwrap();
    assert!(!warned(0o644));
}
