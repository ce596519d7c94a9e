//! When a server is down.

use std::sync::Mutex;
use std::time::Instant;

/// The times between a server's death and its return.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Outage {
    /// It is killed now.
    pub(crate) fn begin(&self) {
        self.0.lock().unwrap().push((Instant::now(), None));
    }

    /// It is there again, with nothing of what it knew.
    pub(crate) fn end(&self) {
        if let Some((_, end)) = self.0.lock().unwrap().last_mut() {
            *end = Some(Instant::now());
        }
    }

    /// Whether it was down between a moment and now.
    pub(crate) fn includes(&self, since: Instant) -> bool {
        let outages = self.0.lock().unwrap();
        outages
            .iter()
            .any(|(_, end)| end.is_none_or(|end| end > since))
    }
}
