//! Accounts: one for each CA, kept in the store.
//!
//! The key is kept before the CA hears of it, and asking a CA twice for an account of one key gives
//! the same account (RFC 8555, section 7.3): a crash at any point leaves one. Only an account that
//! is bound to an external one is kept after the CA has made it, as instant-acme makes its key
//! itself.

use base64::Engine as _;
use base64::prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use instant_acme::{Account, ExternalAccountKey, Key, NewAccount};
use rcgen::KeyPair;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::client::Client;
use super::context::AcmeContext;
use super::directory::Directory;
use super::error::OrderError;
use super::spec::{AcmeSpec, ExternalAccount};
use crate::secret::Secret;
use crate::store::{Part, StoredAccount};
use crate::telemetry::Chain;

/// The account at a directory: the stored one, or a new one.
pub(super) async fn open(
    context: &AcmeContext,
    spec: &AcmeSpec,
    url: &str,
    directory: &Directory,
    client: &Client,
) -> Result<Account, OrderError> {
    let _lock = context.lock("accounts").await?;
    let at = url.to_owned();
    let stored = match context
        .store(move |store| store.account(&at))
        .await
        .and_then(with_usable_key)
    {
        Err(error) if error.is_damaged_account() => {
            let (at, why) = (url.to_owned(), Chain(&error).to_string());
            context
                .store(move |store| store.set_aside(&Part::Account(&at), &why))
                .await?;
            None
        }
        stored => stored?,
    };
    let bound_to = spec
        .external_account
        .as_ref()
        .map(|account| account.key_id.to_string());
    // The key of an external account is often valid for one use and removed afterwards, so a stored
    // account that is bound already is used as it is.
    let stored = stored.filter(|stored| bound_to.is_none() || stored.external == bound_to);
    let opener = Opener {
        context,
        spec,
        url,
        directory,
        client,
    };
    let (account, stored) = match (stored, &spec.external_account) {
        (Some(stored), _) if stored.url.is_some() => opener.known(stored).await?,
        (_, Some(external)) => opener.bound(external).await?,
        (stored, None) => {
            opener
                .unbound(stored.filter(|stored| stored.external.is_none()))
                .await?
        }
    };
    opener.update_contact(&account, stored).await?;
    Ok(account)
}

/// Checks that the account's key can sign.
fn with_usable_key(stored: Option<StoredAccount>) -> Result<Option<StoredAccount>, OrderError> {
    stored.as_ref().map(key_of).transpose()?;
    Ok(stored)
}

fn key_of(stored: &StoredAccount) -> Result<PrivatePkcs8KeyDer<'static>, OrderError> {
    let key = KeyPair::from_pem(stored.key.reveal()).map_err(OrderError::Key)?;
    Ok(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

/// The CA no longer knows the account: the next order registers it again, with the same key where
/// it can.
pub(super) async fn forget(context: &AcmeContext, url: &str) -> Result<(), OrderError> {
    let _lock = context.lock("accounts").await?;
    let at = url.to_owned();
    context
        .store(move |store| match store.account(&at)? {
            Some(account) => store.put_account(&StoredAccount {
                url: None,
                contact: Vec::new(),
                ..account
            }),
            None => Ok(()),
        })
        .await
}

struct Opener<'a> {
    context: &'a AcmeContext,
    spec: &'a AcmeSpec,
    url: &'a str,
    directory: &'a Directory,
    client: &'a Client,
}

type Opened = (Account, StoredAccount);

impl Opener<'_> {
    async fn known(&self, stored: StoredAccount) -> Result<Opened, OrderError> {
        let key = key_of(&stored)?;
        let id = stored.url.clone().unwrap_or_default();
        let account = self
            .builder()
            .from_parts(id, key, self.url.to_owned())
            .await?;
        Ok((account, stored))
    }

    async fn unbound(&self, stored: Option<StoredAccount>) -> Result<Opened, OrderError> {
        if self.directory.meta.external_account_required {
            return Err(OrderError::ExternalAccountRequired);
        }
        let stored = match stored {
            Some(stored) => stored,
            None => {
                let (_, key) = Key::generate_pkcs8()?;
                self.keep(self.account(&key, None)?).await?
            }
        };
        let key = key_of(&stored)?;
        let pair = (
            Key::from_pkcs8_der(key.clone_key())?,
            PrivateKeyDer::Pkcs8(key),
        );
        let (account, _) = self
            .builder()
            .create_from_key(pair, self.url.to_owned())
            .await?;
        self.log_new(&account);
        let stored = self
            .keep(StoredAccount {
                url: Some(account.id().to_owned()),
                ..stored
            })
            .await?;
        Ok((account, stored))
    }

    async fn bound(&self, external: &ExternalAccount) -> Result<Opened, OrderError> {
        let secret = external.key.read()?;
        let key = decode(secret.reveal()).ok_or(OrderError::ExternalKey)?;
        let binding = ExternalAccountKey::new(external.key_id.to_string(), &key);
        let contact: Vec<&str> = self.spec.contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let (account, credentials) = self
            .builder()
            .create(&new, self.url.to_owned(), Some(&binding))
            .await?;
        self.log_new(&account);
        let stored = self.account(credentials.private_key(), Some(external.key_id.to_string()))?;
        let (url, contact) = (Some(account.id().to_owned()), self.spec.contact.clone());
        let stored = self
            .keep(StoredAccount {
                url,
                contact,
                ..stored
            })
            .await?;
        Ok((account, stored))
    }

    async fn update_contact(
        &self,
        account: &Account,
        stored: StoredAccount,
    ) -> Result<(), OrderError> {
        if stored.contact == self.spec.contact {
            return Ok(());
        }
        let contact: Vec<&str> = self.spec.contact.iter().map(String::as_str).collect();
        account.update_contacts(&contact).await?;
        self.keep(StoredAccount {
            contact: self.spec.contact.clone(),
            ..stored
        })
        .await
        .map(drop)
    }

    fn builder(&self) -> instant_acme::AccountBuilder {
        Account::builder_with_http(Box::new(self.client.clone()))
    }

    fn account(
        &self,
        key: &PrivatePkcs8KeyDer<'_>,
        external: Option<String>,
    ) -> Result<StoredAccount, OrderError> {
        let key = KeyPair::try_from(key).map_err(OrderError::Key)?;
        let key = Secret::new(key.serialize_pem());
        Ok(StoredAccount {
            directory: self.url.to_owned(),
            key,
            url: None,
            contact: Vec::new(),
            external,
        })
    }

    async fn keep(&self, account: StoredAccount) -> Result<StoredAccount, OrderError> {
        let kept = account.clone();
        self.context
            .store(move |store| store.put_account(&account))
            .await?;
        Ok(kept)
    }

    fn log_new(&self, account: &Account) {
        let terms = self
            .directory
            .meta
            .terms_of_service
            .as_deref()
            .unwrap_or("none");
        tracing::info!(
            directory = self.url,
            account = account.id(),
            terms,
            "account at the CA, terms of service accepted"
        );
    }
}

/// CAs give the key in base64url, some with padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| BASE64_URL_SAFE.decode(text))
        .ok()
}
