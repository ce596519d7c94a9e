use super::*;

#[test]
fn a_wait_that_was_written_by_a_clock_that_was_ahead_is_not_longer_than_it_was_meant() {
    let left = |now: u64, written: Option<u64>, next: u64| {
        let written = written.map(UnixTime);
        let record = OrderRecord {
            next: Some(UnixTime(next)),
            written,
            ..OrderRecord::default()
        };
        record.left(UnixTime(now)).map(|left| left.as_secs())
    };
    assert_eq!(left(1000, Some(900), 1800), Some(800));
    assert_eq!(left(2000, Some(900), 1800), Some(0));
    // Written six hours ahead.
    assert_eq!(left(1000, Some(22_600), 23_500), Some(900));
    // Written by a version of ianitor without `written`.
    assert_eq!(left(1000, None, 23_500), Some(22_500));
    assert_eq!(OrderRecord::default().left(UnixTime(1)), None);
}
