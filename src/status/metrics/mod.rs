//! `/metrics`: the counters in the text form that Prometheus reads (OpenMetrics 1.0).

mod certificates;
mod family;
mod health;
mod messages;
mod old_text;
mod overload;
mod retries;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use self::family::{Family, Labels, Numbers, Sample, Scrape, Spread};
use super::board::{Board, Group};
use crate::telemetry::access::End;
use crate::telemetry::metrics::{
    DURATIONS, Handshake, ListenerCounts, RouteCounts, RouteName, STATUS_CLASSES, WorkerMetrics,
};
use crate::telemetry::panics;
use crate::token::issuer::Issuer;

/// The media type.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics, with their media type, in the text form that the scraper knows.
pub(super) fn encode_for(scraper: &HeaderMap, board: &Board) -> (&'static str, String) {
    let text = encode(board);
    match old_text::is_wanted(scraper) {
        true => (old_text::CONTENT_TYPE, old_text::from_openmetrics(&text)),
        false => (CONTENT_TYPE, text),
    }
}

/// All metrics in text form.
fn encode(board: &Board) -> String {
    let mut out = String::with_capacity(32 * 1024);
    let mut registry = Registry::with_prefix("ianitor");
    registry.register_collector(Box::new(Scrape(Numbers::of(board))));
    // Writing to a String does not fail.
    let _ = text::encode(&mut out, &registry);
    out
}

/// The counters of one kind of listener.
type CountsOf = fn(&WorkerMetrics) -> &ListenerCounts;

impl Numbers {
    fn of(board: &Board) -> Self {
        let mut numbers = Self::default();
        numbers.process(board);
        numbers.older(board);
        numbers.connections(board);
        numbers.overload(board);
        numbers.routes(&board.routes());
        numbers.words(board);
        numbers.upstreams(board);
        numbers.health(board);
        numbers.retries(board);
        numbers.messages(board);
        numbers.certificates(board);
        numbers.orders(&board.orders());
        numbers.deploys(&board.deploys());
        numbers.issuers(board);
        numbers
    }

    fn older(&mut self, board: &Board) {
        let older = board.older();
        let one = |value: usize| [(Labels::new(), value as f64)];
        self.gauge(
            "older_processes",
            "Processes that an upgrade has replaced and that still drain",
            one(older.processes),
        );
        self.gauge(
            "older_connections",
            "Connections that are open in them",
            one(older.connections),
        );
    }

    fn process(&mut self, board: &Board) {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        self.0.push(("build", "The program", Family::Info(version)));
        let one = |value| [(Labels::new(), value)];
        self.gauge(
            "start_time_seconds",
            "When the process started, in Unix time",
            one(unix(board.started_at())),
        );
        self.gauge(
            "workers",
            "Worker threads",
            one(board.workers().len() as f64),
        );
        self.gauge(
            "draining",
            "1 while the gateway is stopping",
            one(f64::from(u8::from(board.is_draining()))),
        );
        let ready = f64::from(u8::from(board.unready().is_empty()));
        self.gauge("ready", "1 if /readyz answers 200", one(ready));
        let reloads = board.reloads();
        let by_result = [("ok", reloads.taken), ("failed", reloads.refused)];
        let samples = by_result.map(|(result, n)| (vec![("result", result.to_owned())], n));
        self.counter(
            "reloads",
            "Reloads, by whether the new configuration was applied",
            samples,
        );
        let (at, is_taken) = reloads.last.unwrap_or((board.started_at(), true));
        self.gauge(
            "last_reload_timestamp_seconds",
            "When the configuration was last reloaded or started",
            one(unix(at)),
        );
        let is_taken = f64::from(u8::from(is_taken));
        self.gauge(
            "last_reload_successful",
            "1 if the last reload was applied",
            one(is_taken),
        );
        let by_worker = |of: fn(&WorkerMetrics) -> u64| {
            let workers = board.workers().iter().enumerate();
            workers
                .map(|(number, worker)| (vec![("worker", number.to_string())], of(worker)))
                .collect::<Vec<_>>()
        };
        let stalled = by_worker(|worker| u64::from(worker.pulse.is_stalled()));
        self.gauge(
            "worker_stalled",
            "1 while a worker has not ticked for five seconds",
            stalled.into_iter().map(|(worker, n)| (worker, n as f64)),
        );
        self.counter(
            "worker_stalls",
            "How often a worker has stalled",
            by_worker(|worker| worker.pulse.stalls()),
        );
        self.counter(
            "panics",
            "Faults of the gateway; each is in the log with a backtrace",
            [(Labels::new(), panics::count())],
        );
        let lost = board.lost_audit_lines();
        let lost = lost.map(|(reason, n)| (vec![("reason", reason.to_owned())], n));
        self.counter(
            "audit_lines_lost",
            "Lines of the audit log that were not written, by reason",
            lost,
        );
    }

    fn connections(&mut self, board: &Board) {
        let listeners: [(&str, CountsOf); 3] = [
            ("https", |w| &w.https),
            ("http", |w| &w.http),
            ("plain", |w| &w.plain),
        ];
        let labels = |listener: &str| vec![("listener", listener.to_owned())];
        let accepted = listeners
            .map(|(name, counts_of)| (labels(name), board.sum(|w| &counts_of(w).accepted)));
        let open = listeners.map(|(name, counts_of)| {
            let open = board.workers().iter().map(|w| counts_of(w).open());
            (labels(name), open.sum::<u64>() as f64)
        });
        self.counter(
            "connections_accepted",
            "Client connections that were accepted",
            accepted,
        );
        self.gauge(
            "connections_open",
            "Client connections that are open, tunnels included",
            open,
        );
        let of_workers = board.workers().iter().enumerate().map(|(number, worker)| {
            let open = listeners.map(|(_, counts_of)| counts_of(worker).open() as f64);
            (vec![("worker", number.to_string())], open.iter().sum())
        });
        self.gauge(
            "worker_connections_open",
            "Client connections that are open, by worker",
            of_workers,
        );
        self.counter(
            "connections_handed_over",
            "Client connections that one worker accepted and another one serves",
            [(Labels::new(), board.sum(|w| &w.handed_over))],
        );
        let handshakes = Handshake::ALL.map(|(how, version, outcome)| {
            let labels = vec![
                ("version", version.to_owned()),
                ("outcome", outcome.to_owned()),
            ];
            (labels, board.sum(|w| &w.handshakes[how as usize]))
        });
        self.counter(
            "tls_handshakes",
            "TLS handshakes, by version and outcome",
            handshakes,
        );
    }

    fn routes(&mut self, routes: &BTreeMap<RouteName, Group<RouteCounts>>) {
        // Connections of `[[passthrough]]` have no requests.
        let asked = || routes.iter().filter(|(name, _)| !name.is_passthrough());
        let requests = asked().flat_map(|(name, counts)| {
            let class = |(at, class): (usize, &&str)| {
                (with(name, "status", class), counts.sum(|c| &c.requests[at]))
            };
            STATUS_CLASSES
                .iter()
                .enumerate()
                .map(class)
                .collect::<Vec<_>>()
        });
        self.counter(
            "requests",
            "Requests, as in the access log, without tunnels",
            requests,
        );
        let durations = asked().map(|(name, counts)| Sample {
            labels: labels(name),
            value: spread(counts),
        });
        let help = "Time from a request head to the last byte of its response";
        self.0.push((
            "request_duration_seconds",
            help,
            Family::Histogram(durations.collect()),
        ));
        let received = routes
            .iter()
            .map(|(name, counts)| (labels(name), counts.sum(|c| &c.received)));
        self.counter(
            "received_bytes",
            "Body and tunnel bytes from clients",
            received,
        );
        let sent = routes
            .iter()
            .map(|(name, counts)| (labels(name), counts.sum(|c| &c.sent)));
        self.counter("sent_bytes", "Body and tunnel bytes to clients", sent);
        let opened = |counts: &Group<RouteCounts>| counts.sum(|c| &c.tunnels_opened);
        // Most routes never have a tunnel.
        let tunnels: Vec<_> = routes
            .iter()
            .filter(|(_, counts)| opened(counts) > 0)
            .collect();
        let samples = tunnels
            .iter()
            .map(|(name, counts)| (labels(name), opened(counts)));
        self.counter(
            "tunnels_opened",
            "WebSockets and passed-through connections that were opened",
            samples,
        );
        let samples = tunnels
            .iter()
            .map(|(name, counts)| (labels(name), counts.tunnels() as f64));
        self.gauge(
            "tunnels_open",
            "WebSockets and passed-through connections that are open",
            samples,
        );
        let ended = tunnels.iter().flat_map(|(name, counts)| {
            let end = |end: End| {
                (
                    with(name, "end", end.name()),
                    counts.sum(|c| &c.tunnels_ended[end as usize]),
                )
            };
            End::ALL.map(end)
        });
        self.counter(
            "tunnels_ended",
            "WebSockets and passed-through connections that were closed, by `end` of the log",
            ended,
        );
    }

    fn words(&mut self, board: &Board) {
        let by_reason = |words: BTreeMap<&'static str, u64>| {
            // The reasons in close frames have spaces.
            let mut sums = BTreeMap::<String, u64>::new();
            for (word, n) in words {
                *sums.entry(word.replace(' ', "_")).or_default() += n;
            }
            sums.into_iter()
                .map(|(word, n)| (vec![("reason", word)], n))
                .collect::<Vec<_>>()
        };
        let refused = by_reason(board.words(|w| w.refused.words()));
        self.counter(
            "connections_refused",
            "Connections that were rejected, by the limit",
            refused,
        );
        let failures = by_reason(board.words(|w| w.handshake_failures.words()));
        self.counter(
            "tls_handshake_failures",
            "TLS handshakes that failed, by reason",
            failures,
        );
        let heads = by_reason(board.words(|w| w.heads.words()));
        self.counter(
            "heads_refused",
            "Request heads that could not be parsed, by reason; each has a log line",
            heads,
        );
        let refusals = by_reason(board.words(|w| w.refusals.words()));
        let help = "Requests that were rejected or cut off, by the `reason` in their log lines";
        self.counter("refusals", help, refusals);
    }

    fn upstreams(&mut self, board: &Board) {
        let upstreams = board.upstreams();
        let labels = |name: &str, key, value: &str| {
            vec![("upstream", name.to_owned()), (key, value.to_owned())]
        };
        let answers = upstreams.iter().flat_map(|(name, counts)| {
            let class = |(at, class): (usize, &&str)| {
                (
                    labels(name, "status", class),
                    counts.sum(|c| &c.answers[at]),
                )
            };
            // A response always has a status.
            STATUS_CLASSES
                .iter()
                .enumerate()
                .skip(1)
                .map(class)
                .collect::<Vec<_>>()
        });
        self.counter("upstream_answers", "Responses of upstreams", answers);
        let failures = upstreams.iter().flat_map(|(name, counts)| {
            [
                (
                    labels(name, "reason", "unreachable"),
                    counts.sum(|c| &c.unreachable),
                ),
                (labels(name, "reason", "broken"), counts.sum(|c| &c.broken)),
                (labels(name, "reason", "late"), counts.sum(|c| &c.late)),
            ]
        });
        let help = "Requests to upstreams without a response, by cause";
        self.counter("upstream_failures", help, failures);
        let snapshot = board.snapshot();
        let servers = snapshot.routes.upstreams().iter().flat_map(|spec| {
            let server = |name: String| {
                (
                    labels(&spec.name, "server", &name),
                    board.server(&spec.name, &name),
                )
            };
            spec.server_names().map(server).collect::<Vec<_>>()
        });
        let servers: Vec<_> = servers.collect();
        let up = servers
            .iter()
            .map(|(labels, server)| (labels.clone(), f64::from(u8::from(!server.is_failing))));
        self.gauge(
            "upstream_server_up",
            "0 if the last attempt to connect to the server failed",
            up,
        );
        let busy = servers
            .iter()
            .map(|(labels, server)| (labels.clone(), server.busy as f64));
        self.gauge(
            "upstream_server_busy",
            "Requests and tunnels in progress there",
            busy,
        );
    }

    fn issuers(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        let labels = |issuer: &Issuer| vec![("issuer", issuer.spec.name.to_string())];
        let keys = snapshot
            .issuers
            .iter()
            .map(|issuer| (labels(issuer), issuer.key_set().len() as f64));
        self.gauge("issuer_keys", "Keys that verify an issuer's tokens", keys);
        let fetched = snapshot
            .issuers
            .iter()
            .filter_map(|issuer| Some((labels(issuer), issuer.keys.fetched()?)));
        let fetched: Vec<_> = fetched.collect();
        let last = fetched.iter().map(|(labels, fetched)| {
            let at = fetched.last_success().map_or(0, |at| at.0);
            (labels.clone(), at as f64)
        });
        let help = "When an issuer's keys were last fetched, in Unix time; 0 if never";
        self.gauge("issuer_last_fetch_timestamp_seconds", help, last);
        let failures = fetched
            .iter()
            .map(|(labels, fetched)| (labels.clone(), fetched.failures()));
        self.counter(
            "issuer_fetch_failures",
            "Failed fetches of an issuer's keys",
            failures,
        );
    }
}

fn labels(name: &RouteName) -> Labels {
    vec![
        ("host", name.host.to_string()),
        ("route", name.path.to_string()),
    ]
}

fn with(name: &RouteName, key: &'static str, value: &str) -> Labels {
    let mut all = labels(name);
    all.push((key, value.to_owned()));
    all
}

fn spread(counts: &Group<RouteCounts>) -> Spread {
    let bounds = DURATIONS
        .iter()
        .map(|micros| Duration::from_micros(*micros).as_secs_f64())
        .chain([f64::INFINITY]);
    let buckets = bounds
        .enumerate()
        .map(|(at, bound)| (bound, counts.sum(|c| &c.durations.buckets[at])))
        .collect();
    let seconds = Duration::from_micros(counts.sum(|c| &c.durations.micros)).as_secs_f64();
    Spread { buckets, seconds }
}

fn unix(time: SystemTime) -> f64 {
    // Dates before 1970 are reported as 0.
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64().floor())
}
