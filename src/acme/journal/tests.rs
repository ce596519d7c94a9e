//! What is waited for, and what is told.

use instant_acme::Problem;

use super::*;
use crate::acme::fixtures::wanting;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn failed(word: &str, retry_after: Option<u64>) -> Failed {
    let problem: Problem =
        serde_json::from_str(&format!(r#"{{"type": "urn:ietf:params:acme:error:{word}", "status": 400}}"#)).unwrap();
    Failed { error: OrderError::Api(problem), retry_after: retry_after.map(|s| NOW.after(Duration::from_secs(s))) }
}

fn wait(failed: &Failed, failures: u32) -> u64 {
    NOW.until(next_try(failed, failures, NOW, None)).as_secs()
}

/// A keeper's journal, in a process of its own.
fn journal(store: &tempfile::TempDir) -> Journal {
    let (shared, spec, cert) = wanting(store);
    Journal::new(shared, &spec, cert, Seen::new())
}

#[tokio::test]
async fn the_next_process_waits_for_what_the_ca_refused_and_not_for_the_next_renewal() {
    let store = tempfile::tempdir().unwrap();
    let now = UnixTime::now();
    let mut before = journal(&store);
    before.failed(&failed("caa", None), None);
    before.plan(now.after(LONGEST), Why::TwoThirds, None).await;
    let mut next = journal(&store);
    next.open().await;
    assert!(next.may_order(now), "{:?}", next.not_before);

    before.plan(UnixTime::default(), Why::Missing, None).await;
    let mut next = journal(&store);
    next.open().await;
    assert!(!next.may_order(now) && next.may_order(now.after(Duration::from_secs(3600))), "{:?}", next.not_before);
}

#[tokio::test]
async fn the_answer_of_another_gateway_stays() {
    let store = tempfile::tempdir().unwrap();
    let (mut one, mut other) = (journal(&store), journal(&store));
    other.plan(UnixTime(5), Why::Missing, None).await;
    let wish = Wish { id: "wish".to_owned(), dry_run: false };
    one.answer(&wish, Ok(()));
    one.plan(UnixTime(6), Why::TwoThirds, None).await;
    other.plan(UnixTime(7), Why::TwoThirds, None).await;
    let kept = other.read().await.unwrap();
    assert_eq!((kept.next, kept.answer.map(|answer| answer.id)), (Some(UnixTime(7)), Some("wish".to_owned())));
}

#[tokio::test]
async fn what_was_damaged_is_written_again() {
    let store = tempfile::tempdir().unwrap();
    let mut journal = journal(&store);
    journal.plan(UnixTime(5), Why::Missing, None).await;
    std::fs::write(store.path().join("certificates/a.example/progress.json"), "[1,2").unwrap();
    journal.plan(UnixTime(5), Why::Missing, None).await;
    assert_eq!(journal.read().await, Some(journal.progress.clone()));
}

#[tokio::test]
async fn what_others_got_ends_our_failures() {
    let store = tempfile::tempdir().unwrap();
    let mut journal = journal(&store);
    journal.failed(&failed("caa", None), None);
    journal.others_succeeded();
    journal.plan(UnixTime(5), Why::TwoThirds, None).await;
    let kept = journal.read().await.unwrap();
    assert_eq!((kept.failures, kept.error, kept.hold), (0, None, false));
}

#[test]
fn whoever_can_mend_it_is_told_how_not_to_wait() {
    let store = tempfile::tempdir().unwrap();
    let hint = |failed: &Failed| {
        let mut journal = journal(&store);
        journal.failed(failed, None);
        journal.hint(&failed.error)
    };
    assert_eq!(hint(&failed("caa", None)).as_deref(), Some("`ianitor certs renew a.example` does not wait for that"));
    assert_eq!((hint(&failed("rateLimited", Some(60))), hint(&failed("serverInternal", None))), (None, None));
}

#[test]
fn a_ca_that_comes_back_finds_us_soon_where_nothing_is_valid() {
    let away = failed("serverInternal", None);
    let wait = |left: u64| {
        let end = Some(UnixTime(NOW.0 + left));
        NOW.until(next_try(&away, 99, NOW, end)).as_secs()
    };
    assert_eq!((wait(86_400), wait(0)), (3600, 300));
    assert_eq!(NOW.until(next_try(&away, 99, NOW, Some(UnixTime(NOW.0 - 1)))).as_secs(), 300);
}

#[test]
fn the_ca_says_how_long_to_wait() {
    assert_eq!(wait(&failed("rateLimited", None), 1), 15 * 60);
    assert_eq!(wait(&failed("rateLimited", Some(30)), 1), 30);
    assert_eq!(wait(&failed("rateLimited", Some(86_400)), 1), 86_400);
    // Nobody limits for a year.
    assert_eq!(wait(&failed("rateLimited", Some(365 * 86_400)), 1), 7 * 86_400);
    // A short word of a CA that refuses is no invitation to ask without end.
    assert_eq!(wait(&failed("rateLimited", Some(1)), 7), 3600);
    assert_eq!(wait(&failed("caa", Some(1)), 1), 15 * 60);
    assert_eq!(wait(&failed("serverInternal", Some(40)), 1), 40);
    // What it may have issued all the same.
    assert_eq!(wait(&OrderError::Late.into(), 1), 15 * 60);
}
