//! Asks the running gateway for an order, over the control socket.

use std::pin::pin;
use std::time::Duration;

use ianitor::config::Config;
use ianitor::control::client::{Client, ClientError};
use ianitor::control::endpoints::RENEW;
use ianitor::store::Name;
use ianitor::telemetry::Chain;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The gateway has the certificate.
    Done,
    /// The order failed, or could not be made; why.
    Failed(String),
    /// There is no gateway to be asked; why.
    NoGateway(String),
    /// The gateway has not finished in time.
    Late,
    /// Interrupted by the user.
    Interrupted,
}

/// What the gateway is asked for.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    /// The certificate.
    pub(super) name: &'a Name,
    /// The configuration of the gateway.
    pub(super) config: &'a Config,
    /// Whether its certificate is thrown away.
    pub(super) dry_run: bool,
    /// For the person who waits: "order a new certificate".
    pub(super) what: &'a str,
    /// How long to wait.
    pub(super) wait: Duration,
}

/// Asks, says so, and waits for the outcome.
pub(super) async fn ask(ask: Ask<'_>) -> Outcome {
    let mut interrupt = pin!(interrupted());
    let work = async {
        let client = Client::connect(&ask.config.control).await?;
        let (name, what) = (ask.name, ask.what);
        crate::cli::output::complain(&format!(
            "{name}: asking the gateway to {what}, and waiting for it\n"
        ));
        let config = std::path::absolute(&ask.config.file).ok();
        let body = json!({ "host": name.as_str(), "dry_run": ask.dry_run, "config": config });
        client.post(RENEW, &body).await
    };
    tokio::select! {
        // The signals are handled from the first poll, which must come before the request.
        biased;
        _ = &mut interrupt => Outcome::Interrupted,
        result = tokio::time::timeout(ask.wait, work) => match result {
            Ok(Ok(_)) => Outcome::Done,
            Ok(Err(ClientError::Failed(failure))) => Outcome::Failed(failure.error),
            Ok(Err(error @ ClientError::NoAnswer(..))) => {
                Outcome::Failed(Chain(&error).to_string())
            }
            Ok(Err(error)) => Outcome::NoGateway(Chain(&error).to_string()),
            Err(_) => Outcome::Late,
        },
    }
}

/// Resolves when a signal asks the command to end.
async fn interrupted() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
