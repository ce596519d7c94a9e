use std::time::SystemTime;

use super::*;

fn after(text: &str, date: Option<&str>) -> Option<u64> {
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap());
    if let Some(date) = date {
        headers.insert(header::DATE, HeaderValue::from_str(date).unwrap());
    }
    bound(&mut headers);
    retry_after(&headers).map(|wait| wait.as_secs())
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    assert_eq!(after("Fri, 31 Dec 1999 23:59:59 GMT", None), Some(0));
    assert_eq!(after(" 120 ", None), Some(120));
    assert_eq!(after("18446744073709551615", None), Some(366 * 86_400));
    assert_eq!(
        (after("-1", None), after("soon", None), after("", None)),
        (None, None, None)
    );
    let later = http_date(SystemTime::now() + Duration::from_secs(600));
    assert!(after(&later, None).is_some_and(|wait| (590..=600).contains(&wait)));
}

fn http_date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at)
}

/// Whatever this machine's clock shows.
#[test]
fn a_date_is_reckoned_from_the_date_of_the_answer() {
    let date = |text: &str| after("Fri, 31 Dec 1999 23:59:59 GMT", Some(text));
    assert_eq!(date("Fri, 31 Dec 1999 23:49:59 GMT"), Some(600));
    assert_eq!(date("Sat, 01 Jan 2000 00:00:00 GMT"), Some(0));
}

#[test]
fn the_end_of_an_order_is_heard_and_that_of_an_authorization_is_not() {
    let mut heard = Hints::default();
    let mut note = |body: &'static str| {
        heard.note(&Response::new(Bytes::from_static(body.as_bytes())));
        heard.order_expires
    };
    assert_eq!(
        note(r#"{"status": "pending", "expires": "2030-01-01T00:00:00Z", "identifier": {}}"#),
        None
    );
    let order = concat!(
        r#"{"status": "processing", "expires": "2030-01-01T00:00:00.25Z", "#,
        r#""finalize": "https://ca/f"}"#
    );
    assert_eq!(note(order), Some(UnixTime(1_893_456_000)));
    assert_eq!(note(r#"{"token": "x"}"#), Some(UnixTime(1_893_456_000)));
}
