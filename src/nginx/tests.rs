//! What is a word, a block and an include, and where it stands.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Dump, Files, Tree, glob, parse, parse_text};

/// Files in memory.
struct Memory(BTreeMap<PathBuf, String>);

impl Memory {
    fn new(files: &[(&str, &str)]) -> Self {
        let files = files.iter();
        Self(
            files
                .map(|(name, text)| (name.into(), (*text).to_owned()))
                .collect(),
        )
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<String> {
        let text = self.0.get(path).cloned();
        text.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn find(&self, pattern: &Path) -> Vec<PathBuf> {
        let fits =
            |path: &&PathBuf| glob::path_fits(&pattern.to_string_lossy(), &path.to_string_lossy());
        self.0.keys().filter(fits).cloned().collect()
    }
}

fn read(text: &str) -> Result<Tree, String> {
    let path = Path::new("nginx.conf");
    parse_text(path, text, Path::new(""), &Memory::new(&[])).map_err(|error| error.to_string())
}

/// Each directive as `name[arg|arg]`, with its block behind.
fn shown(directives: &[super::Directive]) -> String {
    let one = |directive: &super::Directive| {
        let args = directive.texts().join("|");
        let block = directive.block.as_deref();
        let block = block.map(|block| format!("{{{}}}", shown(block)));
        format!("{}[{args}]{}", directive.name, block.unwrap_or_default())
    };
    directives.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn words_are_what_they_are_for_nginx() {
    for (text, want) in [
        ("a b c;", "a[b|c]"),
        ("a \"b c\" 'd;{}';", "a[b c|d;{}]"),
        ("a \"b\\\"c\" d\\ e;", "a[b\"c|d\\ e]"),
        ("a b\"c; # no; comment\n", "a[b\"c]"),
        ("a b#c;", "a[b#c]"),
        ("a ${b}c {d e;}", "a[${b}c]{d[e]}"),
        ("a{b;}", "a[]{b[]}"),
        (
            "if ($host = 'x') { return 301 https://$host$request_uri; }",
            "if[($host|=|x|)]{return[301|https://$host$request_uri]}",
        ),
        ("location ~ ^/a([0-9]+)$ { }", "location[~|^/a([0-9]+)$]{}"),
        ("a \"\";", "a[]"),
        (
            "x_by_lua_block { if a then b = {1} end }",
            "x_by_lua_block[ if a then b = {1} end ]",
        ),
        ("", ""),
    ] {
        let tree = read(text).unwrap();
        assert_eq!(shown(&tree.directives), want, "{text}");
    }
}

#[test]
fn everything_has_its_place() {
    let tree = read("a;\n  b é c {\n\td e;\n}\n").unwrap();
    let b = &tree.directives[1];
    assert_eq!(b.place.to_string(), "nginx.conf:2:3");
    assert_eq!(b.args[1].place.to_string(), "nginx.conf:2:7");
    assert_eq!(b.inner()[0].args[0].place.to_string(), "nginx.conf:3:4");
}

#[test]
fn what_nginx_does_not_read_has_a_place_and_advice() {
    let deep = "a {".repeat(1000);
    for (text, want) in [
        (
            "a b",
            "nginx.conf:1:1: \"a\" has no \";\" at its end; write it",
        ),
        (
            "a {\n b; ",
            "nginx.conf:1:3: the block has no end; close it with }",
        ),
        (
            "a;\n}",
            "nginx.conf:2:1: there is a } that closes nothing; take it out",
        ),
        (
            "a { b }",
            "nginx.conf:1:7: \"b\" has no \";\" before the }; write it",
        ),
        (
            ";",
            "nginx.conf:1:1: there is a ; without a directive; take it out",
        ),
        ("{}", "nginx.conf:1:1: there is a { without a directive"),
        (
            "a \"b",
            "nginx.conf:1:3: the text that begins with \" has no end; close it",
        ),
        (
            "a \"b\"c;",
            "nginx.conf:1:6: there is a 'c' right behind the closing \"",
        ),
        (&deep, "there are more than 64 blocks in each other"),
        ("include a b;", "nginx.conf:1:1: include has one file"),
        (
            "include none.conf;",
            "nginx.conf:1:1: none.conf cannot be read",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
}

#[test]
fn included_files_stand_behind_their_include() {
    let files = Memory::new(&[
        (
            "/etc/nginx/nginx.conf",
            "http { include sites/*; include /etc/nginx/a.conf; x; }",
        ),
        ("/etc/nginx/a.conf", "a;"),
        ("/etc/nginx/sites/2", "two;"),
        ("/etc/nginx/sites/1", "one { }"),
        ("/etc/nginx/sites/.hidden", "hidden;"),
    ]);
    let tree = parse(Path::new("/etc/nginx/nginx.conf"), &files).unwrap();
    assert_eq!(
        shown(&tree.directives),
        "http[]{include[sites/*] one[]{} two[] include[/etc/nginx/a.conf] a[] x[]}"
    );
    assert_eq!(tree.files.len(), 4);
    assert_eq!(
        tree.directives[0].inner()[2].place.to_string(),
        "/etc/nginx/sites/2:1:1"
    );
}

#[test]
fn a_file_does_not_include_itself() {
    let files = Memory::new(&[("/a", "include /b;"), ("/b", "x;\ninclude /?;")]);
    let error = parse(Path::new("/a"), &files).unwrap_err();
    assert_eq!(error.to_string(), "/b:2:1: /a includes itself");
}

#[test]
fn a_dump_is_its_files() {
    let text = "nginx: the configuration file is ok\n\
                # configuration file /etc/nginx/nginx.conf:\nhttp {\n  include c.d/*.conf;\n}\n\
                # configuration file /etc/nginx/c.d/x.conf:\nserver { }\n";
    let dump = Dump::read(text).unwrap();
    let tree = parse(dump.main(), &dump).unwrap();
    assert_eq!(
        shown(&tree.directives),
        "http[]{include[c.d/*.conf] server[]{}}"
    );
    let server = &tree.directives[0].inner()[1];
    assert_eq!(server.place.to_string(), "/etc/nginx/c.d/x.conf:1:1");
    assert!(Dump::read("http { }").is_none());
}

#[test]
fn patterns_fit_names() {
    for (pattern, name, want) in [
        ("*.conf", "a.conf", true),
        ("*.conf", "a.conf.bak", false),
        ("*.conf", ".a.conf", false),
        ("a?c", "abc", true),
        ("[a-c]*[!0-9]", "bx", true),
        ("[a-c]*[!0-9]", "b1", false),
        ("*a*b*c", "xaybzc", true),
        ("[", "[", false),
        ("*", "", true),
    ] {
        assert_eq!(glob::fits(pattern, name), want, "{pattern} {name}");
    }
}
