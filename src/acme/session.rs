//! A session with a CA: its directory, and the account in whose name requests are signed. Also what
//! `ianitor check --live` asks a CA.

use instant_acme::Account;

use super::account;
use super::client::Client;
use super::context::AcmeContext;
use super::directory::Directory;
use super::error::OrderError;
use super::spec::{AcmeSpec, CertSpec};
use crate::tls;

/// A CA that knows our account.
pub(super) struct Session {
    /// The URL of the CA's directory.
    pub(super) url: String,
    pub(super) account: Account,
    pub(super) directory: Directory,
    pub(super) client: Client,
}

impl Session {
    /// Fetches the directory, then finds or creates the account.
    pub(super) async fn open(
        context: &AcmeContext,
        spec: &AcmeSpec,
        url: &str,
        client: Client,
    ) -> Result<Self, OrderError> {
        let directory = Directory::fetch(&client, url).await?;
        let account = account::open(context, spec, url, &directory, &client).await?;
        Ok(Self {
            url: url.to_owned(),
            account,
            directory,
            client,
        })
    }
}

/// A client that trusts what the configuration says.
pub(super) fn client(spec: &AcmeSpec) -> Result<Client, OrderError> {
    let tls = tls::client_config(spec.directory_ca.as_deref(), "acme.directory_ca")?;
    Ok(Client::new(&tls))
}

/// Whether the CA has the profile that is configured.
pub(super) fn check_profile(directory: &Directory, cert: &CertSpec) -> Result<(), OrderError> {
    let profiles = &directory.meta.profiles;
    let Some(wanted) = &cert.profile else {
        return Ok(());
    };
    if profiles.contains_key(&**wanted) {
        return Ok(());
    }
    let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
    let offered = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    Err(OrderError::NoProfile {
        wanted: wanted.to_string(),
        offered,
    })
}

/// Whether the CA creates an account with what is configured.
pub(super) fn check_account(directory: &Directory, spec: &AcmeSpec) -> Result<(), OrderError> {
    let is_missing = directory.meta.external_account_required && spec.external_account.is_none();
    if is_missing {
        Err(OrderError::ExternalAccountRequired)
    } else {
        Ok(())
    }
}

/// What a CA offers.
#[derive(Debug)]
pub struct Offered {
    /// The names of its profiles.
    pub profiles: Vec<String>,
    /// What the CA would reject, each with the configuration key that asks for it.
    pub refused: Vec<(String, OrderError)>,
}

/// Fetches the directory and compares it with the configuration. No account is created, and nothing
/// is ordered.
///
/// # Errors
/// That the directory cannot be fetched.
pub async fn ask(spec: &AcmeSpec) -> Result<Offered, OrderError> {
    let directory = Directory::fetch(&client(spec)?, &spec.directory).await?;
    let of_certs = spec.certificates.iter().map(|cert| {
        (
            cert.config_key.as_str(),
            check_profile(&directory, cert).err(),
        )
    });
    let of_account = ("acme", check_account(&directory, spec).err());
    let refused = of_certs
        .chain([of_account])
        .filter_map(|(key, error)| Some((key.to_owned(), error?)))
        .collect();
    Ok(Offered {
        refused,
        profiles: directory.meta.profiles.into_keys().collect(),
    })
}
