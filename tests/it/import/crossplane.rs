//! crossplane, which is NGINX's own parser in Python, reads the same tree.

use std::path::Path;
use std::process::Command;

use ianitor::nginx::{Directive, Disk, parse};
use serde_json::{Value, json};

use super::{SOURCES, source};

const SCRIPT: &str = r#"
import crossplane, json, sys
def shown(block):
    return [[d["directive"], d["args"], d["line"], shown(d.get("block", []))]
            for d in block if d["directive"] != "include"]
read = crossplane.parse(sys.argv[1], single=True, check_ctx=False, check_args=False)
assert read["status"] == "ok", read["errors"]
print(json.dumps(shown(read["config"][0]["parsed"])))
"#;

#[test]
fn another_parser_reads_the_same() {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("crossplane/bin/python");
    let folder = tempfile::tempdir().unwrap();
    for name in SOURCES {
        let file = folder.path().join(format!("{name}.conf"));
        std::fs::write(&file, source(name)).unwrap();
        let mut command = Command::new(&python);
        let out = command.args(["-c", SCRIPT]).arg(&file).output();
        let out = out.expect("crossplane is installed by scripts/test-deps.sh");
        assert!(
            out.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        let theirs: Value = serde_json::from_slice(&out.stdout).unwrap();
        let ours = shown(&parse(&file, &Disk).unwrap().directives);
        assert_eq!(ours, theirs, "{name}");
    }
}

fn shown(block: &[Directive]) -> Value {
    let is_own = |directive: &&Directive| directive.name != "include";
    let one = |directive: &Directive| {
        let mut args: Vec<String> = directive.args.iter().map(|arg| arg.text.clone()).collect();
        // They take the parentheses away.
        if directive.name == "if" {
            if let Some(first) = args.first_mut() {
                *first = first.trim_start_matches('(').to_owned();
            }
            if let Some(last) = args.last_mut() {
                *last = last.trim_end_matches(')').to_owned();
            }
            args.retain(|arg| !arg.is_empty());
        }
        json!([
            directive.name,
            args,
            directive.place.line,
            shown(directive.inner())
        ])
    };
    block.iter().filter(is_own).map(one).collect()
}
