//! When the CA wants a certificate to be renewed (RFC 9773).

use std::time::Duration;

use instant_acme::RenewalInfo;

use super::attempt::{Attempt, identifier};
use super::directory::Directory;
use super::error::OrderError;
use super::schedule::Window;
use crate::clock::{Moment, UnixTime};

/// How often the CA is asked where it does not say. RFC 9773, section 4.3, recommends it.
const USUAL: Duration = Duration::from_secs(6 * 3600);

/// The CA is not asked more often, and not more seldom, whatever it says.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// After a failure. Without an answer the lifetime decides.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);

/// What the CA has last said of a certificate.
#[derive(Debug, Default)]
pub(super) struct Ari {
    /// The serial that was asked about.
    of: Option<String>,
    window: Option<Window>,
    again: Option<Moment>,
}

impl Ari {
    /// The window of this certificate, if the CA has named one.
    pub(super) fn window(&self, serial: &str) -> Option<Window> {
        self.window.filter(|_| self.of.as_deref() == Some(serial))
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self, serial: &str) -> bool {
        self.of.as_deref() != Some(serial) || self.again.is_none_or(Moment::has_come)
    }

    /// Asks.
    pub(super) async fn refresh(&mut self, serial: &str, attempt: &Attempt<'_>) {
        if self.of.as_deref() != Some(serial) {
            *self = Self {
                of: Some(serial.to_owned()),
                ..Self::default()
            };
        }
        match ask(attempt).await {
            Ok((window, retry_after)) => {
                let wait = retry_after.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
                (self.window, self.again) = (window, Some(Moment::after(wait)));
            }
            Err(error) => {
                // What it said before still holds.
                self.again = Some(Moment::after(AFTER_FAILURE));
                let error = crate::telemetry::Chain(&error);
                tracing::info!(certificate = %attempt.cert.name, %error, "the CA's renewal information could not be had; the lifetime decides");
            }
        }
    }
}

type Answer = (Option<Window>, Option<Duration>);

async fn ask(attempt: &Attempt<'_>) -> Result<Answer, OrderError> {
    let client = attempt.client()?;
    let directory = Directory::fetch(&client, attempt.url).await?;
    let (Some(url), Some(id)) = (directory.renewal_info, attempt.before.and_then(identifier))
    else {
        return Ok((None, None));
    };
    let got = client
        .get(&format!("{url}/{id}"))
        .await
        .map_err(OrderError::Client)?;
    let info: RenewalInfo = serde_json::from_slice(&got.body).map_err(OrderError::RenewalInfo)?;
    let time = |seconds: i64| UnixTime(seconds.try_into().unwrap_or(0));
    let window = info.suggested_window;
    let window = Window {
        start: time(window.start.unix_timestamp()),
        end: time(window.end.unix_timestamp()),
    };
    Ok((Some(window), got.retry_after))
}
