//! Metric families and their text format.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

pub(super) type Labels = Vec<(&'static str, String)>;

/// One line of a family.
pub(super) struct Sample<T> {
    pub(super) labels: Labels,
    pub(super) value: T,
}

impl<T> fmt::Debug for Sample<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

/// A histogram's buckets and sum.
pub(super) struct Spread {
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) seconds: f64,
}

/// The samples of a family.
#[derive(Debug)]
pub(super) enum Family {
    Counter(Vec<Sample<u64>>),
    Gauge(Vec<Sample<f64>>),
    Histogram(Vec<Sample<Spread>>),
    Info(Labels),
}

/// Collects samples that were read before, because a registry owns its collectors.
#[derive(Debug)]
pub(super) struct Scrape(pub(super) Numbers);

#[derive(Debug, Default)]
pub(super) struct Numbers(pub(super) Vec<(&'static str, &'static str, Family)>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0
            .0
            .iter()
            .try_for_each(|(name, help, family)| write(&mut encoder, name, help, family))
    }
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    family: &Family,
) -> fmt::Result {
    let kind = match family {
        Family::Counter(_) => MetricType::Counter,
        Family::Gauge(_) => MetricType::Gauge,
        Family::Histogram(_) => MetricType::Histogram,
        Family::Info(_) => MetricType::Info,
    };
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    match family {
        Family::Counter(samples) => each(&mut metric, samples, |line, value| {
            line.encode_counter::<NoLabelSet, u64, f64>(value, None)
        }),
        Family::Gauge(samples) => each(&mut metric, samples, |line, value| {
            line.encode_gauge(&Whole(*value))
        }),
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
    samples
        .iter()
        .try_for_each(|Sample { labels, value }| match labels.is_empty() {
            true => write(metric, value),
            false => write(&mut metric.encode_family(labels)?, value),
        })
}

/// A gauge that is written without a fraction if it is an integer.
#[derive(Debug)]
struct Whole(f64);

impl EncodeGaugeValue for Whole {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::GaugeValueEncoder<'_>,
    ) -> fmt::Result {
        if self.0.fract() == 0.0 && self.0.abs() < 1e15 {
            (self.0 as i64).encode(encoder)
        } else {
            self.0.encode(encoder)
        }
    }
}

impl Numbers {
    pub(super) fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let samples = samples
            .into_iter()
            .map(|(labels, value)| Sample { labels, value })
            .collect();
        self.0.push((name, help, Family::Counter(samples)));
    }

    pub(super) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        let samples = samples
            .into_iter()
            .map(|(labels, value)| Sample { labels, value })
            .collect();
        self.0.push((name, help, Family::Gauge(samples)));
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

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
        numbers.counter(
            "seen",
            "Help",
            [(vec![("a", "x".to_owned()), ("b", "y".to_owned())], 3)],
        );
        numbers.gauge(
            "now",
            "Help",
            [
                (Labels::new(), 1_795_295_935.0),
                (vec![("a", "x".to_owned())], 0.5),
            ],
        );
        let spread = Spread {
            buckets: vec![(0.001, 2), (f64::INFINITY, 1)],
            seconds: 1.5,
        };
        numbers.0.push((
            "took",
            "Help",
            Family::Histogram(vec![Sample {
                labels: Labels::new(),
                value: spread,
            }]),
        ));
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
        numbers.counter(
            "seen",
            "Help",
            [(vec![("upstream", "a\"} 1\n\\".to_owned())], 3)],
        );
        let text = text_of(numbers);
        assert_eq!(
            text.lines().nth(2),
            Some(r#"ianitor_seen_total{upstream="a\"} 1\n\\"} 3"#)
        );
    }
}
