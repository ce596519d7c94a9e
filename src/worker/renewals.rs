//! A worker's part in the renewal of tokens.

use std::rc::Rc;

use tokio::sync::mpsc;

use crate::clock::UnixTime;
use crate::serve::renewals::Renewal;
use crate::serve::worker::Worker;
use crate::telemetry::panics::caught;
use crate::token::issuer::Verified;

/// Renews this worker's tunnels, for as long as the worker runs.
pub(super) async fn follow(worker: Rc<Worker>, mut inbox: mpsc::UnboundedReceiver<Renewal>) {
    while let Some(renewal) = inbox.recv().await {
        renewal.report(caught(|| renew(&worker, &renewal)).unwrap_or_default());
    }
}

fn renew(worker: &Worker, renewal: &Renewal) -> usize {
    let (view, now) = (worker.view(), UnixTime::now());
    let new = Rc::new(Verified::clone(&renewal.new));
    // Includes WebSocket handshakes under way: the tunnel will have the new token.
    worker.under_way.renew(renewal.old, &new, &view, now);
    let mut count = 0;
    worker.tunnels.each(|tunnel| {
        let permit = tunnel.permit();
        let token = permit.as_ref().and_then(|permit| permit.token());
        if token.is_some_and(|token| token.tag == renewal.old)
            && !tunnel.is_being_closed()
            && let Ok(permit) = view.judge_anew(tunnel, &new, now)
        {
            tunnel.renew(permit);
            count += 1;
        }
    });
    count
}
