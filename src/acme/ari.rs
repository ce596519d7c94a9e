//! When the CA wants a certificate to be renewed: ACME renewal information (RFC 9773).

use std::time::Duration;

use instant_acme::{CertificateIdentifier, RenewalInfo};

use super::directory::Directory;
use super::error::OrderError;
use super::schedule::Window;
use super::session;
use super::spec::AcmeSpec;
use crate::clock::{Moment, UnixTime};
use crate::store::Name;
use crate::telemetry::Chain;
use crate::tls::ServableCert;

/// How often the CA is asked if it does not say, as RFC 9773, section 4.3, recommends.
const USUAL: Duration = Duration::from_secs(6 * 3600);

/// The CA is asked neither more nor less often than this, whatever it says.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// When to ask again after a failure. Until then the lifetime decides.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);

/// The CA's last answer.
#[derive(Debug, Default)]
pub(super) struct Ari {
    /// The serial number of the certificate that the CA was asked about.
    serial: Option<String>,
    window: Option<Window>,
    ask_again: Option<Moment>,
}

impl Ari {
    /// The renewal window of a certificate, if the CA has named one.
    pub(super) fn window(&self, serial: &str) -> Option<Window> {
        self.window
            .filter(|_| self.serial.as_deref() == Some(serial))
    }

    /// Whether it is time to ask the CA.
    pub(super) fn is_due(&self, serial: &str) -> bool {
        self.serial.as_deref() != Some(serial) || self.ask_again.is_none_or(Moment::has_come)
    }

    /// Asks the CA about a certificate of the store. `cert` is that certificate, if it is of the CA
    /// that is configured now.
    pub(super) async fn refresh(
        &mut self,
        serial: &str,
        spec: &AcmeSpec,
        name: &Name,
        cert: Option<&ServableCert>,
    ) {
        if self.serial.as_deref() != Some(serial) {
            *self = Self {
                serial: Some(serial.to_owned()),
                ..Self::default()
            };
        }
        match ask(spec, cert).await {
            Ok((window, retry_after)) => {
                let wait = retry_after.unwrap_or(USUAL).clamp(SHORTEST, LONGEST);
                (self.window, self.ask_again) = (window, Some(Moment::after(wait)));
            }
            Err(error) => {
                // The earlier answer remains valid.
                self.ask_again = Some(Moment::after(AFTER_FAILURE));
                let error = Chain(&error);
                tracing::info!(
                    certificate = %name, %error,
                    "no renewal information from the CA; the lifetime decides"
                );
            }
        }
    }
}

async fn ask(
    spec: &AcmeSpec,
    cert: Option<&ServableCert>,
) -> Result<(Option<Window>, Option<Duration>), OrderError> {
    let client = session::client(spec)?;
    let directory = Directory::fetch(&client, &spec.directory).await?;
    let (Some(url), Some(id)) = (directory.renewal_info, cert.and_then(identifier)) else {
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

/// The identifier of a certificate at its CA (RFC 9773, section 4.1); `None` if the certificate
/// does not name its issuer's key.
pub(super) fn identifier(of: &ServableCert) -> Option<CertificateIdentifier<'static>> {
    CertificateIdentifier::try_from(of.leaf()?)
        .ok()
        .map(CertificateIdentifier::into_owned)
}
