//! Asking the running gateway for an order, by way of the store.

use std::pin::pin;
use std::time::{Duration, Instant};

use ianitor::store::{CertStore, Name, OrderRequest, StoreError};
use ianitor::telemetry::request_id::RequestIds;

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A gateway looks every few seconds, unless it is busy with an order; one that has not looked for
/// this long is not there.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);

/// What became of a wish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The gateway did it.
    Done,
    /// The gateway tried; what it failed of, with the CA's words.
    Failed(String),
    /// No gateway took it. It is taken back.
    NotTaken,
    /// Another wish has taken its place.
    Replaced,
    /// A gateway took it, and has not done it in time.
    Late,
    /// Whoever asked does not want it any more. It is taken back, unless a gateway has it.
    GivenUp,
}

/// What the gateway is asked for.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    /// Of which certificate.
    pub(super) name: &'a Name,
    /// Whether nothing of it is to be kept.
    pub(super) dry_run: bool,
    /// For the person who waits: "order a new certificate".
    pub(super) what: &'a str,
    /// For how long.
    pub(super) wait: Duration,
}

/// Asks, says so, and waits for what becomes of it.
pub(super) async fn ask(store: &dyn CertStore, ask: Ask<'_>) -> Result<Outcome, StoreError> {
    let Ask {
        name,
        dry_run,
        what,
        wait,
    } = ask;
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    // It is heard from the first time that it is asked, which has to be before there is something
    // to take back.
    tokio::select! {
        biased;
        _ = &mut interrupt => return Ok(Outcome::GivenUp),
        () = std::future::ready(()) => {}
    }
    let wish = OrderRequest {
        id: RequestIds::new().next().to_string(),
        dry_run,
    };
    store.put_wish(name, &wish)?;
    crate::complain(&format!(
        "{name}: asking the gateway to {what}, and waiting for it\n"
    ));
    let now = Instant::now();
    let mut waiting = Waiting {
        store,
        name,
        wish,
        end: now + wait,
        idle_since: now,
        is_taken: false,
    };
    loop {
        if let Some(outcome) = waiting.look()? {
            return Ok(outcome);
        }
        tokio::select! {
            _ = &mut interrupt => {
                take_back(store, name, &waiting.wish)?;
                return Ok(Outcome::GivenUp);
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// For a gateway to do what was asked for.
struct Waiting<'a> {
    store: &'a dyn CertStore,
    name: &'a Name,
    wish: OrderRequest,
    end: Instant,
    /// Since when a gateway that is there would have had the time to take the wish.
    idle_since: Instant,
    is_taken: bool,
}

impl Waiting<'_> {
    /// What became of it by now; nothing as long as something may become of it.
    fn look(&mut self) -> Result<Option<Outcome>, StoreError> {
        let Self {
            store, name, wish, ..
        } = self;
        if let Some(outcome) = answered(*store, name, wish)? {
            return Ok(Some(outcome));
        }
        let is_over = Instant::now() >= self.end;
        if !self.is_taken && is_ordering(*store, name)? {
            self.idle_since = Instant::now();
        }
        if !self.is_taken && (is_over || self.idle_since.elapsed() >= TAKEN_WITHIN) {
            match take_back(*store, name, wish)? {
                Some(outcome) => return Ok(Some(outcome)),
                None => self.is_taken = true,
            }
        }
        if !is_over {
            return Ok(None);
        }
        // It may have come since the look above.
        Ok(Some(answered(*store, name, wish)?.unwrap_or(Outcome::Late)))
    }
}

fn answered(
    store: &dyn CertStore,
    name: &Name,
    wish: &OrderRequest,
) -> Result<Option<Outcome>, StoreError> {
    let answer = store
        .progress(name)?
        .and_then(|progress| progress.answer)
        .filter(|answer| answer.id == wish.id);
    Ok(answer.map(|answer| answer.error.map_or(Outcome::Done, Outcome::Failed)))
}

/// Whether somebody is in the middle of an order, and looks at wishes after it.
fn is_ordering(store: &dyn CertStore, name: &Name) -> Result<bool, StoreError> {
    Ok(store.try_lock(&name.order_lock())?.is_none())
}

/// What became of a wish that nobody should do any more; nothing if a gateway has it.
fn take_back(
    store: &dyn CertStore,
    name: &Name,
    wish: &OrderRequest,
) -> Result<Option<Outcome>, StoreError> {
    match store.take_wish(name)? {
        None => Ok(None),
        Some(ours) if ours.id == wish.id => Ok(Some(Outcome::NotTaken)),
        Some(another) => {
            store.put_wish(name, &another)?;
            Ok(Some(Outcome::Replaced))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ianitor::store::folder::Folder;
    use ianitor::store::{Answer, Progress};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn of(name: &Name, dry_run: bool, wait: Duration) -> Ask<'_> {
        Ask {
            name,
            dry_run,
            what: "order",
            wait,
        }
    }

    fn store() -> (tempfile::TempDir, Arc<Folder>, Name) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Folder::new(folder.path().join("acme")));
        (folder, store, "media.test".parse().unwrap())
    }

    /// Takes the wish as a gateway does, and answers it.
    async fn gateway(store: &Folder, name: &Name, error: Option<&str>) -> OrderRequest {
        let wish = loop {
            match store.take_wish(name).unwrap() {
                Some(wish) => break wish,
                None => tokio::task::yield_now().await,
            }
        };
        let answer = Answer {
            id: wish.id.clone(),
            error: error.map(str::to_owned),
        };
        store
            .put_progress(
                name,
                &Progress {
                    answer: Some(answer),
                    ..Progress::default()
                },
            )
            .unwrap();
        wish
    }

    #[tokio::test]
    async fn the_answer_to_this_wish_is_waited_for() {
        let (_folder, store, name) = store();
        let before = Answer {
            id: "of before".to_owned(),
            error: None,
        };
        store
            .put_progress(
                &name,
                &Progress {
                    answer: Some(before),
                    ..Progress::default()
                },
            )
            .unwrap();
        for (error, dry_run, expected) in [
            (None, false, Outcome::Done),
            (
                Some("the CA said no"),
                true,
                Outcome::Failed("the CA said no".to_owned()),
            ),
        ] {
            let (outcome, wish) = tokio::join!(
                ask(&*store, of(&name, dry_run, LONG)),
                gateway(&store, &name, error)
            );
            assert_eq!((outcome.unwrap(), wish.dry_run), (expected, dry_run));
        }
    }

    #[tokio::test]
    async fn a_wish_that_nobody_takes_is_taken_back() {
        let (_folder, store, name) = store();
        assert_eq!(
            ask(&*store, of(&name, false, Duration::ZERO))
                .await
                .unwrap(),
            Outcome::NotTaken
        );
        assert_eq!(store.take_wish(&name).unwrap(), None);
    }

    #[tokio::test]
    async fn a_wish_that_is_taken_and_not_done_is_late() {
        let (_folder, store, name) = store();
        let take = async {
            while store.take_wish(&name).unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        let (outcome, ()) = tokio::join!(
            ask(&*store, of(&name, false, Duration::from_millis(1))),
            take
        );
        assert_eq!(outcome.unwrap(), Outcome::Late);
    }

    #[tokio::test]
    async fn the_wish_of_another_stays() {
        let (_folder, store, name) = store();
        let another = OrderRequest {
            id: "another".to_owned(),
            dry_run: false,
        };
        let put = async { store.put_wish(&name, &another).unwrap() };
        let (outcome, ()) = tokio::join!(
            ask(&*store, of(&name, false, Duration::from_millis(1))),
            put
        );
        assert_eq!(outcome.unwrap(), Outcome::Replaced);
        assert_eq!(store.take_wish(&name).unwrap(), Some(another));
    }
}
