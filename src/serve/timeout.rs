//! A time limit for a future, measured in ticks.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::tick::Ticks;

/// The future's output, or `None` if it takes longer than the limit.
pub(super) async fn within<F: Future>(
    limit: Duration,
    ticks: &Rc<Ticks>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let alarm = ticks.alarm(limit);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if alarm.is_due(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
