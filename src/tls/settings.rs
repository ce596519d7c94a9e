//! Which settings a handshake gets: those for the name that the client sends, or for the
//! certificate that it gets without one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{CertTable, ClientAuthority, Tickets, TlsSpec, server_config};
use crate::host::{HostName, HostPattern};

/// The settings of all handshakes of a configuration.
#[derive(Debug)]
pub struct ServerSettings {
    plain: Settings,
    /// Those that ask clients for a certificate; `None` if no client is asked.
    asking: Option<Settings>,
}

#[derive(Debug)]
struct Settings {
    by_name: Arc<ServerConfig>,
    by_address: HashMap<IpAddr, Arc<ServerConfig>>,
    first: Arc<ServerConfig>,
}

/// By what a client's certificate is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// The server name that it sends, if any.
    ServerName,
    /// The address that it has connected to, which a certificate names.
    Address(IpAddr),
    /// Nothing: it gets the first certificate, whatever name it sends.
    Nothing,
}

impl ChosenBy {
    /// For a client that sends no name.
    pub fn address(local: Option<IpAddr>, table: &CertTable) -> Self {
        match local.filter(|ip| table.serves(&HostName::from(*ip))) {
            Some(ip) => Self::Address(ip),
            None => Self::Nothing,
        }
    }
}

impl ServerSettings {
    /// Settings with the certificates of a table. `asks` is what certificates of clients are judged
    /// by, if clients may be asked for one.
    ///
    /// # Errors
    /// If the TLS library rejects the settings.
    pub fn new(
        spec: &TlsSpec,
        table: &Arc<CertTable>,
        tickets: &Tickets,
        asks: Option<&Arc<ClientAuthority>>,
    ) -> Result<Self, rustls::Error> {
        let asking = asks.map(|asks| Settings::new(spec, table, tickets, Some(asks)));
        Ok(Self {
            plain: Settings::new(spec, table, tickets, None)?,
            asking: asking.transpose()?,
        })
    }

    /// The settings of one handshake, and whether they ask for a certificate.
    pub fn of(&self, chosen: &ChosenBy, asks: bool) -> (Arc<ServerConfig>, bool) {
        match self.asking.as_ref().filter(|_| asks) {
            Some(asking) => (asking.of(chosen), true),
            None => (self.plain.of(chosen), false),
        }
    }
}

impl Settings {
    fn new(
        spec: &TlsSpec,
        table: &Arc<CertTable>,
        tickets: &Tickets,
        asks: Option<&Arc<ClientAuthority>>,
    ) -> Result<Self, rustls::Error> {
        let by_name = server_config(spec, Arc::clone(table), tickets, asks)?;
        let fixed = |host: Option<HostName>| {
            let mut config = ServerConfig::clone(&by_name);
            let table = Arc::clone(table);
            config.cert_resolver = Arc::new(Fixed { table, host });
            Arc::new(config)
        };
        let addresses = table.entries().flat_map(|entry| &entry.names);
        let by_address = addresses.filter_map(|name| match name {
            HostPattern::Exact(host) => Some((host.ip()?, fixed(Some(host.clone())))),
            HostPattern::Wildcard(_) => None,
        });
        Ok(Self {
            by_address: by_address.collect(),
            first: fixed(None),
            by_name,
        })
    }

    fn of(&self, chosen: &ChosenBy) -> Arc<ServerConfig> {
        let found = match chosen {
            ChosenBy::ServerName => Some(&self.by_name),
            ChosenBy::Address(ip) => self.by_address.get(ip),
            ChosenBy::Nothing => None,
        };
        Arc::clone(found.unwrap_or(&self.first))
    }
}

/// The certificates of one host, or of clients without a name, whatever name a client sends.
#[derive(Debug)]
struct Fixed {
    table: Arc<CertTable>,
    host: Option<HostName>,
}

impl ResolvesServerCert for Fixed {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = self.host.as_ref().map(HostName::as_str);
        let chosen = self.table.choose(host, hello.signature_schemes())?;
        Some(Arc::clone(&chosen.key))
    }
}
