//! `docs/metrics.md` has every series of a running gateway, with its labels, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::harness::process::GatewayProcess;
use crate::harness::websocket::{Frame, TEXT, handshake, switching};
use crate::harness::{Config, Upstream, eventually};

/// The names of series, each with the names of its labels.
type Series = BTreeMap<String, BTreeSet<String>>;

/// What the tables of the documentation have.
fn documented() -> Series {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (tables, _) = page.split_once("\n## Alerts\n").unwrap();
    let rows = tables.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        // The values of a label are in parentheses.
        let labels = cells[2]
            .split('(')
            .flat_map(|part| match part.rsplit_once(')') {
                Some((_, behind)) => behind.split('`'),
                None => part.split('`'),
            });
        let names = labels.filter(|text| text.starts_with(|c: char| c.is_ascii_lowercase()));
        (
            cells[1].trim_matches('`').to_owned(),
            names.map(str::to_owned).collect(),
        )
    })
    .collect()
}

/// What `/metrics` has: series with their labels, and the names of families without samples.
fn served(metrics: &str) -> (Series, BTreeSet<String>) {
    let (mut series, mut families) = (Series::new(), BTreeSet::new());
    let mut histogram = "";
    for line in metrics.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            families.insert(match kind {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name.to_owned(),
            });
            histogram = if kind == "histogram" { name } else { "" };
        }
        if line.starts_with('#') {
            continue;
        }
        let (name, labels) = match line.split_once('{') {
            Some((name, rest)) => (name, rest.rsplit_once('}').unwrap().0),
            None => (line.split(' ').next().unwrap(), ""),
        };
        let name = if histogram.is_empty() {
            name
        } else {
            histogram
        };
        let names = labels
            .split("\",")
            .filter_map(|label| Some(label.split_once("=\"")?.0));
        let names = names.filter(|name| *name != "le").map(str::to_owned);
        series.entry(name.to_owned()).or_default().extend(names);
    }
    (series, families)
}

fn config(upstream: &Upstream, folder: &Path) -> Config {
    let folder = folder.display();
    Config::to(upstream)
        .listen("https = [\"127.0.0.1:0\"]\nstatus = \"127.0.0.1:0\"")
        .table(&format!(
            "[upstreams.janus]\nservers = [\"{}\"]\nprotocol = \"janus\"",
            upstream.url()
        ))
        .table(&format!(
            "[upstreams.probed]\nservers = [\"{}\"]\nhealth = {{}}",
            upstream.url()
        ))
        .table("[policies.callers]\nallow = [\"127.0.0.1\"]\nmessages = [\"janus-caller\"]")
        .route_with("/janus", "janus", "policy = \"callers\"")
        .table(
            "[issuers.staff]\nalgorithms = [\"RS256\"]\naudience = \"any\"\n\
             jwks_url = \"https://127.0.0.1:1/jwks.json\"",
        )
        .table(&format!(
            "[acme]\ndirectory = \"https://127.0.0.1:1/\"\nstore = \"{folder}/store\"\n\
             certificates = [{{ hosts = [\"media.test\"] }}]"
        ))
        .table(&format!(
            "[[deploy]]\nhost = \"media.test\"\nto = \"files\"\ncombined = \"{folder}/all.pem\""
        ))
}

#[test]
fn the_documentation_has_every_series_with_its_labels() {
    let upstream = Upstream::raw(|conn| {
        let head = conn.head()?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        if head.get("upgrade").is_some() {
            conn.send(switching(""))?;
            return conn.wait_for_end();
        }
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let folder = tempfile::tempdir().unwrap();
    let gateway = GatewayProcess::start(&config(&upstream, folder.path()));
    let dial = gateway.dial();
    assert_eq!(dial.h1().get("/").status(), 200);
    assert_eq!(dial.h1().get("/a//b").status(), 400);
    assert_eq!(dial.h1().ask("GET / HTTP/7.0\r\n\r\n").status(), 400);
    assert!(gateway.dial().name("other.test").tls(&[]).is_err());
    let mut tunnel = dial.h1();
    tunnel.send(handshake("/ws", ""));
    assert_eq!(tunnel.head().status(), 101);
    let (documented, mut missing) = (documented(), String::new());
    let mut caller = dial.h1();
    caller.send(handshake("/janus", ""));
    assert_eq!(caller.head().status(), 101);
    caller.send(Frame::from_client(TEXT, "[]").bytes());
    assert_eq!(caller.wire.frame().unwrap().opcode, TEXT);
    // What needs a limit that is reached, or a token that is renewed.
    let rare = [
        "ianitor_connections_refused_total",
        "ianitor_message_token_renewals_total",
        "ianitor_tunnels_slowed_total",
    ];
    let rare = BTreeSet::from(rare.map(str::to_owned));
    eventually("every series", || {
        let (served, _) = served(&gateway.metrics());
        let has = |name: &&String| served.contains_key(*name) || rare.contains(*name);
        missing = format!(
            "{:?}",
            documented
                .keys()
                .filter(|name| !has(name))
                .collect::<Vec<_>>()
        );
        missing == "[]"
    });
    let (served, families) = served(&gateway.metrics());
    assert_eq!(
        families,
        documented.keys().cloned().collect::<BTreeSet<_>>()
    );
    // A query names the parts of a histogram.
    let histogram = ["_bucket", "_count", "_sum"];
    for name in super::monitoring::named() {
        let whole = histogram.iter().find_map(|part| name.strip_suffix(part));
        let has = |name: &str| served.contains_key(name) || rare.contains(name);
        let exists = has(&name) || whole.is_some_and(has);
        assert!(exists, "{name} of an alert or the dashboard does not exist");
    }
    for (name, labels) in served {
        assert_eq!(Some(&labels), documented.get(&name), "{name}");
    }
}
