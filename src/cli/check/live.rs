//! Asks the CA, and the servers that get its certificates.

use std::fmt::Write as _;

use ianitor::acme::{self, AcmeSpec, Offered};
use ianitor::config::Config;
use ianitor::deploy::{self, DeploySpec, Place};
use ianitor::host::HostName;
use ianitor::telemetry::{Chain, Visible};

/// Fetches the CA's directory and says, a line each, whether it is there and what it would refuse.
/// The second value is how much of that stands in the way of orders.
pub(crate) async fn ask_ca(config: &Config) -> (String, usize) {
    let Some(spec) = &config.acme else {
        return (String::new(), 0);
    };
    let mut out = format!("CA\n  {}  ", spec.directory);
    // Writing to a String does not fail.
    match acme::ask(spec).await {
        Ok(Offered { profiles, refused }) => {
            let has = if profiles.is_empty() {
                String::new()
            } else {
                format!("; profiles: {}", profiles.join(", "))
            };
            let _ = writeln!(out, "answers{}", Visible(has));
            for (key, error) in &refused {
                let _ = writeln!(out, "  {key}  {}", Visible(Chain(error)));
            }
            (out, refused.len())
        }
        Err(error) => {
            let advice = error
                .advice()
                .map(|advice| format!("; {advice}"))
                .unwrap_or_default();
            let _ = writeln!(out, "{}{advice}", Visible(Chain(&error)));
            (out, 1)
        }
    }
}

/// Asks every server of `[[deploy]]` that has a `verify` and says, a line each, which answer by
/// TLS, whatever they show. The second value is how many do not.
pub(crate) async fn ask_deployments(config: &Config) -> (String, usize) {
    let (mut out, mut silent) = (String::new(), 0);
    for spec in &config.deploy {
        let Some(place) = &spec.verify else { continue };
        let host = first_host(config.acme.as_ref(), spec, place);
        let result = deploy::shown(spec, place, host).await;
        silent += usize::from(result.is_err());
        let result = match result {
            Ok(serial) => format!("answers by TLS, with the certificate {serial}"),
            Err(error) => Visible(Chain(&error)).to_string(),
        };
        let _ = writeln!(out, "  {}  {place}  {result}", spec.config_key);
    }
    let title = if out.is_empty() { "" } else { "deployments\n" };
    (format!("{title}{out}"), silent)
}

/// Whom its clients ask for.
fn first_host<'c>(acme: Option<&'c AcmeSpec>, spec: &DeploySpec, place: &'c Place) -> &'c HostName {
    let cert = acme.and_then(|acme| {
        acme.certificates
            .iter()
            .find(|cert| cert.name == spec.certificate)
    });
    cert.and_then(|cert| cert.hosts.first())
        .unwrap_or(&place.host)
}
