//! What is waited for, and what is told.

use instant_acme::Problem;

use super::*;
use crate::acme::fixtures::wanting;

fn failed(word: &str, retry_after: Option<u64>) -> Failure {
    let problem: Problem = serde_json::from_str(&format!(
        r#"{{"type": "urn:ietf:params:acme:error:{word}", "status": 400}}"#
    ))
    .unwrap();
    Failure {
        error: OrderError::Api(problem),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

fn wait(failed: &Failure, failures: u32) -> u64 {
    next_try(failed, failures, Life::NONE).as_secs()
}

/// How long no order is made.
fn held(state: &OrderState) -> u64 {
    state.not_before.map_or(0, |wait| wait.end.left().as_secs())
}

/// An hour is 3600 seconds and a minute 60, less the time that the test takes.
fn is_about(seconds: u64, expected: u64) -> bool {
    (expected.saturating_sub(50)..=expected).contains(&seconds)
}

/// A task's state, in a process of its own.
fn state(store: &tempfile::TempDir) -> OrderState {
    let (context, spec, cert) = wanting(store);
    OrderState::new(context, &spec, cert)
}

#[tokio::test]
async fn the_next_process_waits_for_what_the_ca_refused_and_not_for_the_next_renewal() {
    let store = tempfile::tempdir().unwrap();
    let now = UnixTime::now();
    let mut before = state(&store);
    before.failed(&failed("caa", None), None);
    before.plan(now.after(LONGEST), Why::TwoThirds, None).await;
    let mut next = state(&store);
    next.open().await;
    assert!(next.may_order(), "{:?}", next.not_before);

    before.plan(UnixTime::default(), Why::Missing, None).await;
    let mut next = state(&store);
    next.open().await;
    assert!(
        !next.may_order() && is_about(held(&next), 60),
        "{:?}",
        next.not_before
    );
}

/// As a machine does that starts with the wrong time and is set by NTP.
#[tokio::test]
async fn a_wait_does_not_grow_when_the_clock_is_set_back() {
    let store = tempfile::tempdir().unwrap();
    crate::clock::set(6 * 3600);
    let mut one = state(&store);
    one.failed(&failed("caa", None), None);
    one.plan(UnixTime::default(), Why::Missing, None).await;
    crate::clock::set(0);
    assert!(is_about(held(&one), 60), "{:?}", one.not_before);

    // The process after it reads what was written six hours ahead.
    let kept = one.read().await.unwrap();
    assert!(
        UnixTime::now().until(kept.next.unwrap()).as_secs() > 6 * 3600 - 10,
        "{kept:?}"
    );
    let mut next = state(&store);
    next.open().await;
    assert!(
        is_about(held(&next), 60) && held(&next) > 0,
        "{:?}",
        next.not_before
    );

    // Everybody is told the date by the clock as it is now.
    for state in [&mut one, &mut next] {
        state.plan(UnixTime::default(), Why::Missing, None).await;
        let kept = state.read().await.unwrap();
        assert!(
            UnixTime::now().until(kept.next.unwrap()).as_secs() <= 60,
            "{kept:?}"
        );
    }
}

/// What a task has written itself does not make it wait again, by whatever clock.
#[tokio::test]
async fn a_wait_that_is_over_is_not_adopted_from_oneself() {
    let store = tempfile::tempdir().unwrap();
    crate::clock::set(6 * 3600);
    let mut state = state(&store);
    state.failed(&failed("caa", None), None);
    state.plan(UnixTime::default(), Why::Missing, None).await;
    crate::clock::set(0);
    state.not_before = Some(Wait::new(Duration::ZERO));
    state.adopt().await;
    assert!(state.may_order(), "{:?}", state.not_before);
}

#[tokio::test]
async fn what_goes_on_is_not_written_again_at_every_look() {
    let store = tempfile::tempdir().unwrap();
    let mut state = state(&store);
    state.failed(&failed("caa", None), None);
    state.plan(UnixTime::default(), Why::Missing, None).await;
    let kept = state.stored.clone();
    std::thread::sleep(Duration::from_millis(1100));
    state.plan(UnixTime::default(), Why::Missing, None).await;
    assert_eq!(state.stored, kept);
}

#[tokio::test]
async fn an_order_that_is_not_finished_is_no_failure_and_is_gone_on_with_at_the_start() {
    let store = tempfile::tempdir().unwrap();
    let mut one = state(&store);
    one.unfinished(Duration::from_secs(3600));
    one.plan(UnixTime::default(), Why::Missing, None).await;
    assert!(!one.may_order() && is_about(held(&one), 3600));
    let kept = one.read().await.unwrap();
    assert_eq!((kept.failures, kept.hold, &kept.error), (0, false, &None));
    assert_eq!(
        kept.why,
        "there is no certificate; the CA has not finished the order"
    );
    let mut next = state(&store);
    next.open().await;
    assert!(next.may_order());
}

/// A day without a network is no reason to be patient with a CA that then refuses, or the other way
/// round.
#[tokio::test]
async fn refusals_and_other_failures_are_counted_apart() {
    let store = tempfile::tempdir().unwrap();
    let mut state = state(&store);
    let mut waits = Vec::new();
    for word in [
        "serverInternal",
        "serverInternal",
        "caa",
        "caa",
        "serverInternal",
        "caa",
    ] {
        state.failed(&failed(word, None), None);
        waits.push(state.not_before.unwrap().end.left().as_secs_f64().ceil());
    }
    assert_eq!(waits, [2.0, 5.0, 60.0, 180.0, 15.0, 600.0]);
    assert_eq!((state.record.failures, state.refusals()), (6, 3));
    state.plan(UnixTime::default(), Why::Missing, None).await;
    let mut next = self::state(&store);
    next.open().await;
    assert_eq!(next.refusals(), 3);
    next.succeeded();
    assert_eq!(next.refusals(), 0);
}

#[tokio::test]
async fn what_was_damaged_is_written_again() {
    let store = tempfile::tempdir().unwrap();
    let mut state = state(&store);
    state.plan(UnixTime(5), Why::Missing, None).await;
    std::fs::write(
        store.path().join("certificates/a.example/progress.json"),
        "[1,2",
    )
    .unwrap();
    state.plan(UnixTime(5), Why::Missing, None).await;
    assert_eq!(state.read().await, Some(state.record.clone()));
}

#[tokio::test]
async fn what_others_got_ends_our_failures() {
    let store = tempfile::tempdir().unwrap();
    let mut state = state(&store);
    state.failed(&failed("caa", None), None);
    state.renewed_elsewhere();
    state.plan(UnixTime(5), Why::TwoThirds, None).await;
    let kept = state.read().await.unwrap();
    assert_eq!((kept.failures, kept.error, kept.hold), (0, None, false));
}

#[test]
fn whoever_can_mend_it_is_told_how_not_to_wait() {
    let store = tempfile::tempdir().unwrap();
    let hint = |failed: &Failure| {
        let mut state = state(&store);
        state.failed(failed, None);
        state.hint(&failed.error)
    };
    assert_eq!(
        hint(&failed("caa", None)).as_deref(),
        Some("`ianitor certs renew a.example` does not wait for that")
    );
    assert_eq!(
        (
            hint(&failed("rateLimited", Some(60))),
            hint(&failed("serverInternal", None))
        ),
        (None, None)
    );
}

#[test]
fn a_ca_that_comes_back_finds_us_soon_where_nothing_is_valid() {
    let away = failed("serverInternal", None);
    let wait = |left: u64| {
        let left = Duration::from_secs(left);
        let whole = Duration::from_secs(90 * 86_400);
        next_try(&away, 99, Life { left, whole }).as_secs()
    };
    assert_eq!((wait(86_400), wait(0)), (3600, 300));
}

#[test]
fn the_ca_says_how_long_to_wait() {
    assert_eq!(wait(&failed("rateLimited", None), 1), 15 * 60);
    assert_eq!(wait(&failed("rateLimited", Some(30)), 1), 30);
    assert_eq!(wait(&failed("rateLimited", Some(86_400)), 1), 86_400);
    // Nobody limits for a year.
    assert_eq!(
        wait(&failed("rateLimited", Some(365 * 86_400)), 1),
        7 * 86_400
    );
    // A short word of a CA that refuses is no invitation to ask without end.
    assert_eq!(wait(&failed("rateLimited", Some(1)), 7), 3600);
    assert_eq!(wait(&failed("caa", Some(1)), 1), 60);
    assert_eq!(wait(&failed("serverInternal", Some(40)), 1), 40);
    // What it has issued all the same.
    assert_eq!(
        wait(
            &OrderError::LacksHost("a.example".parse().unwrap()).into(),
            1
        ),
        15 * 60
    );
    assert_eq!(
        wait(
            &OrderError::GivenUp("https://ca.example/order/1".to_owned()).into(),
            1
        ),
        15 * 60
    );
}
