//! `ianitor config` prints what is in force, and where it is from.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const ROOT: &str = r#"include = ["conf.d/*.toml"]
[listen]
https = ["127.0.0.1:8443"]
[tls]
self_signed = ["localhost"]
[defaults]
hsts = "365d"
cors = { origins = ["https://a.example"] }
[[routes]]
host = ["a.example", "b.example"]
path = "/"
upstream = "app"
policy = "open"
headers = { set = { Authorization = "Basic abc", X-Tenant = "t" } }
[[routes]]
path = "/admin"
upstream = "admin"
policy = "staff"
hsts = "0s"
"#;

const MORE: &str = r#"[upstreams.app]
servers = ["http://${APP_HOST}:8088", "http://${APP_HOST}:${APP_PORT:-8089}"]
protocol = "http"
[upstreams.admin]
servers = ["http://127.0.0.1:7088"]
protocol = "janus-admin"
secret_file = "admin"
[issuers.app]
algorithms = ["HS256"]
secret = "${JWT_SECRET}"
audience = "x"
[policies.staff]
issuers = ["app"]
"#;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    fs::write(folder.path().join("gateway.toml"), ROOT).unwrap();
    fs::write(folder.path().join("conf.d/app.toml"), MORE).unwrap();
    folder
}

fn config(folder: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .current_dir(folder.path())
        .arg("config")
        .args(args)
        .env("APP_HOST", "10.0.0.7")
        .env("JWT_SECRET", SECRET)
        .env_remove("APP_PORT")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn each_value_is_there_with_where_it_is_from() {
    let folder = site();
    let (status, shown, said) = config(&folder, &[]);
    assert_eq!(status, Some(0), "{said}");
    let table: toml::Table = shown.parse().unwrap_or_else(|e| panic!("{e}\n{shown}"));
    // Includes, variables, and paths as gateway.toml would have them.
    let upstreams = &table["upstreams"];
    let servers = upstreams["app"]["servers"].as_array().unwrap();
    assert_eq!(servers[0].as_str(), Some("http://10.0.0.7:8088"));
    assert_eq!(servers[1].as_str(), Some("http://10.0.0.7:8089"));
    assert_eq!(
        upstreams["admin"]["secret_file"].as_str(),
        Some("conf.d/admin")
    );
    // What routes inherit; a control port has no cors from there.
    let routes = table["routes"].as_array().unwrap();
    assert_eq!(routes[0]["hsts"].as_str(), Some("365d"));
    assert!(routes[0].get("cors").is_some() && routes[1].get("cors").is_none());
    assert_eq!(routes[1]["hsts"].as_str(), Some("0s"));
    assert_eq!(table["limits"]["body"].as_str(), Some("1MiB"));
    assert!(table.get("include").is_none() && table.get("defaults").is_none());
    // No secret.
    for secret in [SECRET, "Basic abc"] {
        assert!(
            !shown.contains(secret) && !said.contains(secret),
            "{shown}{said}"
        );
    }
    let comment = |start: &str| {
        let mut lines = shown.lines().filter(|line| line.starts_with(start));
        let line = lines.next().unwrap_or_else(|| panic!("{start}\n{shown}"));
        line.rsplit_once("# ").unwrap().1.to_owned()
    };
    for (line, want) in [
        ("https = ", "gateway.toml:3:9"),
        (
            "servers = [\"http://10",
            "conf.d/app.toml:2:11, environment APP_HOST, APP_PORT",
        ),
        (
            "# secret is left out",
            "conf.d/app.toml:10:10, environment JWT_SECRET",
        ),
        ("hsts = \"365d\"", "gateway.toml:7:8, [defaults]"),
        ("hsts = \"0s\"", "gateway.toml:19:8"),
        ("origins = ", "gateway.toml:8:20, [defaults]"),
        ("body = ", "default"),
        (
            "set = ",
            "gateway.toml:14:19; \"Authorization\" is left out",
        ),
    ] {
        assert_eq!(comment(line), want);
    }
}

#[test]
fn programs_get_json() {
    let folder = site();
    let (status, shown, said) = config(&folder, &["--json"]);
    assert_eq!(status, Some(0), "{said}");
    let keys: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let key = |name: &str| {
        let mut all = keys.iter().filter(|one| one["key"] == name);
        all.next()
            .unwrap_or_else(|| panic!("{name}\n{shown}"))
            .clone()
    };
    assert_eq!(key("limits.body")["from"], "default");
    let secret = key("issuers.app.secret");
    assert_eq!(
        (&secret["secret"], &secret["value"]),
        (&Value::Bool(true), &Value::Null)
    );
    assert_eq!(secret["from"]["environment"][0], "JWT_SECRET");
    assert_eq!(key("routes[0].hsts")["from"]["inherited"], true);
    assert_eq!(key("routes[0].host")["value"][1], "b.example");
    assert!(!shown.contains(SECRET));
}

#[test]
fn a_wrong_configuration_has_its_report() {
    let folder = site();
    fs::write(
        folder.path().join("conf.d/z.toml"),
        "[limits]\nbody = true\n",
    )
    .unwrap();
    let (status, shown, said) = config(&folder, &[]);
    assert_eq!((status, &*shown), (Some(78), ""));
    assert!(
        said.starts_with("conf.d/z.toml:2:8 limits.body: "),
        "{said}"
    );
}
