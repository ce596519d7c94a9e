//! Renewals that an operator asks the running gateway for. Requests for the same certificate share
//! one order, and each request gets the outcome of that order.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::error::OrderError;
use super::failure::Failure;
use crate::store::Name;

/// What a renewal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RenewMode {
    /// Order a certificate and serve it.
    Order,
    /// Order at the staging directory and keep nothing.
    DryRun,
}

/// Why a renewal did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenewError {
    /// The configuration in force has no certificate of this name.
    #[error("the running gateway manages no certificate of this name")]
    Unknown,
    /// The order failed: the error with its causes, and advice.
    #[error("{0}")]
    Failed(String),
    /// A reload removed the certificate, or the gateway is shutting down.
    #[error("the gateway has stopped managing this certificate; nothing was ordered")]
    Stopped,
}

/// The outcome of a request; `None` while there is none.
type Outcome = Option<Result<(), RenewError>>;

/// The requests that have no outcome yet, of all certificates.
#[derive(Debug, Default)]
pub(super) struct Renewals(Mutex<HashMap<(Name, RenewMode), Arc<Request>>>);

/// One request. Several callers may wait for its outcome.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) mode: RenewMode,
    outcome: watch::Sender<Outcome>,
}

impl Request {
    /// Whether the order is still wanted: no other task has made it, and a caller still waits.
    pub(super) fn is_pending(&self) -> bool {
        self.outcome.borrow().is_none() && self.outcome.receiver_count() > 0
    }
}

impl Renewals {
    /// Adds a request, or joins the one that is there already.
    pub(super) fn request(&self, name: &Name, mode: RenewMode) -> watch::Receiver<Outcome> {
        let new = || {
            let outcome = watch::Sender::new(None);
            Arc::new(Request { mode, outcome })
        };
        let mut all = self.0.lock();
        let request = all.entry((name.clone(), mode)).or_insert_with(new);
        request.outcome.subscribe()
    }

    /// The next request for a certificate. A request whose callers have all gone is withdrawn.
    pub(super) fn next(&self, name: &Name) -> Option<Arc<Request>> {
        let mut all = self.0.lock();
        [RenewMode::Order, RenewMode::DryRun]
            .into_iter()
            .find_map(|mode| {
                let key = (name.clone(), mode);
                let request = all.get(&key)?;
                if request.is_pending() {
                    return Some(Arc::clone(request));
                }
                all.remove(&key);
                None
            })
    }

    /// Gives the outcome to every caller of a request.
    pub(super) fn finish(&self, name: &Name, request: &Arc<Request>, result: Result<(), Failure>) {
        self.remove(name, request.mode, |entry| Arc::ptr_eq(entry, request));
        let result = result.map_err(|failed| RenewError::Failed(failed.error.text()));
        request.outcome.send_replace(Some(result));
    }

    /// Answers a request with an error that came before its order.
    pub(super) fn reject(&self, name: &Name, request: &Arc<Request>, error: &OrderError) {
        self.remove(name, request.mode, |entry| Arc::ptr_eq(entry, request));
        let error = RenewError::Failed(error.text());
        request.outcome.send_replace(Some(Err(error)));
    }

    /// A certificate came while a request for it was waiting: that is what was asked for.
    pub(super) fn renewed(&self, name: &Name) {
        if let Some(request) = self.remove(name, RenewMode::Order, |_| true) {
            request.outcome.send_replace(Some(Ok(())));
        }
    }

    fn remove(
        &self,
        name: &Name,
        mode: RenewMode,
        is_it: impl Fn(&Arc<Request>) -> bool,
    ) -> Option<Arc<Request>> {
        let key = (name.clone(), mode);
        let mut all = self.0.lock();
        all.get(&key).is_some_and(is_it).then(|| all.remove(&key))?
    }

    /// Drops the requests for certificates that are no longer managed. An order that has begun
    /// holds its request, so its callers still get the outcome.
    pub(super) fn retain(&self, is_managed: impl Fn(&Name) -> bool) {
        let mut all = self.0.lock();
        all.retain(|(name, _), _| is_managed(name));
    }
}

/// Waits for the outcome of a request.
pub(super) async fn outcome(mut request: watch::Receiver<Outcome>) -> Result<(), RenewError> {
    match request.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or(Err(RenewError::Stopped)),
        Err(_) => Err(RenewError::Stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::OrderError;

    fn name() -> Name {
        "a.example".parse().unwrap()
    }

    fn failure() -> Failure {
        OrderError::NoStaging.into()
    }

    #[tokio::test]
    async fn requests_for_one_certificate_share_the_order_and_its_outcome() {
        let all = Renewals::default();
        let first = all.request(&name(), RenewMode::Order);
        let taken = all.next(&name()).unwrap();
        let second = all.request(&name(), RenewMode::Order);
        all.finish(&name(), &taken, Err(failure()));
        let expected = Err(RenewError::Failed(failure().error.text()));
        assert_eq!(outcome(first).await, expected);
        assert_eq!(outcome(second).await, expected);
        assert!(all.next(&name()).is_none());
    }

    #[tokio::test]
    async fn a_trial_is_not_answered_by_an_order_that_is_due_anyway() {
        let all = Renewals::default();
        let order = all.request(&name(), RenewMode::Order);
        let trial = all.request(&name(), RenewMode::DryRun);
        all.renewed(&name());
        assert_eq!(outcome(order).await, Ok(()));
        let request = all.next(&name()).unwrap();
        assert_eq!(request.mode, RenewMode::DryRun);
        all.finish(&name(), &request, Ok(()));
        assert_eq!(outcome(trial).await, Ok(()));
    }

    #[tokio::test]
    async fn a_request_that_no_caller_waits_for_is_withdrawn() {
        let all = Renewals::default();
        drop(all.request(&name(), RenewMode::Order));
        assert!(all.next(&name()).is_none());
    }

    #[tokio::test]
    async fn an_order_that_has_begun_is_answered_after_its_certificate_is_removed() {
        let all = Renewals::default();
        let (begun, waiting) = (
            all.request(&name(), RenewMode::Order),
            all.request(&name(), RenewMode::DryRun),
        );
        let taken = all.next(&name()).unwrap();
        all.retain(|_| false);
        assert_eq!(outcome(waiting).await, Err(RenewError::Stopped));
        all.finish(&name(), &taken, Ok(()));
        assert_eq!(outcome(begun).await, Ok(()));
    }
}
