//! What a CA says of itself, and whether what is to be ordered can be had there: for whoever only
//! wants to know.

use super::AcmeSpec;
use super::client::Client;
use super::directory::Directory;
use super::error::OrderError;
use crate::tls;

/// What a CA offers.
#[derive(Debug)]
pub struct Offered {
    /// The names of its profiles.
    pub profiles: Vec<String>,
    /// What it would refuse, each with what asks for it in the configuration.
    pub refused: Vec<(String, OrderError)>,
}

/// Fetches the directory. No account is made, and nothing is ordered.
///
/// # Errors
/// Why it cannot be had.
pub async fn ask(spec: &AcmeSpec) -> Result<Offered, OrderError> {
    let tls = tls::client_config(spec.directory_ca.as_deref(), "acme.directory_ca")?;
    let directory = Directory::fetch(&Client::new((*tls).clone()), &spec.directory).await?;
    let of_cert = spec
        .certificates
        .iter()
        .map(|cert| (cert.config_key.as_str(), directory.check_profile(cert)));
    let of_account = ("acme", directory.check_account(spec));
    let all = of_cert.chain([of_account]);
    let refused = all
        .filter_map(|(key, result)| Some((key.to_owned(), result.err()?)))
        .collect();
    Ok(Offered {
        refused,
        profiles: directory.meta.profiles.into_keys().collect(),
    })
}
