//! A request's whole body in memory: forms, and messages that are looked into.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hyper::body::Body as _;

use super::body::RequestBody;
use super::fault::BodyFault;

/// A body up to this size never waits for others.
const SMALL: usize = 16 * 1024;

impl RequestBody {
    /// Reads the whole body: at most `most` bytes, within `time`.
    ///
    /// # Errors
    /// If it is larger, takes longer or breaks off, or the client has too much in memory. What is
    /// left of it is dealt with when the body is dropped.
    pub async fn read_whole(&mut self, most: u64, time: Duration) -> Result<Vec<u8>, BodyFault> {
        let Some(ticks) = self.ticks() else {
            return Ok(Vec::new());
        };
        if self.size_hint().lower() > most {
            return Err(BodyFault::TooLarge);
        }
        self.limit(most, time);
        // The limit alone gives each piece that time, and a piece may be a single byte.
        let late = ticks.alarm(time);
        let mut whole = Vec::new();
        loop {
            let frame = poll_fn(|cx| match Pin::new(&mut *self).poll_frame(cx) {
                Poll::Pending if late.is_due(cx) => Poll::Ready(Some(Err(BodyFault::Stalled))),
                polled => polled,
            });
            match frame.await {
                Some(frame) => {
                    if let Some(data) = frame?.data_ref() {
                        if whole.len() + data.len() > SMALL && !self.may_hold() {
                            return Err(BodyFault::NoRoom);
                        }
                        self.hold(data.len());
                        whole.extend_from_slice(data);
                    }
                }
                None => return Ok(whole),
            }
        }
    }
}
