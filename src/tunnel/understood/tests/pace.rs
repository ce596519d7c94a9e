//! Clients that send faster than their rate.

use std::cell::Cell;
use std::num::NonZeroU32;

use super::*;

fn rate(events: u32, per: Duration, burst: u32) -> Option<Rate> {
    Some(Rate {
        burst: NonZeroU32::new(burst),
        ..Rate::new(events, per)
    })
}

/// This many messages at once, and no more while a test runs.
fn only(burst: u32) -> Setup {
    setup_at(1 << 16, rate(1, Duration::from_secs(3600), burst))
}

fn numbered(number: usize) -> String {
    format!("{{\"n\":{number}}}")
}

/// Whether nothing is there to be read, once the tunnel has done what it can.
async fn has_nothing(peer: &mut Peer) -> bool {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let mut byte = [0];
    let mut read = std::pin::pin!(peer.socket.read(&mut byte));
    std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await
}

impl Peer {
    /// Sends frames of a client: a first byte and an empty payload each.
    async fn send_empty(&mut self, first: u8, count: usize) {
        let frames = [first, 0x80, 0, 0, 0, 0].repeat(count);
        self.socket.write_all(&frames).await.unwrap();
    }
}

#[test]
fn what_a_client_sends_too_fast_goes_on_later_and_in_order() {
    run(async {
        let mut on = setup_at(1 << 16, rate(1000, Duration::from_secs(1), 3));
        for number in 0..30 {
            on.client.send(&numbered(number)).await;
        }
        for number in 0..30 {
            assert_eq!(on.server.next().await, format!("+{}", numbered(number)));
        }
        // Half a message behind those that wait is none that is lost.
        let mut out = Vec::new();
        for number in 0..30 {
            on.client.writer.text(&numbered(number), &mut out);
        }
        let (first, second) = out.split_at(out.len() - 5);
        on.client.socket.write_all(first).await.unwrap();
        for number in 0..29 {
            assert_eq!(on.server.next().await, format!("+{}", numbered(number)));
        }
        on.client.socket.write_all(second).await.unwrap();
        assert_eq!(on.server.next().await, format!("+{}", numbered(29)));
    });
}

#[test]
fn beyond_its_rate_a_client_waits_and_its_server_does_not() {
    run(async {
        let mut on = only(2);
        for number in 0..6 {
            on.client.send(&numbered(number)).await;
        }
        assert_eq!(on.server.next().await, "+{\"n\":0}");
        assert_eq!(on.server.next().await, "+{\"n\":1}");
        for number in 0..9 {
            on.server.send(&numbered(number)).await;
            assert_eq!(on.client.next().await, numbered(number));
        }
        assert!(has_nothing(&mut on.server).await);
        // It is not taken for one that does not answer.
        for _ in 0..200 {
            on.ticks.advance();
            tokio::task::yield_now().await;
            on.server.socket.write_all(&[0x8a, 0]).await.unwrap();
        }
        on.server.send("\"still there\"").await;
        assert_eq!(on.client.next().await, "\"still there\"");
        // A close by the gateway waits for nothing, and what has waited goes no further.
        on.control.close(CloseReason::by_policy("token expired"));
        assert_eq!(on.client.next().await, "close 1008 token expired");
        loop {
            match &*on.server.next().await {
                "ping " => {}
                other => break assert_eq!(other, "close 1008 token expired"),
            }
        }
        on.client.close(1008, "").await;
        on.server.close(1008, "").await;
        on.task.await.unwrap();
    });
}

#[test]
fn pings_and_fragments_count_as_messages() {
    run(async {
        let mut on = only(3);
        on.client.send_empty(0x89, 3).await;
        on.client.send("1").await;
        for _ in 0..3 {
            assert_eq!(on.client.next().await, "pong");
        }
        assert!(has_nothing(&mut on.server).await);

        // A message that has begun is taken whole, whatever it is cut into.
        let mut on = only(3);
        on.client.send_empty(0x01, 1).await;
        on.client.send_empty(0x00, 5).await;
        on.client
            .socket
            .write_all(&[0x80, 0x81, 0, 0, 0, 0, b'1'])
            .await
            .unwrap();
        on.client.send("2").await;
        assert_eq!(on.server.next().await, "+1");
        assert!(has_nothing(&mut on.server).await);
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test has no list of tasks")]
fn without_a_rate_any_number_passes_and_other_tunnels_have_their_turn() {
    run(async {
        let mut on = setup(1 << 22);
        on.client.send_empty(0x8a, 100_000).await;
        on.client.send_empty(0x01, 1).await;
        on.client.send_empty(0x00, 100_000).await;
        let tail = [0x80, 0x81, 0, 0, 0, 0, b'1'];
        on.client.socket.write_all(&tail).await.unwrap();
        // Each turn of the tunnel ends after a few pieces, so other tasks run in between.
        let (turns, counted) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (count, seen) = (Rc::clone(&turns), Rc::clone(&counted));
        let other = tokio::task::spawn_local(async move {
            loop {
                count.set(count.get() + 1);
                have_others_run().await;
            }
        });
        let arrived = async {
            let message = on.server.next().await;
            seen.set(turns.get());
            message
        };
        assert_eq!(arrived.await, "+1");
        other.abort();
        assert!(counted.get() > 5, "{counted:?}");
    });
}

/// Ends this turn of the task.
async fn have_others_run() {
    let mut has_run = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_run, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
