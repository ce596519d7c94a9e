//! Asks services again about what is open: WebSockets, and answers that take long.

use std::rc::Rc;
use std::time::Duration;

use super::super::Worker;
use super::answer::{self, Verdict};
use super::forward::ask_service;
use super::identity;
use super::state::{Logins, Watched};
use crate::policy::{ForwardAuth, LoggedIn};
use crate::telemetry::{Chain, summed};

/// After so many attempts without an answer, what is open is closed.
const MOST_FAILURES: u32 = 3;

/// How long after an attempt without an answer the next one is made, at most.
const RETRY: Duration = Duration::from_secs(10);

/// What the service says of a login.
enum Said {
    Holds,
    HoldsNot,
    Nothing,
}

impl Worker {
    /// Asks services again about the logins for which that is due. To be called at each tick.
    pub fn recheck_logins(self: &Rc<Self>) {
        if self.logins.watched.borrow().is_empty() {
            return;
        }
        for due in take_due(&self.logins, self.ticks.now()) {
            ask_again(Rc::clone(self), due);
        }
    }
}

/// Takes out those that are due, and those by which nothing is open any more.
fn take_due(logins: &Logins, now: crate::tick::Tick) -> Vec<Watched> {
    logins.sweep(now);
    let mut watched = logins.watched.borrow_mut();
    watched.retain(|watched| watched.login.strong_count() > 0);
    watched
        .extract_if(.., |watched| watched.due <= now)
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the answer, which has a time limit"
)]
fn ask_again(worker: Rc<Worker>, mut watched: Watched) {
    tokio::task::spawn_local(async move {
        let Some(login) = watched.login.upgrade() else {
            return;
        };
        let Some(service) = login.rule.forward() else {
            return;
        };
        let Some(recheck) = service.recheck else {
            return;
        };
        let (wait, failures) = match ask(&worker, &watched, &login, service).await {
            Said::Holds => (recheck, 0),
            Said::Nothing if watched.failures + 1 < MOST_FAILURES => {
                (recheck.min(RETRY), watched.failures + 1)
            }
            Said::Nothing | Said::HoldsNot => {
                login.withdraw();
                worker.judge_logins();
                return;
            }
        };
        watched.due = worker.ticks.after(wait);
        watched.failures = failures;
        worker.logins.watched.borrow_mut().push(watched);
    });
}

async fn ask(
    worker: &Rc<Worker>,
    watched: &Watched,
    login: &LoggedIn,
    service: &ForwardAuth,
) -> Said {
    let (view, question) = (worker.view(), &watched.question);
    let counted = worker
        .shared
        .slots
        .counted(question.client, &view.snapshot.limits);
    let answer = ask_service(&view, service, question, &counted).await;
    let verdict = answer.and_then(|answer| Ok((answer::verdict(&answer, service)?, answer)));
    match verdict {
        Ok((Verdict::Admitted, answer)) => {
            let tag = login.verified.tag;
            let now = identity::of_answer(&login.rule, service, answer.headers(), tag);
            let user = |login: &LoggedIn| login.verified.claims.subject().map(str::to_owned);
            // Of another user than at its beginning: it is closed as well.
            match now.is_some_and(|now| user(&now) == user(login)) {
                true => Said::Holds,
                false => Said::HoldsNot,
            }
        }
        Ok((Verdict::NoLogin | Verdict::Forbidden, _)) => Said::HoldsNot,
        Err(failure) => {
            let (error, url) = (Chain(&failure).to_string(), service.url.clone());
            summed("login_recheck", &service.url, move |times| {
                tracing::warn!(
                    url = %url, times, error,
                    "forward_auth: no answer about what is open; it is closed after three of these"
                );
            });
            Said::Nothing
        }
    }
}
