use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::future::join_all;

use super::*;

fn addr(text: &str) -> SocketAddr {
    SocketAddr::new(text.parse().unwrap(), 0)
}

/// One that answers whatever is sent to it, and nothing until then; and how often it was asked.
fn by_hand() -> (
    Resolver,
    mpsc::Sender<io::Result<Vec<SocketAddr>>>,
    Arc<AtomicUsize>,
) {
    let (answers, inbox) = mpsc::channel();
    let (inbox, asked) = (Mutex::new(inbox), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let resolver = Resolver::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        inbox
            .lock()
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    });
    (resolver, answers, asked)
}

#[tokio::test]
async fn a_name_is_looked_up_once_at_a_time() {
    let (resolver, answers, asked) = by_hand();
    let all = join_all((0..100).map(|_| resolver.look_up("app.test")));
    let told = async {
        tokio::task::yield_now().await;
        answers.send(Ok(vec![addr("192.0.2.1")])).unwrap();
    };
    let (all, ()) = tokio::join!(all, told);
    assert!(
        all.into_iter()
            .all(|answer| *answer.unwrap() == [addr("192.0.2.1")])
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    answers.send(Ok(vec![addr("192.0.2.2")])).unwrap();
    assert_eq!(
        *resolver.find("app.test").await.unwrap(),
        [addr("192.0.2.2")],
        "the next look-up is a new one"
    );
}

#[tokio::test]
async fn the_last_good_answer_serves_while_the_name_server_fails_or_is_silent() {
    let (resolver, answers, _) = by_hand();
    answers.send(Ok(vec![addr("192.0.2.1")])).unwrap();
    assert_eq!(
        *resolver.find("app.test").await.unwrap(),
        [addr("192.0.2.1")]
    );
    answers.send(Err(io::ErrorKind::TimedOut.into())).unwrap();
    assert_eq!(
        *resolver.find("app.test").await.unwrap(),
        [addr("192.0.2.1")]
    );
    // Silent from here on.
    assert_eq!(
        *resolver.find("app.test").await.unwrap(),
        [addr("192.0.2.1")]
    );
    drop(answers);
    assert!(
        resolver.look_up("app.test").await.is_err(),
        "who asks for the present is not given the past"
    );
}

#[tokio::test]
async fn a_silent_name_holds_up_no_other_and_takes_no_more_than_its_thread() {
    let silent = Arc::new(AtomicBool::new(true));
    let is_silent = Arc::clone(&silent);
    let resolver = Resolver::new(move |name| {
        while name == "silent.test" && is_silent.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(vec![addr("192.0.2.1")])
    });
    for _ in 0..50 {
        let short = Duration::from_millis(1);
        assert!(
            tokio::time::timeout(short, resolver.find("silent.test"))
                .await
                .is_err()
        );
        assert!(resolver.find("other.test").await.is_ok());
    }
    assert!(
        resolver.0.lock().threads <= 2,
        "{}",
        resolver.0.lock().threads
    );
    silent.store(false, Ordering::SeqCst);
    assert!(resolver.find("silent.test").await.is_ok());
}

#[tokio::test]
async fn a_panic_and_an_empty_answer_are_errors() {
    let resolver = Resolver::new(|name| {
        if name == "panics.test" {
            panic!("as asked")
        } else {
            Ok(Vec::new())
        }
    });
    assert!(resolver.find("panics.test").await.is_err());
    assert_eq!(
        resolver.find("empty.test").await.unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[tokio::test]
async fn names_and_threads_are_bounded() {
    let resolver = Resolver::new(|_| Err(io::ErrorKind::NotFound.into()));
    for n in 0..2 * MOST_NAMES {
        assert!(resolver.find(&format!("n{n}.test")).await.is_err());
    }
    let state = resolver.0.lock();
    assert!(state.names.len() <= MOST_NAMES && state.threads <= THREADS);
}
