use super::*;
use crate::serve::in_flight::InFlight;
use bytes::{Buf as _, Bytes};
use std::task::Waker;

fn after(ticks: &Rc<Ticks>, control: &ConnControl, wait: Duration) -> Option<ConnCommand> {
    let limits = Limits::default();
    let mut command = None;
    for _ in 0..wait.as_millis() / TICK.as_millis() {
        ticks.advance();
        control.sweep(&limits);
        command = command.or(control.take_command(&Context::from_waker(Waker::noop())));
    }
    command
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_head_has_little_time_and_an_idle_connection_more() {
    let ticks = Ticks::new();
    let control = ConnControl::new(&ticks, UnreadShare::default());
    assert_eq!(after(&ticks, &control, 70 * SECOND), None);
    control.on_read();
    assert_eq!(after(&ticks, &control, 9 * SECOND), None);
    assert_eq!(
        after(&ticks, &control, 3 * SECOND),
        Some(ConnCommand::LateHead)
    );
}

#[test]
fn requests_may_take_their_time() {
    let ticks = Ticks::new();
    let control = ConnControl::new(&ticks, UnreadShare::default());
    control.on_read();
    let (one, two) = (InFlight::new(&control), InFlight::new(&control));
    assert_eq!(after(&ticks, &control, 500 * SECOND), None);
    drop(one);
    assert_eq!(after(&ticks, &control, 500 * SECOND), None);
    drop(two);
    assert_eq!(after(&ticks, &control, 74 * SECOND), None);
    assert_eq!(
        after(&ticks, &control, 3 * SECOND),
        Some(ConnCommand::Finish)
    );
    assert_eq!(
        after(&ticks, &control, 12 * SECOND),
        Some(ConnCommand::Abort)
    );
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let ticks = Ticks::new();
    let control = ConnControl::new(&ticks, UnreadShare::default());
    let _request = InFlight::new(&control);
    control.on_write(true);
    assert_eq!(after(&ticks, &control, 70 * SECOND), None);
    control.on_write(true);
    assert_eq!(
        after(&ticks, &control, 10 * SECOND),
        Some(ConnCommand::Abort)
    );
    control.on_write(false);
    assert_eq!(after(&ticks, &control, 100 * SECOND), None);
}

#[test]
fn an_answer_that_is_not_taken_is_cut() {
    let ticks = Ticks::new();
    let control = ConnControl::new(&ticks, UnreadShare::default());
    let (request, _other) = (InFlight::new(&control), InFlight::new(&control));
    let mut piece = request.give(Bytes::from_static(b"piece"));
    assert_eq!(after(&ticks, &control, 70 * SECOND), None);
    piece.advance(1);
    assert_eq!(after(&ticks, &control, 70 * SECOND), None);
    drop(piece);
    assert_eq!(after(&ticks, &control, 200 * SECOND), None);
    let _piece = request.give(Bytes::from_static(b"piece"));
    assert_eq!(
        after(&ticks, &control, 80 * SECOND),
        Some(ConnCommand::Abort)
    );
}

#[test]
fn http2_frames_between_requests_are_no_head() {
    let ticks = Ticks::new();
    let control = ConnControl::new(&ticks, UnreadShare::default());
    control.set_h2();
    control.on_read();
    assert_eq!(after(&ticks, &control, 60 * SECOND), None);
}
