//! A reader of `/metrics`.

type Labels = Vec<(String, String)>;

/// Samples by name with labels.
pub(crate) struct Metrics(Vec<(String, Labels, f64)>);

impl Metrics {
    /// Reads the text form, strictly enough to notice what a scraper would stumble over.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"));
        let mut samples = Vec::new();
        let mut families = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let family = rest.split(' ').next().unwrap().to_owned();
                assert!(
                    family.starts_with("ianitor_") && !families.contains(&family),
                    "{line}"
                );
                families.push(family);
            } else if !line.starts_with('#') {
                let sample = sample(line);
                assert!(
                    families
                        .last()
                        .is_some_and(|family| sample.0.starts_with(family)),
                    "{line}"
                );
                assert!(
                    !samples
                        .iter()
                        .any(|(n, l, _)| (n, l) == (&sample.0, &sample.1)),
                    "twice: {line}"
                );
                samples.push(sample);
            }
        }
        Self(samples)
    }

    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |all: &[(String, String)]| {
            labels
                .iter()
                .all(|(k, v)| all.iter().any(|(ak, av)| ak == k && av == v))
        };
        self.0
            .iter()
            .filter(|(n, l, _)| n == name && has(l))
            .map(|(.., value)| *value as u64)
            .sum()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .map(|(name, labels, _)| format!("{name}{labels:?}"))
    }

    pub(crate) fn counters(&self) -> impl Iterator<Item = (String, f64)> {
        let grows = |name: &str| {
            ["_total", "_count", "_bucket", "_sum"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        self.names()
            .zip(&self.0)
            .filter(move |(_, (name, ..))| grows(name))
            .map(|(name, (.., value))| (name, *value))
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (front, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = front.split_once('{').unwrap_or((front, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    let pair = |pair: &str| {
        let (key, value) = pair.split_once("=\"").unwrap();
        (key.to_owned(), value.to_owned())
    };
    // No label of these tests has the sequence in its value.
    let labels = labels
        .trim_end_matches('"')
        .split("\",")
        .filter(|p| !p.is_empty())
        .map(pair)
        .collect();
    (name.to_owned(), labels, value.parse().unwrap())
}
