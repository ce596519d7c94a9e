//! Faults of the gateway. What is under test has no place where a fault could be asked for: here
//! the receiver of its log panics, or does not return, which happens on the worker's own stack.

use std::fmt::Debug;
use std::panic::PanicHookInfo;
use std::sync::{Condvar, Mutex, Once, OnceLock};

use ianitor::telemetry::panics;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::{Client, Log, TestGateway, Upstream, config, until};

/// A folder with this name is not there, and a reload warns of that.
const PANIC_BEFORE: &str = "panic-before-anything-is-applied";
/// A reload logs that it listens there.
const PANIC_AFTER: &str = "127.0.0.77:";

/// Upstreams by these ports of this machine cannot be reached, and the log says so.
const PANIC: &str = "127.0.0.1:2";
const STALL: &str = "127.0.0.1:3";

/// Every event, as a line.
static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether the stalled worker may go on.
static GO_ON: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

struct Receiver;

impl<S: Subscriber> Layer<S> for Receiver {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let line = line.0;
        let is_refused = line.contains("request refused");
        LINES.lock().unwrap().push(line.clone());
        let is_fault = line.contains(PANIC_BEFORE)
            || line.contains("message=listening") && line.contains(PANIC_AFTER)
            || is_refused && line.contains(PANIC);
        assert!(!is_fault, "a fault");
        if is_refused && line.contains(STALL) {
            let go_on = GO_ON.0.lock().unwrap();
            drop(GO_ON.1.wait_while(go_on, |go_on| !*go_on).unwrap());
        }
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

/// The lines of the log with this text.
fn lines(text: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    lines
        .iter()
        .filter(|line| line.contains(text))
        .cloned()
        .collect()
}

/// The hook of the gateway for its own threads, and the one of the tests for theirs.
fn install() {
    type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>;
    static ONCE: Once = Once::new();
    static OF_TESTS: OnceLock<Hook> = OnceLock::new();
    ONCE.call_once(|| {
        tracing_subscriber::registry().with(Receiver).init();
        let of_tests = OF_TESTS.get_or_init(std::panic::take_hook);
        panics::install();
        let of_gateway = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            match name.starts_with("worker-") {
                true => of_gateway(info),
                false => of_tests(info),
            }
        }));
    });
}

/// A gateway with one worker, whose route `/fault` leads to this address.
fn gateway(upstream: &Upstream, address: &str, log: &Log) -> TestGateway {
    install();
    let more = format!(
        "[[routes]]\npath = \"/fault\"\nupstream = \"fault\"\npolicy = \"open\"\n\
         [upstreams.fault]\nservers = [\"http://{address}\"]\n"
    );
    TestGateway::open(&config(upstream, &more, 1), log)
}

#[test]
fn a_panic_ends_the_connection_that_it_is_in_and_no_other() {
    let (upstream, log) = (Upstream::start(), Log::default());
    let gateway = gateway(&upstream, PANIC, &log);
    let (mut other, mut tunnel) = (
        Client::connect(gateway.https()),
        Client::connect(gateway.https()),
    );
    assert_eq!(other.ask("/echo", ""), 200);
    tunnel.open_websocket("/echo/tunnel");
    for faults in 1..=3 {
        let mut faulty = Client::connect(gateway.https());
        assert_eq!(faulty.ask("/echo", ""), 200);
        assert_eq!(faulty.try_ask("/fault", ""), None, "it is closed");
        assert_eq!(gateway.metrics().sum("ianitor_panics_total", &[]), faults);
    }
    assert_eq!(other.ask("/echo", ""), 200);
    tunnel.echo(&[0x82, 0x83, 0, 0, 0, 0, 1, 2, 3]);
    assert_eq!(Client::connect(gateway.https()).ask("/echo", ""), 200);
    // Nothing that was counted for the connections is left over.
    until("they are not counted any more", || {
        gateway.running().connections() == 2
            && gateway.metrics().sum("ianitor_upstream_server_busy", &[]) == 1
            && gateway.metrics().sum("ianitor_connections_open", &[]) == 2
    });
    until("their lines are written", || {
        log.lines()
            .iter()
            .filter(|line| line["end"] == "panic")
            .count()
            == 3
    });
    let panics = lines("a panic; its backtrace:");
    assert_eq!(panics.len(), 1, "the others are summed: {panics:?}");
    assert!(
        panics[0].contains("faults.rs") && panics[0].contains("a fault"),
        "{panics:?}"
    );
    let begin = lines("   0: ");
    assert!(
        begin.iter().any(|frame| frame.contains("Receiver")),
        "{begin:?}"
    );
    let own = lines("ianitor::serve::");
    assert!(
        own.iter().any(|frame| frame.contains("src/serve/")),
        "{own:?}"
    );
}

#[test]
fn a_panic_in_a_reload_leaves_a_gateway_that_serves_and_reloads() {
    let (upstream, log) = (Upstream::start(), Log::default());
    let mut gateway = gateway(&upstream, "127.0.0.1:4", &log);
    let mut tunnel = Client::connect(gateway.https());
    tunnel.open_websocket("/echo/tunnel");
    let page =
        format!("[[routes]]\npath = \"/page\"\nfiles = \"/{PANIC_BEFORE}\"\npolicy = \"open\"\n");
    let elsewhere = format!("http = [\"{PANIC_AFTER}0\"]");
    let good = config(&upstream, "", 1);
    for (number, bad) in [
        good.clone() + &page,
        good.replace("http = [\"127.0.0.1:0\"]", &elsewhere),
    ]
    .iter()
    .enumerate()
    {
        assert!(gateway.reload_panics(bad), "{bad}");
        let metrics = gateway.metrics();
        assert_eq!(
            metrics.sum("ianitor_last_reload_successful", &[]),
            0,
            "{number}"
        );
        assert_eq!(Client::connect(gateway.https()).ask("/echo", ""), 200);
        tunnel.echo(&[0x82, 0x83, 0, 0, 0, 0, 1, 2, 3]);
        gateway.reload(&good).unwrap();
        assert_eq!(
            gateway.metrics().sum("ianitor_last_reload_successful", &[]),
            1,
            "{number}"
        );
        assert_eq!(Client::connect(gateway.https()).ask("/echo", ""), 200);
        // The route of the first configuration has gone with it.
        assert_eq!(Client::connect(gateway.https()).ask("/fault", ""), 404);
        tunnel.echo(&[0x82, 0x83, 0, 0, 0, 0, 1, 2, 3]);
    }
}

#[test]
fn a_worker_that_stalls_is_named_in_the_log_with_what_it_was_doing() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream, STALL, &Log::default());
    let mut client = Client::connect(gateway.https());
    assert_eq!(client.ask("/echo", ""), 200);
    let asked = std::thread::spawn(move || client.ask("/fault", ""));
    until("the stall is noticed", || {
        gateway.running().stalled_workers() == 1
    });
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("ianitor_worker_stalled", &[("worker", "0")]), 1);
    let noticed = lines("a worker has stalled");
    assert!(
        noticed.iter().any(|line| {
            line.contains("activity=\"requests\"") && line.contains("state=\"waiting\"")
        }),
        "{noticed:?}"
    );
    *GO_ON.0.lock().unwrap() = true;
    GO_ON.1.notify_all();
    assert_eq!(asked.join().unwrap(), 502);
    until("it goes on", || gateway.running().stalled_workers() == 0);
    assert_eq!(lines("a worker that had stalled goes on").len(), 1);
    let stalls = gateway.metrics().sum("ianitor_worker_stalls_total", &[]);
    assert_eq!(stalls, 1);
}
