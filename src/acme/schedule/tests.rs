use super::*;

const DAY: u64 = 86_400;

fn at(days: u64) -> UnixTime {
    UnixTime(days * DAY)
}

#[test]
fn renewals() {
    let window = |start, end| {
        Some(Window {
            start: at(start),
            end: at(end),
        })
    };
    for (to, spread, window, want) in [
        (90, 0.0, None, (at(60), Why::TwoThirds)),
        (90, 1.0, None, (at(63), Why::TwoThirds)),
        (90, 7.5, None, (at(63), Why::TwoThirds)),
        (6, 0.0, None, (at(3), Why::Half)),
        (90, 0.5, window(20, 40), (at(30), Why::Window)),
        (90, 0.5, window(0, 0), (at(0), Why::Window)),
        // No window.
        (90, 0.0, window(40, 20), (at(60), Why::TwoThirds)),
        (90, 0.0, window(91, 95), (at(60), Why::TwoThirds)),
    ] {
        assert_eq!(
            renewal(at(0), at(to), spread, window),
            want,
            "{to} {spread} {window:?}"
        );
    }
}

#[test]
fn a_window_does_not_outlast_the_certificate() {
    let window = Some(Window {
        start: at(80),
        end: at(100),
    });
    assert_eq!(
        renewal(at(0), at(90), 1.0, window),
        (UnixTime(90 * DAY - 3600), Why::Window)
    );
}

#[test]
fn failures_make_patient_but_not_to_the_end() {
    let far = Duration::from_secs(30 * DAY);
    let wait = |kind, failures, left| {
        let life = Life { left, whole: left };
        back_off(kind, failures, life).as_secs()
    };
    assert_eq!(
        [1, 2, 3, 99].map(|n| wait(RetryClass::Transient, n, far)),
        [2, 5, 15, 3600]
    );
    // Whenever they were counted.
    assert_eq!(
        [1, 4, 5, 6, 99].map(|n| wait(RetryClass::Transient, n, Duration::ZERO)),
        [2, 60, 300, 300, 300]
    );
    assert_eq!(
        [6, 99].map(|n| wait(RetryClass::RateLimited, n, Duration::ZERO)),
        [900, 3600]
    );
    // Within minutes at first.
    assert_eq!(
        [0, 1, 2, 3, 4, 99].map(|n| wait(RetryClass::Permanent, n, far)),
        [60, 60, 180, 600, 3600, DAY]
    );
    assert_eq!(
        [0, 1, 2, 99].map(|n| wait(RetryClass::Costly, n, far)),
        [900, 900, 3600, DAY]
    );
    assert_eq!(
        wait(RetryClass::Permanent, 99, Duration::from_secs(8 * 3600)),
        3600
    );
    assert_eq!(wait(RetryClass::Permanent, 99, Duration::from_secs(60)), 60);
    assert_eq!(wait(RetryClass::Costly, 99, Duration::from_secs(60)), 900);
    assert_eq!(wait(RetryClass::Permanent, 99, Duration::ZERO), DAY);
}

/// Five failed validations of a name in an hour, of which one is given back every twelve
/// minutes.
#[test]
fn the_first_retries_stay_within_the_limit_of_lets_encrypt() {
    let all = [ChallengeKind::TlsAlpn01, ChallengeKind::Http01];
    let [alpn, http] = all;
    let tried: Vec<_> = (0..5).map(|refusals| kinds(&all, refusals)).collect();
    assert_eq!(
        tried,
        [
            vec![alpn, http],
            vec![http],
            vec![alpn],
            vec![http],
            vec![alpn, http]
        ]
    );
    assert_eq!(kinds(&[http], 1), [http]);

    let (mut allowance, mut at) = (5.0_f64, 0);
    for refusals in 0..40 {
        allowance -= kinds(&all, refusals).len() as f64;
        assert!(allowance >= 0.0, "too many after {refusals} refusals");
        let wait = back_off(RetryClass::Permanent, refusals + 1, Life::NONE).as_secs();
        at += wait;
        allowance = (allowance + wait as f64 / (12.0 * 60.0)).min(5.0);
    }
    assert!(at > 30 * DAY, "{at}");
}

#[test]
fn with_less_than_a_third_of_its_life_a_certificate_waits_a_twentieth_of_what_is_left() {
    let classes = [RetryClass::Transient, RetryClass::Permanent];
    for (whole, left) in [(90 * DAY, 5 * DAY), (6 * DAY, DAY), (DAY, 4 * HOUR)] {
        for class in classes {
            let (left, whole) = (Duration::from_secs(left), Duration::from_secs(whole));
            let longest = (1..30)
                .map(|failures| back_off(class, failures, Life { left, whole }))
                .max();
            assert!(longest <= Some(left / 20), "{class:?} {left:?} {longest:?}");
        }
    }
}

#[test]
fn an_order_that_is_being_finished_has_hours() {
    let hours = |hours: u64| Duration::from_secs(hours * HOUR);
    let has_order_expired =
        |waited, expires: Option<u64>| has_order_expired(waited, expires.map(at), at(10));
    assert!(!has_order_expired(hours(3), Some(9)) && has_order_expired(hours(4), Some(9)));
    assert!(!has_order_expired(hours(100), Some(11)) && has_order_expired(hours(168), Some(11)));
    assert!(!has_order_expired(hours(23), None) && has_order_expired(hours(24), None));
    let looks = [0, 299, 300, 1199, 1200, 90_000]
        .map(|waited| next_poll(Duration::from_secs(waited)).as_secs());
    assert_eq!(looks, [60, 60, 120, 120, 300, 300]);
}
