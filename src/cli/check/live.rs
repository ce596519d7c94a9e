//! Asks every server that a configuration names: upstreams, servers that TLS is passed through to,
//! key servers, the CA, and the servers that certificates are deployed to.

use ianitor::acme::{self, AcmeSpec, Offered};
use ianitor::config::Config;
use ianitor::deploy::{self, DeploySpec, Place};
use ianitor::host::HostName;
use ianitor::jwks;
use ianitor::telemetry::Chain;

use super::findings::{Finding, Findings};
use super::passthrough::ask_passthrough;
use super::upstreams::ask_upstreams;

/// Asks all of them, shows what each kind says as soon as it is known, and returns the number of
/// problems.
pub(crate) async fn ask_all(config: &Config, show: fn(&str)) -> usize {
    let mut problems = 0;
    let mut note = |found: Findings| {
        show(&found.text);
        problems += found.problems;
    };
    note(ask_upstreams(config).await);
    note(ask_passthrough(config).await);
    note(ask_issuers(config).await);
    note(ask_ca(config).await);
    note(ask_deployments(config).await);
    problems
}

/// Fetches the keys of every issuer that publishes them.
async fn ask_issuers(config: &Config) -> Findings {
    let mut found = Findings::default();
    for issuer in &config.issuers {
        let Some(place) = issuer.keys.endpoint() else {
            continue;
        };
        let verdict = match jwks::Client::new(&issuer.name, place) {
            Ok(client) => match jwks::ask(issuer, &client).await {
                Ok(text) => Finding::ok(text),
                Err(error) => Finding::problem(Chain(&error)),
            },
            Err(error) => Finding::problem(Chain(&error)),
        };
        found.add(format_args!("{}  {}", issuer.name, place.url), &verdict);
    }
    found.titled("issuers")
}

/// Fetches the CA's directory. Everything that would prevent orders is a problem.
async fn ask_ca(config: &Config) -> Findings {
    let Some(spec) = &config.acme else {
        return Findings::default();
    };
    let mut found = Findings::default();
    match acme::ask(spec).await {
        Ok(Offered { profiles, refused }) => {
            let has = match &profiles[..] {
                [] => String::new(),
                profiles => format!("; profiles: {}", profiles.join(", ")),
            };
            let verdict = Finding::ok(format_args!("answers{has}"));
            found.add(&spec.directory, &verdict);
            for (key, error) in &refused {
                found.add(key, &Finding::problem(Chain(error)));
            }
        }
        Err(error) => {
            let advice = error.advice().map(|advice| format!("; {advice}"));
            let advice = advice.unwrap_or_default();
            let verdict = Finding::problem(format_args!("{}{advice}", Chain(&error)));
            found.add(&spec.directory, &verdict);
        }
    }
    found.titled("CA")
}

/// Connects by TLS to every server of `[[deploy]]` that has a `verify`. A server that does not
/// answer is a problem; which certificate it shows is not judged.
async fn ask_deployments(config: &Config) -> Findings {
    let mut found = Findings::default();
    for spec in &config.deploy {
        let Some(place) = &spec.verify else { continue };
        let host = requested_host(config.acme.as_ref(), spec, place);
        let result = deploy::shown(spec, place, host).await;
        let verdict = match result {
            Ok(serial) => Finding::ok(format_args!(
                "answers by TLS, with the certificate {serial}"
            )),
            Err(error) => Finding::problem(Chain(&error)),
        };
        found.add(format_args!("{}  {place}", spec.config_key), &verdict);
    }
    found.titled("deployments")
}

/// The host name that a client of this server would request.
fn requested_host<'c>(
    acme: Option<&'c AcmeSpec>,
    spec: &DeploySpec,
    place: &'c Place,
) -> &'c HostName {
    let cert = acme.and_then(|acme| {
        let mut all = acme.certificates.iter();
        all.find(|cert| cert.name == spec.certificate)
    });
    let first = cert.and_then(|cert| cert.hosts.first());
    first.unwrap_or(&place.host)
}
