use super::*;

#[test]
fn what_a_ca_says_fits_into_a_log() {
    let long = "x".repeat(100_000);
    let text =
        format!(r#"{{"detail": "{long}", "subproblems": [{{"detail": "a\u001b[31m\nb"}}]}}"#);
    let said = OrderError::Api(serde_json::from_str(&text).unwrap()).to_string();
    assert!(said.len() < 1100 && said.ends_with(": a [31m b"), "{said}");
}
