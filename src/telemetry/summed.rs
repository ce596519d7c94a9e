//! Warnings that traffic can cause. The first one is logged at once, then at most one line per
//! [`PAUSE`] says how often it has happened since, so that clients cannot fill the log.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock;

/// The shortest time between two lines of one kind about one subject.
const PAUSE: Duration = Duration::from_secs(10);

/// The most kinds and subjects at a time. Subjects beyond it share one line per kind.
const MOST: usize = 512;

/// Writes a line, given how many occurrences it stands for; `None` for a single one, whose line
/// has no such field.
type Line = Box<dyn FnOnce(Option<u64>) + Send>;

static SUMS: LazyLock<Sums> = LazyLock::new(Sums::default);

/// Logs a warning of a kind about a subject (an upstream, a server, an address), or counts it for
/// the next line. `line` writes it, with the number of occurrences in a field `times`.
pub fn summed(kind: &'static str, subject: &str, line: impl FnOnce(Option<u64>) + Send + 'static) {
    SUMS.add(kind, subject, clock::monotonic(), line);
}

/// Writes the lines that are due. Workers call it at each tick.
pub fn write_due() {
    SUMS.write(clock::monotonic(), false);
}

/// Writes all lines, as the last thing that a process does.
pub(super) fn write_all() {
    SUMS.write(clock::monotonic(), true);
}

/// What has been counted, by kind and subject.
#[derive(Default)]
struct Sums(Mutex<HashMap<&'static str, HashMap<Box<str>, Sum>>>);

/// One kind about one subject.
struct Sum {
    /// When the last line was written.
    said: Instant,
    /// How often it has happened since.
    times: u64,
    /// The first occurrence since: the next line describes it.
    line: Option<Line>,
}

impl Sums {
    fn add(
        &self,
        kind: &'static str,
        subject: &str,
        now: Instant,
        line: impl FnOnce(Option<u64>) + Send + 'static,
    ) {
        let times = {
            let mut sums = self.0.lock();
            let is_full = sums.values().map(HashMap::len).sum::<usize>() >= MOST;
            let of_kind = sums.entry(kind).or_default();
            let subject = match is_full && !of_kind.contains_key(subject) {
                true => "",
                false => subject,
            };
            let Some(sum) = of_kind.get_mut(subject) else {
                of_kind.insert(subject.into(), Sum::new(now));
                drop(sums);
                return line(None);
            };
            sum.times += 1;
            if !sum.is_due(now) {
                sum.line.get_or_insert_with(|| Box::new(line));
                return;
            }
            // A newer occurrence takes the place of the one that was kept.
            std::mem::replace(sum, Sum::new(now)).times
        };
        // Written without the lock, as is every line.
        line(shown(times));
    }

    /// Writes the lines that are due, or all, and forgets what has not happened again.
    fn write(&self, now: Instant, all: bool) {
        let mut due: Vec<(Line, u64)> = Vec::new();
        self.0.lock().retain(|_, of_kind| {
            of_kind.retain(|_, sum| {
                if !all && !sum.is_due(now) {
                    return true;
                }
                let sum = std::mem::replace(sum, Sum::new(now));
                let times = sum.times;
                due.extend(sum.line.map(|line| (line, times)));
                times > 0
            });
            !of_kind.is_empty()
        });
        for (line, times) in due {
            line(shown(times));
        }
    }
}

impl Sum {
    fn new(said: Instant) -> Self {
        Self {
            said,
            times: 0,
            line: None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.said) >= PAUSE
    }
}

fn shown(times: u64) -> Option<u64> {
    (times > 1).then_some(times)
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sums")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Sums, and what they have written.
    #[derive(Default)]
    struct Fixture {
        sums: Sums,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Fixture {
        fn add(&self, kind: &'static str, subject: &str, now: Instant) {
            let (lines, text) = (Arc::clone(&self.lines), format!("{kind} {subject}"));
            let line = move |times| lines.lock().push(format!("{text} {times:?}"));
            self.sums.add(kind, subject, now, line);
        }

        fn lines(&self) -> Vec<String> {
            std::mem::take(&mut *self.lines.lock())
        }
    }

    #[test]
    fn the_first_is_written_at_once_then_one_line_for_each_pause() {
        let (all, start) = (Fixture::default(), Instant::now());
        all.add("late", "a", start);
        assert_eq!(all.lines(), ["late a None"]);
        for n in 1..=59 {
            all.add("late", "a", start + PAUSE * n / 60);
        }
        all.sums
            .write(start + PAUSE - Duration::from_millis(1), false);
        assert_eq!(all.lines(), [""; 0]);
        all.sums.write(start + PAUSE, false);
        assert_eq!(all.lines(), ["late a Some(59)"]);
        // One more is written when the next pause is over, without a number.
        all.add("late", "a", start + PAUSE + PAUSE / 2);
        all.sums.write(start + PAUSE * 2, false);
        assert_eq!(all.lines(), ["late a None"]);
    }

    #[test]
    fn kinds_and_subjects_are_counted_apart() {
        let (all, start) = (Fixture::default(), Instant::now());
        for _ in 0..3 {
            all.add("late", "a", start);
            all.add("late", "b", start);
            all.add("broken", "a", start);
        }
        assert_eq!(all.lines(), ["late a None", "late b None", "broken a None"]);
        all.sums.write(start, true);
        let mut rest = all.lines();
        rest.sort();
        assert_eq!(
            rest,
            ["broken a Some(2)", "late a Some(2)", "late b Some(2)"]
        );
    }

    #[test]
    fn what_does_not_happen_again_is_forgotten_and_written_at_once_the_next_time() {
        let (all, start) = (Fixture::default(), Instant::now());
        all.add("late", "a", start);
        all.sums.write(start + PAUSE, false);
        assert!(all.sums.0.lock().is_empty());
        all.add("late", "a", start + PAUSE);
        assert_eq!(all.lines(), ["late a None", "late a None"]);
    }

    #[test]
    fn subjects_are_bounded() {
        let (all, start) = (Fixture::default(), Instant::now());
        for n in 0..2 * MOST {
            all.add("late", &n.to_string(), start);
        }
        assert_eq!(all.lines().len(), MOST + 1);
        all.sums.write(start + PAUSE, false);
        let rest = all.lines();
        assert!(
            rest.len() == 1 && rest[0].ends_with(" Some(511)"),
            "{rest:?}"
        );
    }
}
