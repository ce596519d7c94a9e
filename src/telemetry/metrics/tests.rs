use super::counts::WORDS;
use super::*;
use crate::telemetry::access::End;

#[test]
fn words_are_counted_apart_and_never_run_out() {
    let tally = Tally::default();
    tally.inc("path");
    tally.inc("rate");
    tally.inc("path");
    assert_eq!(
        tally.words().collect::<Vec<_>>(),
        [("path", 2), ("rate", 1)]
    );
    for n in 0..2 * WORDS {
        tally.inc(Box::leak(n.to_string().into_boxed_str()));
    }
    assert_eq!(
        tally.words().map(|(_, n)| n).sum::<u64>(),
        3 + 2 * WORDS as u64
    );
    assert_eq!(tally.words().count(), WORDS + 1);
}

#[test]
fn enums_count_where_their_names_stand() {
    assert!(
        Handshake::ALL
            .iter()
            .enumerate()
            .all(|(at, (how, ..))| *how as usize == at)
    );
    assert!(
        End::ALL
            .iter()
            .enumerate()
            .all(|(at, end)| *end as usize == at)
    );
    let classes = [0, 100, 204, 308, 499, 502, 600].map(|status| STATUS_CLASSES[class_of(status)]);
    assert_eq!(classes, ["none", "1xx", "2xx", "3xx", "4xx", "5xx", "none"]);
}

#[test]
fn durations_fall_into_buckets_by_their_upper_bound() {
    let durations = Durations::default();
    for micros in [0, 1_000, 1_001, 80_000_000] {
        durations.record(Duration::from_micros(micros));
    }
    let filled: Vec<u64> = durations.buckets.iter().map(Count::get).collect();
    assert_eq!((filled[0], filled[1], filled[DURATIONS.len()]), (2, 1, 1));
    assert_eq!(durations.micros.get(), 80_002_001);
    assert!(DURATIONS.is_sorted());
}

#[test]
fn a_name_keeps_its_counters() {
    let metrics = WorkerMetrics::new();
    let name = || RouteName {
        host: "*".into(),
        path: "/janus".into(),
    };
    metrics.route(name()).requests[2].inc();
    assert_eq!(metrics.route(name()).requests[2].get(), 1);
    assert_eq!(metrics.routes().len(), 2);
}
