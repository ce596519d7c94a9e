//! Connects to a server by TLS, to see which certificate it shows.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::error::DeployError;
use super::{DeploySpec, Place, forms};
use crate::host::HostName;
use crate::resolve::Resolver;
use crate::store::Stored;
use crate::tls::leaf_facts;
use crate::tls::look::shown_leaf;

/// How long one connection may take, with its handshake.
const CONNECTION: Duration = Duration::from_secs(5);

/// How long to go on connecting to a server that was notified of a new certificate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Altogether.
    pub(super) whole: Duration,
    /// Between two connections.
    pub(super) pause: Duration,
}

impl Patience {
    /// Some servers read the files only at the connection after the next. The pause is long because
    /// servers log each connection.
    pub(super) const USUAL: Self = Self {
        whole: Duration::from_secs(10),
        pause: Duration::from_secs(1),
    };
    /// One connection.
    pub(super) const NONE: Self = Self {
        whole: Duration::ZERO,
        pause: Duration::ZERO,
    };
}

/// Connects until the server shows this certificate.
pub(super) async fn shows(
    spec: &DeploySpec,
    place: &Place,
    cert: &Stored,
    patience: Patience,
) -> Result<(), DeployError> {
    let until = Instant::now() + patience.whole;
    let wanted = forms::leaf(cert)?;
    let host = cert
        .bundle
        .meta
        .hosts
        .first()
        .map_or(place.host.as_str(), |host| host);
    let name = server_name(host);
    loop {
        let answer = match look(spec, place, name.clone()).await {
            Ok(shown) if shown == wanted => return Ok(()),
            Ok(shown) => other(spec, place, &shown, &wanted),
            Err(error) => error,
        };
        if Instant::now() + patience.pause >= until {
            return Err(answer);
        }
        sleep(patience.pause).await;
    }
}

async fn look(
    spec: &DeploySpec,
    place: &Place,
    name: ServerName<'static>,
) -> Result<CertificateDer<'static>, DeployError> {
    let until = Instant::now() + CONNECTION;
    let stream = within(until, connect(place)).await;
    let stream = stream.map_err(|cause| DeployError::Unreachable {
        place: place.clone(),
        to: spec.to,
        cause,
    })?;
    let shown = within(until, shown_leaf(stream, name)).await;
    shown.map_err(|error| DeployError::NoHandshake(place.clone(), error))
}

/// Tries every address in turn.
async fn connect(place: &Place) -> io::Result<TcpStream> {
    let addrs = match place.host.ip() {
        Some(ip) => vec![SocketAddr::new(ip, place.port)],
        None => Resolver::system().find(place.host.as_str()).await?.to_vec(),
    };
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for mut addr in addrs {
        addr.set_port(place.port);
        match TcpStream::connect(addr).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn within<T>(until: Instant, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(until.saturating_duration_since(Instant::now()), work)
        .await
        .unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// Connects to a server once, as a client of this host does, and returns the serial of the
/// certificate that it shows.
///
/// # Errors
/// That it does not answer by TLS.
pub async fn shown(
    spec: &DeploySpec,
    place: &Place,
    host: &HostName,
) -> Result<String, DeployError> {
    Ok(serial(
        &look(spec, place, server_name(host.as_str())).await?,
    ))
}

fn serial(leaf: &CertificateDer<'_>) -> String {
    leaf_facts(leaf).map_or_else(|_| "that cannot be read".to_owned(), |facts| facts.serial)
}

/// What a client of the certificate's first host would ask for.
fn server_name(host: &str) -> ServerName<'static> {
    let loopback = || ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| loopback())
}

fn other(
    spec: &DeploySpec,
    place: &Place,
    shown: &CertificateDer<'_>,
    wanted: &CertificateDer<'_>,
) -> DeployError {
    let (shown, wanted) = (serial(shown), serial(wanted));
    DeployError::NotServed {
        place: place.clone(),
        shown,
        wanted,
        was_notified: spec.reload.is_some(),
    }
}
