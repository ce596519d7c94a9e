//! The turns in which a worker makes handshakes.

use tokio::sync::Mutex;
use tokio::task::yield_now;

/// Lets a worker's handshakes begin one at a time. The first step of a handshake takes more CPU
/// time than several requests: if thousands of clients connect at once, everything else that is
/// ready is served between two handshakes, instead of after all of them.
///
/// A client takes its turn when it has sent something, so one that is silent or slow delays no
/// other.
#[derive(Debug, Default)]
pub(super) struct HandshakeTurns {
    /// Held for a turn. Clients get it in the order in which they have asked.
    turn: Mutex<()>,
}

impl HandshakeTurns {
    /// Waits for a turn: until the handshakes before have begun, and the runtime has looked once
    /// for sockets that are ready and has run their tasks.
    pub(super) async fn wait(&self) {
        let _turn = self.turn.lock().await;
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

    use super::*;

    fn runtime() -> LocalRuntime {
        Builder::new_current_thread()
            .build_local(LocalOptions::default())
            .unwrap()
    }

    #[test]
    fn other_tasks_run_between_two_handshakes() {
        let turns = Rc::new(HandshakeTurns::default());
        let log = Rc::new(RefCell::new(Vec::new()));
        runtime().block_on(async {
            let handshakes: Vec<_> = (0..200)
                .map(|number| {
                    let (turns, log) = (Rc::clone(&turns), Rc::clone(&log));
                    tokio::task::spawn_local(async move {
                        turns.wait().await;
                        log.borrow_mut().push(Some(number));
                    })
                })
                .collect();
            let requests = Rc::clone(&log);
            let other = tokio::task::spawn_local(async move {
                loop {
                    requests.borrow_mut().push(None);
                    yield_now().await;
                }
            });
            for handshake in handshakes {
                handshake.await.unwrap();
            }
            other.abort();
        });
        let log = log.borrow();
        let begun: Vec<i32> = log.iter().flatten().copied().collect();
        assert_eq!(begun, (0..200).collect::<Vec<_>>(), "in order");
        // Two are in a row where one turn ends with a handshake and the next begins with one.
        let in_a_row = log
            .windows(3)
            .filter(|three| three.iter().all(Option::is_some));
        assert_eq!(in_a_row.count(), 0, "{log:?}");
    }

    #[test]
    fn a_client_that_is_gone_while_it_waits_takes_no_turn() {
        let turns = Rc::new(HandshakeTurns::default());
        runtime().block_on(async {
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let turns = Rc::clone(&turns);
                    tokio::task::spawn_local(async move { turns.wait().await })
                })
                .collect();
            yield_now().await;
            waiting[0].abort();
            waiting[1].abort();
            for (number, handshake) in waiting.into_iter().enumerate() {
                assert_eq!(handshake.await.is_ok(), number == 2, "{number}");
            }
            turns.wait().await;
        });
    }
}
