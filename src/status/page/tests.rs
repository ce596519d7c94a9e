use super::*;

#[test]
fn what_is_known_of_keys_is_said() {
    assert!(last_fetch(None, UnixTime(1_000)).contains("warn\">never<"));
    assert_eq!(
        last_fetch(Some(UnixTime(910)), UnixTime(1_000)),
        "1 min 30 s ago"
    );
}

#[test]
fn what_is_known_of_a_server_is_said() {
    let quiet = Some(Duration::from_secs(90));
    assert!(state(Server::default()).contains("not used yet"));
    assert!(
        state(Server {
            quiet,
            ..Server::default()
        })
        .contains(">up<")
    );
    assert!(
        state(Server {
            quiet,
            is_failing: true,
            busy: 0
        })
        .contains("connection failed 1 min 30 s ago")
    );
}
