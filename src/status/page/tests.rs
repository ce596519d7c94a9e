use super::*;
use crate::clock;
use crate::route::health::LastProbe;

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
    assert!(state(Server::default(), None).contains("not used yet"));
    assert!(
        state(
            Server {
                quiet,
                ..Server::default()
            },
            None
        )
        .contains(">up<")
    );
    assert!(
        state(
            Server {
                quiet,
                is_failing: true,
                busy: 0
            },
            None
        )
        .contains("connection failed 1 min 30 s ago")
    );
}

#[test]
fn what_probes_say_goes_before_the_last_connection() {
    let probed = ServerState::default();
    let failing = Server {
        quiet: Some(Duration::from_secs(3)),
        is_failing: true,
        busy: 0,
    };
    assert!(state(failing, Some(&probed)).contains("down"));
    for (word, said) in Probed::NAMES {
        let last = LastProbe {
            at: clock::monotonic(),
            took: Duration::from_millis(2),
            words: "<Janus>".into(),
        };
        probed.set(said);
        probed.note(last, true);
        let shown = state(Server::default(), Some(&probed));
        let is_shown = shown.contains(word) && shown.contains("&lt;Janus&gt;, probed ");
        assert_eq!(is_shown, said != Probed::Unknown, "{shown}");
    }
    probed.set(Probed::Up);
    assert!(state(failing, Some(&probed)).contains("connection failed"));
}
