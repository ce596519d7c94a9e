//! `/metrics`: the counters in the text form that Prometheus reads (OpenMetrics 1.0).

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::board::{Board, Group};
use crate::telemetry::access::End;
use crate::telemetry::metrics::{
    DURATIONS, DoorCounts, Handshake, RouteCounts, RouteName, STATUS_CLASSES, WorkerMetrics,
};
use crate::token::issuer::Issuer;

/// What it is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything, as it is now.
pub(super) fn encode(board: &Board) -> String {
    let mut out = String::with_capacity(32 * 1024);
    let mut registry = Registry::with_prefix("ianitor");
    registry.register_collector(Box::new(Scrape(Numbers::of(board))));
    // Writing to a String does not fail, and neither does what is written here.
    let _ = text::encode(&mut out, &registry);
    out
}

type Labels = Vec<(&'static str, String)>;

/// Which listeners' connections.
type Door = fn(&WorkerMetrics) -> &DoorCounts;

/// One line of a family.
struct Sample<T> {
    labels: Labels,
    value: T,
}

impl<T> fmt::Debug for Sample<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample").field("labels", &self.labels).finish_non_exhaustive()
    }
}

/// A histogram's buckets and sum.
struct Spread {
    buckets: Vec<(f64, u64)>,
    seconds: f64,
}

/// The samples of a family.
#[derive(Debug)]
enum Family {
    Counter(Vec<Sample<u64>>),
    Gauge(Vec<Sample<f64>>),
    Histogram(Vec<Sample<Spread>>),
    Info(Labels),
}

/// A collector is owned by its registry, so the numbers are gathered before.
#[derive(Debug)]
struct Scrape(Numbers);

#[derive(Debug, Default)]
struct Numbers(Vec<(&'static str, &'static str, Family)>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.0.iter().try_for_each(|(name, help, family)| write(&mut encoder, name, help, family))
    }
}

fn write(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, family: &Family) -> fmt::Result {
    let kind = match family {
        Family::Counter(_) => MetricType::Counter,
        Family::Gauge(_) => MetricType::Gauge,
        Family::Histogram(_) => MetricType::Histogram,
        Family::Info(_) => MetricType::Info,
    };
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    match family {
        Family::Counter(samples) => {
            each(&mut metric, samples, |line, value| line.encode_counter::<NoLabelSet, u64, f64>(value, None))
        }
        Family::Gauge(samples) => each(&mut metric, samples, |line, value| line.encode_gauge(&Whole(*value))),
        Family::Histogram(samples) => each(&mut metric, samples, |line, spread| {
            let count = spread.buckets.iter().map(|(_, n)| n).sum();
            line.encode_histogram::<NoLabelSet>(spread.seconds, count, &spread.buckets, None)
        }),
        Family::Info(labels) => metric.encode_info(labels),
    }
}

fn each<T>(
    metric: &mut MetricEncoder<'_>,
    samples: &[Sample<T>],
    write: impl Fn(&mut MetricEncoder<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    samples.iter().try_for_each(|Sample { labels, value }| match labels.is_empty() {
        true => write(metric, value),
        false => write(&mut metric.encode_family(labels)?, value),
    })
}

/// A gauge that is written without a fraction where it has none.
#[derive(Debug)]
struct Whole(f64);

impl EncodeGaugeValue for Whole {
    fn encode(&self, encoder: &mut prometheus_client::encoding::GaugeValueEncoder<'_>) -> fmt::Result {
        if self.0.fract() == 0.0 && self.0.abs() < 1e15 {
            (self.0 as i64).encode(encoder)
        } else {
            self.0.encode(encoder)
        }
    }
}

impl Numbers {
    fn of(board: &Board) -> Self {
        let mut numbers = Self::default();
        numbers.process(board);
        numbers.connections(board);
        numbers.routes(&board.routes());
        numbers.words(board);
        numbers.upstreams(board);
        numbers.certificates(board);
        numbers.issuers(board);
        numbers
    }

    fn counter(&mut self, name: &'static str, help: &'static str, samples: impl IntoIterator<Item = (Labels, u64)>) {
        let samples = samples.into_iter().map(|(labels, value)| Sample { labels, value }).collect();
        self.0.push((name, help, Family::Counter(samples)));
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, samples: impl IntoIterator<Item = (Labels, f64)>) {
        let samples = samples.into_iter().map(|(labels, value)| Sample { labels, value }).collect();
        self.0.push((name, help, Family::Gauge(samples)));
    }

    fn process(&mut self, board: &Board) {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        self.0.push(("build", "The program", Family::Info(version)));
        let one = |value| [(Labels::new(), value)];
        self.gauge("start_time_seconds", "When the process started, in Unix time", one(unix(board.started_at())));
        self.gauge("workers", "Worker threads", one(board.workers().len() as f64));
        self.gauge("draining", "1 while the gateway is being stopped", one(f64::from(u8::from(board.is_draining()))));
        let ready = f64::from(u8::from(board.unready().is_empty()));
        self.gauge("ready", "1 if /readyz answers 200", one(ready));
        let reloads = board.reloads();
        let by_result = [("ok", reloads.taken), ("failed", reloads.refused)];
        let samples = by_result.map(|(result, n)| (vec![("result", result.to_owned())], n));
        self.counter("reloads", "Reloads, by whether the new configuration was taken up", samples);
        let (at, is_taken) = reloads.last.unwrap_or((board.started_at(), true));
        self.gauge("last_reload_timestamp_seconds", "When the last reload was, or the start", one(unix(at)));
        let is_taken = f64::from(u8::from(is_taken));
        self.gauge("last_reload_successful", "1 if the last reload was taken up", one(is_taken));
    }

    fn connections(&mut self, board: &Board) {
        let doors: [(&str, Door); 2] = [("https", |w| &w.https), ("http", |w| &w.http)];
        let labels = |listener: &str| vec![("listener", listener.to_owned())];
        let accepted = doors.map(|(name, door)| (labels(name), board.sum(|w| &door(w).accepted)));
        let open = doors.map(|(name, door)| {
            // Ends are read first: one that comes in between must not make the number negative.
            let closed = board.sum(|w| &door(w).closed);
            (labels(name), board.sum(|w| &door(w).accepted).saturating_sub(closed) as f64)
        });
        self.counter("connections_accepted", "Client connections that were let in", accepted);
        self.gauge("connections_open", "Client connections that are open, tunnels included", open);
        let handshakes = Handshake::ALL.map(|(how, version, outcome)| {
            let labels = vec![("version", version.to_owned()), ("outcome", outcome.to_owned())];
            (labels, board.sum(|w| &w.handshakes[how as usize]))
        });
        self.counter("tls_handshakes", "TLS handshakes, by version and outcome", handshakes);
    }

    fn routes(&mut self, routes: &BTreeMap<RouteName, Group<RouteCounts>>) {
        // What is passed through has no requests to us.
        let asked = || routes.iter().filter(|(name, _)| !name.is_passthrough());
        let requests = asked().flat_map(|(name, counts)| {
            let class = |(at, class): (usize, &&str)| (with(name, "status", class), counts.sum(|c| &c.requests[at]));
            STATUS_CLASSES.iter().enumerate().map(class).collect::<Vec<_>>()
        });
        self.counter("requests", "Requests, as the access log has them; tunnels are not among them", requests);
        let durations = asked().map(|(name, counts)| Sample { labels: labels(name), value: spread(counts) });
        let help = "From a request's head to the last byte of its answer";
        self.0.push(("request_duration_seconds", help, Family::Histogram(durations.collect())));
        let received = routes.iter().map(|(name, counts)| (labels(name), counts.sum(|c| &c.received)));
        self.counter("received_bytes", "Body and tunnel bytes from clients", received);
        let sent = routes.iter().map(|(name, counts)| (labels(name), counts.sum(|c| &c.sent)));
        self.counter("sent_bytes", "Body and tunnel bytes to clients", sent);
        let opened = |counts: &Group<RouteCounts>| counts.sum(|c| &c.tunnels_opened);
        // Most routes never have a tunnel.
        let tunnels: Vec<_> = routes.iter().filter(|(_, counts)| opened(counts) > 0).collect();
        let samples = tunnels.iter().map(|(name, counts)| (labels(name), opened(counts)));
        self.counter("tunnels_opened", "WebSockets, and TLS passed through, that were opened", samples);
        let samples = tunnels.iter().map(|(name, counts)| (labels(name), counts.tunnels() as f64));
        self.gauge("tunnels_open", "WebSockets, and TLS passed through, that are open", samples);
        let ended = tunnels.iter().flat_map(|(name, counts)| {
            let end = |end: End| (with(name, "end", end.name()), counts.sum(|c| &c.tunnels_ended[end as usize]));
            End::ALL.map(end)
        });
        self.counter(
            "tunnels_ended",
            "WebSockets, and TLS passed through, that have ended, by the `end` of their log lines",
            ended,
        );
    }

    fn words(&mut self, board: &Board) {
        let by_reason = |words: BTreeMap<&'static str, u64>| {
            words.into_iter().map(|(word, n)| (vec![("reason", word.to_owned())], n)).collect::<Vec<_>>()
        };
        let refused = by_reason(board.words(|w| w.refused.words()));
        self.counter("connections_refused", "Connections that were not let in, by the limit", refused);
        let heads = by_reason(board.words(|w| w.heads.words()));
        self.counter("heads_refused", "Request heads that never became a request, by why; each has a log line", heads);
        let refusals = by_reason(board.words(|w| w.refusals.words()));
        let help = "Requests refused or cut short, by the `reason` of their log lines";
        self.counter("refusals", help, refusals);
    }

    fn upstreams(&mut self, board: &Board) {
        let upstreams = board.upstreams();
        let labels = |name: &str, key, value: &str| vec![("upstream", name.to_owned()), (key, value.to_owned())];
        let answers = upstreams.iter().flat_map(|(name, counts)| {
            let class = |(at, class): (usize, &&str)| (labels(name, "status", class), counts.sum(|c| &c.answers[at]));
            // An answer always has a status.
            STATUS_CLASSES.iter().enumerate().skip(1).map(class).collect::<Vec<_>>()
        });
        self.counter("upstream_answers", "Answers of upstreams", answers);
        let failures = upstreams.iter().flat_map(|(name, counts)| {
            [
                (labels(name, "reason", "unreachable"), counts.sum(|c| &c.unreachable)),
                (labels(name, "reason", "broken"), counts.sum(|c| &c.broken)),
                (labels(name, "reason", "late"), counts.sum(|c| &c.late)),
            ]
        });
        let help = "Attempts that got no answer: no connection, a broken one or no HTTP, or nothing in time";
        self.counter("upstream_failures", help, failures);
        let snapshot = board.snapshot();
        let servers = snapshot.routes.upstreams().iter().flat_map(|spec| {
            let server = |addr: &_| {
                let addr = ToString::to_string(addr);
                (labels(&spec.name, "server", &addr), board.server(&spec.name, &addr))
            };
            spec.servers.iter().map(server).collect::<Vec<_>>()
        });
        let servers: Vec<_> = servers.collect();
        let up = servers.iter().map(|(labels, server)| (labels.clone(), f64::from(u8::from(!server.is_failing))));
        self.gauge("upstream_server_up", "0 if the server took no connection when it was last asked", up);
        let busy = servers.iter().map(|(labels, server)| (labels.clone(), server.busy as f64));
        self.gauge("upstream_server_busy", "Requests and tunnels under way there", busy);
    }

    fn certificates(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        // Two of one name and file can only be the same; a label set must not come twice.
        let mut ends = BTreeMap::new();
        // When a placeholder ends says nothing of when its host is out of service.
        for info in snapshot.certificates.entries().filter(|info| !info.is_placeholder()) {
            let name = info.names.first().map_or_else(String::new, ToString::to_string);
            ends.insert((name, info.file.display().to_string()), unix(info.not_after));
        }
        let samples = ends.into_iter().map(|((name, file), end)| (vec![("name", name), ("file", file)], end));
        self.gauge("certificate_expiry_timestamp_seconds", "When a certificate ends, in Unix time", samples);
    }

    fn issuers(&mut self, board: &Board) {
        let snapshot = board.snapshot();
        let labels = |issuer: &Issuer| vec![("issuer", issuer.spec.name.to_string())];
        let keys = snapshot.issuers.iter().map(|issuer| (labels(issuer), issuer.key_set().len() as f64));
        self.gauge("issuer_keys", "Keys by which an issuer's tokens are verified", keys);
        let fetched = snapshot.issuers.iter().filter_map(|issuer| Some((labels(issuer), issuer.keys.fetched()?)));
        let fetched: Vec<_> = fetched.collect();
        let last = fetched.iter().map(|(labels, fetched)| {
            let at = fetched.last_success().map_or(0, |at| at.0);
            (labels.clone(), at as f64)
        });
        let help = "When the place of an issuer's keys last answered as it should, in Unix time; 0 is never";
        self.gauge("issuer_last_fetch_timestamp_seconds", help, last);
        let failures = fetched.iter().map(|(labels, fetched)| (labels.clone(), fetched.failures()));
        self.counter("issuer_fetch_failures", "Fetches of an issuer's keys that failed", failures);
    }
}

fn labels(name: &RouteName) -> Labels {
    vec![("host", name.host.to_string()), ("route", name.path.to_string())]
}

fn with(name: &RouteName, key: &'static str, value: &str) -> Labels {
    let mut all = labels(name);
    all.push((key, value.to_owned()));
    all
}

fn spread(counts: &Group<RouteCounts>) -> Spread {
    let bounds = DURATIONS.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64()).chain([f64::INFINITY]);
    let buckets = bounds.enumerate().map(|(at, bound)| (bound, counts.sum(|c| &c.durations.buckets[at]))).collect();
    let seconds = Duration::from_micros(counts.sum(|c| &c.durations.micros)).as_secs_f64();
    Spread { buckets, seconds }
}

fn unix(time: SystemTime) -> f64 {
    // Certificates of before 1970 have ended all the same.
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64().floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(numbers: Numbers) -> String {
        let mut registry = Registry::with_prefix("ianitor");
        registry.register_collector(Box::new(Scrape(numbers)));
        let mut out = String::new();
        text::encode(&mut out, &registry).unwrap();
        out
    }

    #[test]
    fn each_kind_has_its_form() {
        let mut numbers = Numbers::default();
        numbers.counter("seen", "Help", [(vec![("a", "x".to_owned()), ("b", "y".to_owned())], 3)]);
        numbers.gauge("now", "Help", [(Labels::new(), 1_795_295_935.0), (vec![("a", "x".to_owned())], 0.5)]);
        let spread = Spread { buckets: vec![(0.001, 2), (f64::INFINITY, 1)], seconds: 1.5 };
        numbers.0.push(("took", "Help", Family::Histogram(vec![Sample { labels: Labels::new(), value: spread }])));
        let text = text_of(numbers);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "ianitor_seen_total{a=\"x\",b=\"y\"} 3",
                "ianitor_now 1795295935",
                "ianitor_now{a=\"x\"} 0.5",
                "ianitor_took_sum 1.5",
                "ianitor_took_count 3",
                "ianitor_took_bucket{le=\"0.001\"} 2",
                "ianitor_took_bucket{le=\"+Inf\"} 3",
            ]
        );
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_name_cannot_end_its_label() {
        let mut numbers = Numbers::default();
        numbers.counter("seen", "Help", [(vec![("upstream", "a\"} 1\n\\".to_owned())], 3)]);
        let text = text_of(numbers);
        assert_eq!(text.lines().nth(2), Some(r#"ianitor_seen_total{upstream="a\"} 1\n\\"} 3"#));
    }
}
