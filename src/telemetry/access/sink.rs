//! Where the lines of one worker go.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::NonBlocking;

use super::time::Times;
use super::written::Written;
use crate::clock;
use crate::telemetry::LogFormat;
use crate::telemetry::metrics::WorkerMetrics;

/// Buffers the lines of one worker for the writer, and counts them.
#[derive(Debug)]
pub struct AccessSink {
    writer: Option<NonBlocking>,
    format: Cell<LogFormat>,
    enabled: Cell<bool>,
    stopping: Cell<bool>,
    lines: RefCell<Vec<u8>>,
    times: RefCell<Times>,
    /// When lines were last sent to the writer.
    sent_at: Cell<Option<Instant>>,
    metrics: Arc<WorkerMetrics>,
}

/// Lines go to the writer at each tick, or when this many bytes are buffered.
const BATCH: usize = 16 * 1024;

/// A line after a pause of this length goes to the writer at once: an operator who follows the
/// log of a quiet gateway sees a request when it ends, and a busy worker wakes the writer seldom.
const PAUSE: Duration = Duration::from_millis(100);

impl AccessSink {
    /// A sink that writes to `writer`, if there is one, and counts in `metrics`.
    pub fn new(writer: Option<NonBlocking>, metrics: Arc<WorkerMetrics>) -> Rc<Self> {
        let (format, enabled) = (Cell::new(LogFormat::Text), Cell::new(false));
        Rc::new(Self {
            writer,
            format,
            enabled,
            stopping: Cell::new(false),
            lines: RefCell::default(),
            times: RefCell::new(Times::new()),
            sent_at: Cell::new(None),
            metrics,
        })
    }

    /// Applies `[log]`.
    pub fn configure(&self, format: LogFormat, enabled: bool) {
        self.format.set(format);
        self.enabled.set(enabled && self.writer.is_some());
    }

    /// From now on, requests and tunnels that are still open are ended by the gateway.
    pub fn set_stopping(&self) {
        self.stopping.set(true);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Whether lines are written.
    pub fn is_enabled(&self) -> bool {
        self.enabled.get()
    }

    /// Writes a line at this moment.
    pub(super) fn log(&self, line: &Written<'_>, now: Instant) {
        let mut lines = self.lines.borrow_mut();
        line.write(self.format.get(), &mut self.times.borrow_mut(), &mut lines);
        let sent_at = self.sent_at.get();
        let is_quiet = sent_at.is_none_or(|sent_at| now.saturating_duration_since(sent_at) > PAUSE);
        if is_quiet || lines.len() >= BATCH {
            self.hand_over(&mut lines, now);
        }
    }

    /// Sends the buffered lines to the writer.
    pub fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        if !lines.is_empty() {
            self.hand_over(&mut lines, clock::monotonic());
        }
    }

    fn hand_over(&self, lines: &mut Vec<u8>, now: Instant) {
        if let Some(writer) = &self.writer {
            // Never blocks: if the queue is full, lines are dropped, and the writer counts them.
            let _ = writer.clone().write_all(lines);
        }
        self.sent_at.set(Some(now));
        lines.clear();
        lines.shrink_to(BATCH * 2);
    }
}

impl Drop for AccessSink {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tracing_appender::non_blocking::NonBlockingBuilder;

    use super::super::{Head, Line};
    use super::*;
    use crate::addr::ClientAddr;
    use crate::telemetry::request_id::{RequestId, RequestIds};

    /// What the writer has written.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Writes a line at this moment, and returns how many bytes wait for the tick.
    fn log(sink: &AccessSink, id: RequestId, now: Instant) -> usize {
        let line = Written {
            id,
            client: ClientAddr::new("192.0.2.1".parse().unwrap()),
            head: &Head::unknown(),
            line: &Line::default(),
        };
        sink.log(&line, now);
        sink.lines.borrow().len()
    }

    #[test]
    fn a_line_after_a_pause_is_sent_at_once_and_others_together() {
        let output = Output::default();
        let (writer, guard) = NonBlockingBuilder::default().finish(output.clone());
        let sink = AccessSink::new(Some(writer), WorkerMetrics::new());
        let (ids, start) = (RequestIds::new(), clock::monotonic());
        let mut written = Vec::new();
        let mut send = |after| {
            let id = ids.next();
            written.push(id.to_string());
            log(&sink, id, start + after)
        };
        assert_eq!(send(Duration::ZERO), 0);
        let line = send(Duration::from_millis(1));
        assert!(line > 0);
        assert_eq!(send(PAUSE), 2 * line);
        assert_eq!(send(PAUSE + Duration::from_millis(1)), 0);
        assert_eq!(send(PAUSE * 2), line);
        for waiting in 2..BATCH.div_ceil(line) {
            assert_eq!(send(PAUSE * 2), waiting * line);
        }
        assert_eq!(send(PAUSE * 2), 0);
        assert_eq!(send(PAUSE * 2), line);
        // The rest is sent when the worker ends.
        drop((sink, guard));
        let output = String::from_utf8(std::mem::take(&mut *output.0.lock())).unwrap();
        let ids: Vec<&str> = output
            .lines()
            .map(|line| line.rsplit_once(" id=").unwrap().1)
            .collect();
        assert_eq!(ids, written);
    }
}
