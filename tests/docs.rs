//! The documentation is true: the reference is what the program says, every configuration in it is
//! taken, and every link leads somewhere.
//!
//! A block of TOML that has both listeners and routes is a whole configuration, and must be taken
//! without a warning. Any other is a part: what it needs is put around it, and it must be taken
//! too. Keys without a table are those of a route.

#![allow(clippy::unwrap_used)] // the lint knows tests by their attribute, and these have helpers

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ianitor::config::{parse, reference};
use ianitor::doctor::catalogue;
use ianitor::signalling::presets;
use toml::de::DeTable;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown file that is written for people who run the gateway or work on it.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/recipes", "benches", "fuzz", "certs"] {
        let entries = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    assert!(pages.len() >= 10, "pages are missing: {pages:?}");
    pages
}

/// A fenced block.
struct Block {
    language: String,
    /// Of its first line of content.
    line: usize,
    text: String,
}

/// The fenced blocks of a page, and the page without them.
fn split(page: &str) -> (Vec<Block>, String) {
    let (mut blocks, mut prose, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (number, line) in (1..).zip(page.lines()) {
        assert!(
            !line.starts_with(' ') || !line.trim_start().starts_with("```"),
            "an indented block is not looked at"
        );
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.to_owned(),
                    line: number + 1,
                    text: String::new(),
                });
            }
            (None, Some(mut block)) => {
                block.text += &format!("{line}\n");
                open = Some(block);
            }
            (None, None) => prose += &format!("{line}\n"),
        }
    }
    assert!(open.is_none(), "a block is not closed");
    (blocks, prose)
}

#[test]
fn the_reference_is_what_the_program_knows() {
    let path = root().join("docs/reference.md");
    let got = reference();
    if std::env::var_os("BLESS").is_some() {
        // Whole at any moment: the other tests read it meanwhile.
        let new = path.with_extension("new");
        fs::write(&new, &got)
            .and_then(|()| fs::rename(&new, &path))
            .unwrap();
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    let differs = want
        .lines()
        .zip(got.lines())
        .find(|(want, got)| want != got);
    assert!(
        want == got,
        "docs/reference.md is old: {differs:?}\nBLESS=1 cargo test --test docs writes it"
    );
}

/// The tables of presets in docs/messages.md are made from the rules themselves.
#[test]
fn the_presets_are_what_the_program_knows() {
    let (begin, end) = ("<!-- presets -->\n", "<!-- end of presets -->\n");
    let path = root().join("docs/messages.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(begin).unwrap();
    let (want, after) = rest.split_once(end).unwrap();
    let mut got = String::new();
    for preset in presets::all() {
        let (name, about, table) = (preset.name, preset.about, preset.table());
        got += &format!("\n### {name}\n\n{about}\n\n{table}");
    }
    got += "\n";
    if std::env::var_os("BLESS").is_some() {
        // Whole at any moment: the other tests read it meanwhile.
        let new = path.with_extension("new");
        let page = format!("{before}{begin}{got}{end}{after}");
        fs::write(&new, page)
            .and_then(|()| fs::rename(&new, &path))
            .unwrap();
        return;
    }
    assert!(
        want == got,
        "the presets in docs/messages.md are old; BLESS=1 cargo test --test docs writes them"
    );
}

/// The findings in docs/doctor.md are made from the catalogue.
#[test]
fn the_findings_are_what_the_program_knows() {
    let (begin, end) = ("<!-- findings -->\n", "<!-- end of findings -->\n");
    let path = root().join("docs/doctor.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(begin).unwrap();
    let (want, after) = rest.split_once(end).unwrap();
    let mut got = String::new();
    for (program, entries) in catalogue::ALL {
        got += &format!("\n## {program}\n");
        for entry in entries {
            let (id, severity, about, source) =
                (entry.id, entry.severity, entry.about, entry.source);
            got += &format!("\n### {id}\n\n*{severity}.* {about}\n\nKnown by: {source}\n");
        }
    }
    got += "\n";
    if std::env::var_os("BLESS").is_some() {
        // Whole at any moment: the other tests read it meanwhile.
        let new = path.with_extension("new");
        let page = format!("{before}{begin}{got}{end}{after}");
        fs::write(&new, page)
            .and_then(|()| fs::rename(&new, &path))
            .unwrap();
        return;
    }
    assert!(
        want == got,
        "the findings in docs/doctor.md are old; BLESS=1 cargo test --test docs writes them"
    );
}

/// A default that changes in the reference must change in the README.
#[test]
fn defaults_in_the_readme_are_those_of_the_reference() {
    let (readme, reference) = (
        fs::read_to_string(root().join("README.md")).unwrap(),
        reference(),
    );
    let mut checked = 0;
    for row in readme.lines().filter_map(|line| line.strip_prefix("| `")) {
        let Some((key, default)) = row
            .split_once("` | `")
            .and_then(|(key, rest)| Some((key, rest.split_once("` |")?.0)))
        else {
            continue;
        };
        let named = |key: &str| {
            reference
                .split_once(&format!("\n### `{key}`\n\n"))
                .map(|(_, text)| text)
        };
        let text = named(key)
            .or_else(|| named(&format!("limits.{key}")))
            .unwrap_or_else(|| panic!("no key {key}"));
        let line = text.lines().next().unwrap();
        assert!(
            line.ends_with(&format!("default `{default}`")),
            "{key}: README has {default}, the reference {line}"
        );
        checked += 1;
    }
    assert!(
        checked >= 7,
        "only {checked} defaults were found: the README is not read rightly"
    );
}

/// Whoever adds a word for the log says in the documentation what it means, and whoever takes one
/// out takes it out there.
#[test]
fn every_reason_of_the_log_is_in_the_documentation() {
    let operating = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let (_, reasons) = operating.split_once("\n### Reasons\n").unwrap();
    let (_, rows) = reasons.split_once("|---|---|---|\n").unwrap();
    let cells = rows
        .lines()
        .take_while(|line| line.starts_with('|'))
        .filter_map(|row| row.split('|').nth(1));
    let documented: BTreeSet<String> = cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    let known = reasons_in(&root().join("src"));
    assert!(
        known.len() >= 60,
        "only {} were found: the sources are not read rightly",
        known.len()
    );
    let missing: Vec<_> = known.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&known).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "not in docs/operating.md: {missing:?}; only there: {gone:?}"
    );
}

#[test]
fn every_reason_of_a_failed_handshake_is_in_the_documentation() {
    let operating = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let (_, after) = operating.split_once("\n### TLS handshakes\n").unwrap();
    let (section, _) = after.split_once("\n#").unwrap();
    let source = root().join("src/serve/handshake_failure.rs");
    let source = fs::read_to_string(source).unwrap();
    let words = source.split("=> \"").skip(1);
    let words: Vec<_> = words.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(words.len() >= 10, "{words:?}");
    for word in words {
        assert!(section.contains(&format!("`{word}`")), "{word}");
    }
}

#[test]
fn every_reason_of_a_refused_message_is_in_the_documentation() {
    let messages = fs::read_to_string(root().join("docs/messages.md")).unwrap();
    let (_, after) = messages.split_once("\n### Reasons of refusals\n").unwrap();
    let (section, _) = after.split_once("\n#").unwrap();
    for protocol in ["janus", "kurento"] {
        let path = format!("src/signalling/{protocol}/refusal.rs");
        let source = fs::read_to_string(root().join(path)).unwrap();
        let (_, word) = source.split_once("fn word(").unwrap();
        let (word, _) = word.split_once("\n    }\n").unwrap();
        let words: Vec<_> = word.split('"').skip(1).step_by(2).collect();
        assert!(words.len() >= 7, "{words:?}");
        for word in words {
            assert!(section.contains(&format!("`{word}`")), "{word}");
        }
    }
}

/// Without it, a refused handshake ends the process of an application, or leaves it without a word.
#[test]
fn each_example_of_kurento_client_listens_for_errors_before_it_waits() {
    let mut seen = 0;
    for page in pages() {
        let (blocks, _) = split(&fs::read_to_string(&page).unwrap());
        for block in blocks.iter().filter(|block| block.language == "js") {
            let Some((_, rest)) = block.text.split_once(" kurento(") else {
                continue;
            };
            seen += 1;
            let (before, _) = rest.split_once("await connecting").unwrap_or_default();
            assert!(
                before.contains("connecting._re.on(\"error\""),
                "{}:{}",
                page.display(),
                block.line
            );
        }
    }
    assert!(seen >= 2, "only {seen} examples were found");
}

/// What is refused on a WebSocket is in no other log.
#[test]
fn recipes_that_judge_messages_have_the_audit_log() {
    let mut seen = 0;
    for page in fs::read_dir(root().join("docs/recipes")).unwrap() {
        let page = page.unwrap().path();
        let (blocks, _) = split(&fs::read_to_string(&page).unwrap());
        for block in blocks.iter().filter(|block| {
            let text = &block.text;
            text.contains("[listen]") && text.contains("\nmessages = [")
        }) {
            seen += 1;
            let has_audit = block.text.contains("\naudit = ");
            assert!(has_audit, "{}:{}", page.display(), block.line);
        }
    }
    assert!(seen >= 3, "only {seen} recipes were found");
}

/// The texts that give the log a reason, as the log has them: each is the last on its line.
fn reasons_in(folder: &Path) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for path in fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if path.is_dir() {
            words.extend(reasons_in(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = statements(text.split("#[cfg(test)]").next().unwrap());
        let judges = path.ends_with("serve/judge.rs");
        for line in code.iter().filter(|line| gives_reason(line, judges)) {
            words.extend(
                line.split('"')
                    .skip(1)
                    .step_by(2)
                    .last()
                    .map(|word| word.replace(' ', "_")),
            );
        }
    }
    words
}

/// The lines of a source file without comments, where a tuple that is laid out over several lines
/// is one line.
fn statements(text: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(|line| line.split("//").next().unwrap()) {
        open += if open.is_empty() {
            line
        } else {
            line.trim_start()
        };
        let is_open = open.matches('(').count() > open.matches(')').count();
        let is_tuple = open.contains("=> (") || open.contains("= (") || open.contains("(End::");
        if !(is_open && is_tuple) {
            statements.push(std::mem::take(&mut open));
        }
    }
    statements
}

/// Refusals, what is wrong with tokens, answers that were cut, and orders to tunnels; `judges`: of
/// the file that gives them.
fn gives_reason(line: &str, judges: bool) -> bool {
    let anywhere = [
        "(End::",
        "line.reason) = (",
        "line.reason.or(Some(",
        "log_head(",
        "by_policy(\"",
        " reason: \"",
        "_REASON: &str = \"",
        "=> \"token_",
        "=> \"path_",
        "=> \"broken_",
        "=> \"certificate_",
    ];
    let start = line.trim_start();
    let is_refusal = start.starts_with("(StatusCode::") || line.contains("=> (StatusCode::");
    let is_order = judges && line.contains("=> \"");
    is_refusal || is_order || anywhere.iter().any(|mark| line.contains(mark))
}

#[test]
fn the_annotated_example_is_taken() {
    // Not loaded: that everybody may read it is a warning of its own, for a secret that is none.
    let file = root().join("docs/gateway.toml");
    let text = fs::read_to_string(&file).unwrap();
    let loaded = parse(&file, &text).unwrap_or_else(|report| panic!("{report}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
}

#[test]
fn the_file_of_the_package_is_taken_with_and_without_what_is_commented_out() {
    let path = root().join("packaging/debian/gateway.toml");
    let text = fs::read_to_string(&path).unwrap();
    // Comments have a space after their `#`.
    let is_key = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
    assert!(text.lines().filter(is_key).count() > 4);
    let with: Vec<&str> = text
        .lines()
        .map(|line| if is_key(&line) { &line[1..] } else { line })
        .collect();
    for text in [text.clone(), with.join("\n")] {
        parse(&path, &text).unwrap_or_else(|report| panic!("{report}\nin\n{text}"));
    }
}

#[test]
fn every_configuration_in_the_documentation_is_taken() {
    let (mut whole, mut parts) = (0, 0);
    for page in pages() {
        let (blocks, _) = split(&fs::read_to_string(&page).unwrap());
        for block in blocks.into_iter().filter(|block| block.language == "toml") {
            let place = format!(
                "{}:{}",
                page.strip_prefix(root()).unwrap().display(),
                block.line
            );
            let document = DeTable::parse(&block.text)
                .unwrap_or_else(|error| panic!("{place}: {error}"))
                .into_inner();
            let is_whole = has(&document, "listen", "https") && document.contains_key("routes");
            let text = if is_whole {
                block.text.clone()
            } else {
                complete(&block.text, &document)
            };
            match parse(Path::new(&place), &text) {
                Err(report) => panic!("{report}\nin\n{text}"),
                Ok(loaded) if is_whole => {
                    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings)
                }
                Ok(_) => {}
            }
            *if is_whole { &mut whole } else { &mut parts } += 1;
        }
    }
    assert!(
        whole >= 6 && parts >= 6,
        "only {whole} and {parts} were found: the pages are not read rightly"
    );
}

const TABLES: [&str; 14] = [
    "include",
    "defaults",
    "listen",
    "log",
    "limits",
    "tls",
    "acme",
    "deploy",
    "passthrough",
    "upstreams",
    "issuers",
    "policies",
    "turn",
    "routes",
];

fn has(document: &DeTable<'_>, table: &str, key: &str) -> bool {
    document
        .get(table)
        .and_then(|table| table.get_ref().as_table())
        .is_some_and(|table| table.contains_key(key))
}

/// Puts around a part what it needs to be whole.
fn complete(text: &str, document: &DeTable<'_>) -> String {
    let mut out = text.to_owned();
    let bare = document
        .keys()
        .any(|key| !TABLES.contains(&&**key.get_ref()));
    if bare {
        out = format!("[[routes]]\n{}{text}", missing_in_route(document));
    }
    if !document.contains_key("routes") && !bare {
        out += "[[routes]]\npath = \"/\"\npolicy = \"open\"\n\
                redirect = \"https://elsewhere.example/\"\n";
    }
    for (table, key, value) in [
        ("listen", "https", "[\"[::]:1\"]"),
        ("tls", "self_signed", "[\"localhost\"]"),
    ] {
        match (
            document.contains_key(table),
            has(document, table, key) || has(document, table, "certificates"),
        ) {
            (false, _) => out += &format!("[{table}]\n{key} = {value}\n"),
            (true, false) => {
                out = out.replacen(
                    &format!("[{table}]\n"),
                    &format!("[{table}]\n{key} = {value}\n"),
                    1,
                )
            }
            (true, true) => {}
        }
    }
    for (table, key, entry) in [
        ("upstreams", "upstream", "servers = [\"http://a\"]"),
        ("upstreams", "websocket", "servers = [\"http://a\"]"),
        ("policies", "policy", "allow = [\"::1\"]"),
    ] {
        for name in named(document, key, bare) {
            if name != "open" && !has(document, table, &name) {
                out += &format!("[{table}.{name}]\n{entry}\n");
            }
        }
    }
    if document.contains_key("deploy") && !document.contains_key("acme") {
        out += &format!(
            "[acme]\ncertificates = [{{ hosts = {:?} }}]\n",
            deployed(document)
        );
    }
    for name in issuers(document).filter(|name| !has(document, "issuers", name)) {
        out += &format!(
            "[issuers.{name}]\nalgorithms = [\"ES256\"]\nkey_file = \"k\"\naudience = \"any\"\n"
        );
    }
    out
}

/// The hosts whose certificates other servers get.
fn deployed(document: &DeTable<'_>) -> Vec<String> {
    let entries = document
        .get("deploy")
        .and_then(|deploy| deploy.get_ref().as_array());
    let entries = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get_ref().as_table());
    entries
        .filter_map(|entry| Some(entry.get("host")?.get_ref().as_str()?.to_owned()))
        .collect()
}

/// The names that policies use.
fn issuers(document: &DeTable<'_>) -> impl Iterator<Item = String> {
    let policies = document
        .get("policies")
        .and_then(|policies| policies.get_ref().as_table());
    let policies = policies.into_iter().flat_map(|policies| policies.values());
    let lists = policies.filter_map(|policy| {
        policy
            .get_ref()
            .as_table()?
            .get("issuers")?
            .get_ref()
            .as_array()
    });
    let names = lists
        .flatten()
        .filter_map(|name| name.get_ref().as_str().map(str::to_owned));
    names.collect::<std::collections::BTreeSet<_>>().into_iter()
}

fn missing_in_route(route: &DeTable<'_>) -> String {
    let target = ["upstream", "files", "redirect"]
        .iter()
        .any(|key| route.contains_key(*key));
    let missing = |key: &str, line: &str| {
        if route.contains_key(key) {
            String::new()
        } else {
            format!("{line}\n")
        }
    };
    let target = if target {
        String::new()
    } else {
        missing("upstream", "upstream = \"part\"")
    };
    missing("path", "path = \"/part\"") + &missing("policy", "policy = \"open\"") + &target
}

/// The names that routes use.
fn named(document: &DeTable<'_>, key: &str, bare: bool) -> Vec<String> {
    let routes = document
        .get("routes")
        .and_then(|routes| routes.get_ref().as_array());
    let routes = routes
        .into_iter()
        .flatten()
        .filter_map(|route| route.get_ref().as_table());
    let routes = routes.chain(bare.then_some(document));
    let name = |route: &DeTable<'_>| {
        route
            .get(key)
            .and_then(|name| name.get_ref().as_str().map(str::to_owned))
    };
    let mut names: Vec<String> = routes.filter_map(name).collect();
    if bare && key == "upstream" && names.is_empty() {
        names.push("part".to_owned());
    }
    names.sort();
    names.dedup();
    names
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        let (_, prose) = split(&fs::read_to_string(&page).unwrap());
        for link in links(&prose) {
            if !leads_somewhere(&page, link) {
                dead.push(format!(
                    "{}: {link}",
                    page.strip_prefix(root()).unwrap().display()
                ));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// What stands in `](…)`.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    let ends = prose
        .split("](")
        .skip(1)
        .filter_map(|after| after.split_once(')'));
    ends.map(|(link, _)| link)
        .filter(|link| !link.contains("://"))
}

fn leads_somewhere(page: &Path, link: &str) -> bool {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        page.to_owned()
    } else {
        page.parent().unwrap().join(path)
    };
    if anchor.is_empty() {
        return target.exists();
    }
    let (_, prose) = split(&fs::read_to_string(target).unwrap_or_default());
    prose
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .any(|line| slug(line) == anchor)
}

/// What a heading is linked as: GitHub keeps letters, digits, hyphens and underscores, and makes
/// hyphens of spaces.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}

#[test]
fn names_of_inner_networks_are_in_the_documentation() {
    let text = fs::read_to_string(root().join("docs/messages.md")).unwrap();
    let names = ianitor::signalling::uri::INNER.iter();
    let missing = names.filter(|name| !text.contains(&format!("`{name}`")));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0]);
}
