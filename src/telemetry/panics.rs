//! Panics. Each is counted and logged with its backtrace. A connection whose task panics is closed
//! by the runtime; what serves more than one connection goes on by the functions of this module.

use std::any::Any;
use std::backtrace::Backtrace;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;

use super::summed;
use crate::clock;

static COUNT: AtomicU64 = AtomicU64::new(0);

/// The most frames of a backtrace that are logged.
const FRAMES: usize = 32;

/// The pause before a task is started again, which doubles with each panic. The longest one keeps
/// within the limits of CAs.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Logs panics from now on, instead of printing them: a panic must not wait for a reader of
/// standard error.
pub fn install() {
    std::panic::set_hook(Box::new(note));
}

/// How many panics there were since the start.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Counts and logs a panic. Those at one place are summed.
pub fn note(info: &PanicHookInfo<'_>) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let error = message(info.payload());
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    // Symbols are only looked up for a backtrace that is written.
    let (subject, backtrace) = (place.clone(), Backtrace::force_capture());
    summed("panic", &subject, move |times| {
        tracing::error!(times, thread, place, error, "a panic; its backtrace:");
        for frame in frames(&backtrace.to_string()) {
            tracing::error!("{frame}");
        }
    });
}

/// The message of a panic: its first line, without values that may be of a client.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    let line = text.lines().next().unwrap_or_default();
    // The message about an index into a text quotes the text, and that of `unwrap` the error.
    let end = [" of `", ": "]
        .into_iter()
        .filter_map(|mark| line.find(mark))
        .min();
    line[..end.unwrap_or(line.len())].to_owned()
}

/// The frames of a backtrace from the one that panicked, a line each.
fn frames(backtrace: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for line in backtrace.lines().map(str::trim_start) {
        match (line.strip_prefix("at "), all.last_mut()) {
            (Some(place), Some(frame)) => {
                frame.push_str(" at ");
                frame.push_str(without_folder(place));
            }
            _ => all.push(
                line.split_once(": ")
                    .map_or(line, |(_, name)| name)
                    .to_owned(),
            ),
        }
    }
    let is_hook = |frame: &String| frame.contains("rust_begin_unwind");
    let begin = all.iter().position(is_hook).map_or(0, |at| at + 1);
    let own = all
        .iter()
        .skip(begin)
        .filter(|frame| !frame.starts_with("core::panicking"));
    match own.clone().any(|frame| frame != "<unknown>") {
        true => own
            .take(FRAMES)
            .enumerate()
            .map(|(at, frame)| format!("{at:4}: {frame}"))
            .collect(),
        false => {
            vec!["   there are no symbols: ianitor.debug is not beside the program".to_owned()]
        }
    }
}

/// A path without the folder of all dependencies, or of the compiler.
fn without_folder(path: &str) -> &str {
    let begin = ["/registry/src/", "/rustc/"];
    let rest = begin.into_iter().find_map(|folder| path.split_once(folder));
    let rest = rest.and_then(|(_, rest)| rest.split_once('/'));
    rest.map_or(path, |(_, rest)| rest)
}

/// Runs something for one of several connections; `None` if it has panicked, so that the others go
/// on. What it has borrowed and counted is given back while the stack unwinds.
#[inline]
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Waits for a future; `None` if it has panicked.
pub async fn caught_in<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// A task in the background that starts again, after a pause, whenever it panics.
#[derive(Debug)]
pub struct Restarts {
    task: &'static str,
    first: Duration,
    pause: Duration,
}

impl Restarts {
    /// The task's name in the log.
    pub fn of(task: &'static str) -> Self {
        Self::after(task, FIRST_PAUSE)
    }

    fn after(task: &'static str, first: Duration) -> Self {
        let pause = first;
        Self { task, first, pause }
    }

    /// Runs the task once. `None` if it has panicked, when it is time to run it again.
    pub async fn run<T>(&mut self, task: impl Future<Output = T>) -> Option<T> {
        let started = clock::monotonic();
        let ended = caught_in(task).await;
        if ended.is_none() {
            if clock::monotonic().saturating_duration_since(started) > LONGEST_PAUSE {
                self.pause = self.first;
            }
            let (task, pause) = (self.task, humantime::format_duration(self.pause));
            tracing::error!(task, "the task has panicked, and starts again in {pause}");
            tokio::time::sleep(self.pause).await;
            self.pause = LONGEST_PAUSE.min(self.pause * 2);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_does_not_quote_what_a_panic_message_quotes() {
        let shown = |text: &str| message(&text.to_owned());
        let index = "byte index 1 is not a char boundary; it is inside 'é' (bytes 0..2) of `é=tok`";
        assert_eq!(shown(index), index.strip_suffix(" of `é=tok`").unwrap());
        let unwrap = "called `Result::unwrap()` on an `Err` value: BadToken(\"tok\")";
        assert_eq!(shown(unwrap), "called `Result::unwrap()` on an `Err` value");
        assert_eq!(shown("assertion failed\n left: 1"), "assertion failed");
        assert_eq!(message(&7_u32), "a value that is no text");
    }

    #[test]
    fn a_backtrace_begins_where_it_panicked_and_has_no_folders_of_dependencies() {
        let text = "   0: std::backtrace::Backtrace::force_capture
             at /rustc/0a/library/std/src/backtrace.rs:312:9
   1: __rustc::rust_begin_unwind
   2: core::panicking::panic_fmt
   3: gateway::tunnel::raw::poll
             at ./src/tunnel/raw.rs:10:2
   4: tokio::run
             at /home/a/.cargo/registry/src/index-1/tokio-1/src/run.rs:1:1
";
        let shown = [
            "   0: gateway::tunnel::raw::poll at ./src/tunnel/raw.rs:10:2",
            "   1: tokio::run at tokio-1/src/run.rs:1:1",
        ];
        assert_eq!(frames(text), shown);
        assert!(frames("   0: <unknown>\n   1: <unknown>\n")[0].contains("ianitor.debug"));
    }

    #[tokio::test]
    async fn a_task_that_panics_starts_again() {
        let (mut restarts, mut runs) = (Restarts::after("test", Duration::ZERO), 0);
        let ended = loop {
            runs += 1;
            let run = async {
                assert!(runs > 3, "not yet");
                "ended"
            };
            if let Some(ended) = restarts.run(run).await {
                break ended;
            }
        };
        assert_eq!((ended, runs), ("ended", 4));
    }
}
