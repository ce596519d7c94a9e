//! Where the lines of one worker go.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use tracing_appender::non_blocking::NonBlocking;

use super::time::Times;
use super::written::Written;
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
    metrics: Arc<WorkerMetrics>,
}

/// Lines go to the writer at each tick, or when this many bytes are buffered.
const BATCH: usize = 16 * 1024;

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

    pub(super) fn log(&self, line: &Written<'_>) {
        let mut lines = self.lines.borrow_mut();
        line.write(self.format.get(), &mut self.times.borrow_mut(), &mut lines);
        if lines.len() >= BATCH {
            self.hand_over(&mut lines);
        }
    }

    /// Sends the buffered lines to the writer.
    pub fn flush(&self) {
        self.hand_over(&mut self.lines.borrow_mut());
    }

    fn hand_over(&self, lines: &mut Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        if let Some(writer) = &self.writer {
            // Never blocks: if the queue is full, lines are dropped, and the writer counts them.
            let _ = writer.clone().write_all(lines);
        }
        lines.clear();
        lines.shrink_to(BATCH * 2);
    }
}

impl Drop for AccessSink {
    fn drop(&mut self) {
        self.flush();
    }
}
