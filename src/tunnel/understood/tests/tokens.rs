//! Messages with tokens: what waits while one is verified, and what does not.

use super::*;

/// A message with a token of this name.
fn with(token: &str, name: &str) -> String {
    format!(r#"{{"token":"eyJhbGciOiJIUzI1NiJ9.e30.{token}","{name}":1}}"#)
}

/// The token is verified once this has been called for.
async fn settle(on: &Setup, result: TokenResult) {
    loop {
        let pending = on.verifier.pending.borrow_mut().pop();
        if let Some(pending) = pending {
            return pending.send(result).unwrap();
        }
        tokio::task::yield_now().await;
    }
}

/// Lets the tunnel do what it can.
async fn idle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn each_document_goes_on_by_its_own_token() {
    run(async {
        let mut on = setup(1 << 16);
        let message = [
            with("good", "a"),
            with("bad", "b"),
            "{\"c\":1}".to_owned(),
            with("good", "d"),
        ];
        on.client.send(&message.concat()).await;
        assert_eq!(on.server.next().await, format!("*{}", message[0]));
        assert_eq!(on.server.next().await, "+{\"c\":1}");
        assert_eq!(on.server.next().await, format!("*{}", message[3]));
        assert_eq!(on.client.next().await, "\"bad\"");
    });
}

#[test]
fn what_is_behind_a_token_waits_in_order_and_the_servers_messages_go_on() {
    run(async {
        let mut on = setup(1 << 16);
        let first = with("slow", "b");
        on.client
            .send(&format!("{{\"a\":1}}{first}{{\"c\":1}}"))
            .await;
        on.client.send("{\"d\":1}").await;
        let second = with("slow", "e");
        on.client.send(&format!("{second}{{\"f\":1}}")).await;
        assert_eq!(on.server.next().await, "+{\"a\":1}");
        on.server.send("\"meanwhile\"").await;
        assert_eq!(on.client.next().await, "\"meanwhile\"");
        settle(&on, Ok(())).await;
        assert_eq!(on.server.next().await, format!("*{first}"));
        assert_eq!(on.server.next().await, "+{\"c\":1}");
        assert_eq!(on.server.next().await, "+{\"d\":1}");
        settle(&on, Err(rejected("slow"))).await;
        assert_eq!(on.server.next().await, "+{\"f\":1}");
        assert_eq!(on.client.next().await, "\"slow\"");
        on.client.send("{\"g\":1}").await;
        assert_eq!(on.server.next().await, "+{\"g\":1}");
    });
}

#[test]
fn a_client_cannot_send_without_end_behind_its_token() {
    run(async {
        let mut on = setup(256);
        on.client.send(&with("slow", "a")).await;
        let message = format!("\"{}\"", "x".repeat(500));
        let mut sent = 0;
        loop {
            tokio::select! {
                biased;
                () = on.client.send(&message) => {}
                () = idle() => break,
            }
            sent += 1;
            assert!(sent < 50);
        }
    });
}

#[test]
fn a_tunnel_is_closed_while_a_token_is_verified() {
    run(async {
        let mut on = setup(1 << 16);
        on.client.send(&with("slow", "a")).await;
        on.client.send("{\"b\":1}").await;
        on.client.close(1000, "").await;
        idle().await;
        on.control.close(CloseReason::by_policy("token expired"));
        assert_eq!(on.client.next().await, "close 1008 token expired");
        assert_eq!(on.server.next().await, "close 1008 token expired");
        on.server.close(1008, "").await;
        on.task.await.unwrap();
    });
}

#[test]
fn a_client_that_waits_for_its_token_is_not_taken_for_one_that_is_gone() {
    run(async {
        let mut on = setup(1 << 16);
        on.client.send(&with("slow", "a")).await;
        idle().await;
        for _ in 0..5 {
            // The server answers each ping.
            on.server.socket.write_all(&[0x8a, 0]).await.unwrap();
            for _ in 0..HEARTBEAT.as_millis() / TICK.as_millis() + 1 {
                on.ticks.advance();
                tokio::task::yield_now().await;
            }
        }
        settle(&on, Ok(())).await;
        let mut next = on.server.next().await;
        while next.starts_with("ping") {
            next = on.server.next().await;
        }
        assert_eq!(next, format!("*{}", with("slow", "a")));
    });
}
