//! `packaging/prometheus` and `packaging/grafana`: alerts and a dashboard for metrics that exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::harness::process::GatewayProcess;
use crate::harness::{Config, Upstream};

fn packaged(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging")
        .join(path)
}

/// The names in a text that look like series of the gateway.
pub(crate) fn named_in(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_name(c));
    let named = words.filter(|word| word.starts_with("ianitor_"));
    named.map(str::to_owned).collect()
}

/// What the alerts and the dashboard name, each of which must exist.
pub(crate) fn named() -> BTreeSet<String> {
    let read = |path: &str| std::fs::read_to_string(packaged(path)).unwrap();
    let rules = named_in(&read("prometheus/ianitor.rules.yml"));
    let dashboard = named_in(&read("grafana/ianitor.json"));
    assert!(rules.len() >= 20, "{rules:?}");
    assert!(dashboard.len() >= 30, "{dashboard:?}");
    rules.union(&dashboard).cloned().collect()
}

fn promtool(arguments: &[&str], input: Stdio) -> Output {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(input);
    command
        .output()
        .expect("promtool, which scripts/test-deps.sh installs")
}

#[track_caller]
fn assert_success(output: &Output) {
    let (out, err) = (&output.stdout, &output.stderr);
    let said = String::from_utf8_lossy(out) + String::from_utf8_lossy(err);
    assert!(output.status.success(), "{said}");
}

#[test]
fn every_alert_fires_on_what_it_is_for_and_on_nothing_else() {
    let rules = packaged("prometheus/ianitor.rules.yml");
    let text = std::fs::read_to_string(&rules).unwrap();
    let tests = packaged("prometheus/ianitor.rules.test.yml");
    let tried = std::fs::read_to_string(&tests).unwrap();
    let alerts = text.lines().filter_map(|line| line.split_once("- alert: "));
    for (_, alert) in alerts {
        for outcome in ["fires", "does not fire"] {
            let name = format!("- name: {alert} {outcome}\n");
            assert!(tried.contains(&name), "{alert} {outcome}: not tried");
        }
    }
    let check = ["check", "rules", rules.to_str().unwrap()];
    assert_success(&promtool(&check, Stdio::null()));
    let test = ["test", "rules", tests.to_str().unwrap()];
    assert_success(&promtool(&test, Stdio::null()));
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let text = std::fs::read_to_string(packaged("grafana/ianitor.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(dashboard["uid"], "ianitor");
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut queries) = (BTreeSet::new(), Vec::new());
    for panel in panels {
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{}",
            panel["title"]
        );
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{}", panel["title"]);
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            assert!(!named_in(query).is_empty(), "{query}");
            assert!(query.contains("instance=~\"$instance\""), "{query}");
            queries.push(query.to_owned());
        }
    }
    assert_parse(&queries);
}

/// Has promtool parse the queries of the dashboard, with what Grafana puts in place of
/// variables.
#[track_caller]
fn assert_parse(queries: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yml");
    let rules = queries.iter().enumerate().map(|(number, query)| {
        let query = query.replace("$__rate_interval", "5m");
        let query = serde_json::Value::from(query);
        format!("{{ record: \"a:{number}\", expr: {query} }}")
    });
    let rules: Vec<String> = rules.collect();
    let rules = format!("groups: [{{ name: a, rules: [{}] }}]\n", rules.join(", "));
    std::fs::write(&file, rules).unwrap();
    let check = ["check", "rules", file.to_str().unwrap()];
    assert_success(&promtool(&check, Stdio::null()));
}

#[test]
fn promtool_accepts_the_metrics_in_the_older_form() {
    let upstream = Upstream::ok();
    let config =
        Config::to(&upstream).listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"");
    let gateway = GatewayProcess::start(&config);
    assert_eq!(gateway.dial().h1().get("/").status(), 200);
    let answer = gateway.ask_status("/metrics", "Accept: text/plain;version=0.0.4;q=0.5\r\n");
    let (head, metrics) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    assert!(metrics.contains("\nianitor_requests_total{"), "{metrics}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics");
    std::fs::write(&file, metrics).unwrap();
    let file = std::fs::File::open(&file).unwrap();
    assert_success(&promtool(&["check", "metrics"], file.into()));
    // The form for Prometheus itself is the other one.
    let newer = gateway.ask_status("/metrics", "Accept: application/openmetrics-text\r\n");
    assert!(newer.ends_with("# EOF\n"));
}
