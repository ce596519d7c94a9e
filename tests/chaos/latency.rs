//! How long answers take.

use std::sync::Mutex;
use std::time::Duration;

/// The durations of a kind of request.
#[derive(Debug, Default)]
pub(crate) struct Latency(Mutex<Vec<u32>>);

/// Of which 50 and 99 of 100 are no longer than this, and the longest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Latency {
    pub(crate) fn add(&self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.0.lock().unwrap().push(micros);
    }

    /// Sums up what there is, and forgets it.
    pub(crate) fn take(&self) -> Summary {
        let mut all = std::mem::take(&mut *self.0.lock().unwrap());
        all.sort_unstable();
        let at = |share: usize| {
            let micros = all.get((all.len() * share / 100).min(all.len().saturating_sub(1)));
            Duration::from_micros(micros.copied().unwrap_or_default().into())
        };
        Summary {
            count: all.len(),
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            count,
            p50,
            p99,
            max,
        } = self;
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        write!(
            f,
            "{count} answers; 50 % within {:.1} ms, 99 % within {:.1} ms, the last after {:.0} ms",
            ms(p50),
            ms(p99),
            ms(max)
        )
    }
}
