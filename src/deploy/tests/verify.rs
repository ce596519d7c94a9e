use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio_rustls::LazyConfigAcceptor;

use super::*;
use crate::deploy::error::DeployError;
use crate::deploy::verify::{Patience, shows};
use crate::deploy::{DeployState, Place, Reload, served};

/// The longest that a test waits for a server that does as it should.
const LONG: Patience = Patience {
    whole: DEADLINE,
    pause: Duration::from_millis(10),
};
const SHORT: Patience = Patience {
    whole: Duration::from_millis(200),
    pause: Duration::from_millis(10),
};

pub(super) fn place(address: SocketAddr) -> Place {
    Place {
        host: address.ip().into(),
        port: address.port(),
    }
}

fn config(cert: &Stored) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(cert.bundle.chain.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(cert.bundle.key.reveal().as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// A server that shows the certificate of this moment, and what it was asked for: the names, one
/// for each handshake.
pub(super) async fn server<F>(now: F) -> (SocketAddr, Arc<parking_lot::Mutex<Vec<String>>>)
where
    F: Fn() -> Arc<Stored> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Arc<parking_lot::Mutex<Vec<String>>> = Arc::default();
    let names = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(asks) =
                LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await
            else {
                continue;
            };
            names.lock().push(
                asks.client_hello()
                    .server_name()
                    .unwrap_or_default()
                    .to_owned(),
            );
            let Ok(mut stream) = asks.into_stream(config(&now())).await else {
                continue;
            };
            let _ = stream.read(&mut [0]).await;
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_server_is_asked_for_the_first_host() {
    let (folder, cert) = (TempDir::new().unwrap(), stored(1));
    let serves = Arc::clone(&cert);
    let (address, asked) = server(move || Arc::clone(&serves)).await;
    shows(&spec(&folder), &place(address), &cert, LONG)
        .await
        .unwrap();
    assert_eq!(*asked.lock(), [HOST]);
}

#[test]
fn nobody_is_asked_more_often_than_once_a_second() {
    assert_eq!(
        (
            Patience::USUAL.pause.as_secs(),
            Patience::USUAL.whole.as_secs()
        ),
        (1, 10)
    );
}

#[tokio::test]
async fn kurento_shows_a_new_file_from_the_second_connection_on() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (stored(1), stored(2));
    let served = (Arc::clone(&old), Arc::clone(&new));
    let count = AtomicUsize::new(0);
    let next = move || {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            served.0.clone()
        } else {
            served.1.clone()
        }
    };
    let (address, asked) = server(next).await;
    shows(&spec(&folder), &place(address), &new, LONG)
        .await
        .unwrap();
    assert_eq!(asked.lock().len(), 2);
}

#[tokio::test]
async fn another_certificate_is_told_with_both_serials() {
    let folder = TempDir::new().unwrap();
    let (old, new) = (stored(1), stored(2));
    let (address, _) = server(move || Arc::clone(&old)).await;
    let mut spec = spec(&folder);
    let error = shows(&spec, &place(address), &new, SHORT)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("4001") && error.contains("4002") && error.contains("restart it"),
        "{error}"
    );
    spec.reload = Some(Reload::Command(vec!["true".to_owned()]));
    spec.verify = Some(place(address));
    let error = shows(&spec, &place(address), &new, SHORT)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("does it read the files"), "{error}");
    assert!(
        matches!(super::super::served(&spec, &new).await, DeployState::NotServed { shown, .. }
            if shown == "4001")
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let (folder, cert) = (TempDir::new().unwrap(), stored(1));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut spec = spec(&folder);
    let nowhere = place(listener.local_addr().unwrap());
    drop(listener);
    let error = shows(&spec, &nowhere, &cert, SHORT).await.unwrap_err();
    assert!(matches!(error, DeployError::Unreachable { .. }), "{error}");
    spec.verify = Some(nowhere);
    assert!(matches!(
        served(&spec, &cert).await,
        DeployState::NoAnswer(..)
    ));
    spec.verify = None;
    assert!(matches!(served(&spec, &cert).await, DeployState::InSync));
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let (folder, cert) = (TempDir::new().unwrap(), stored(1));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let error = shows(&spec(&folder), &place(address), &cert, SHORT)
        .await
        .unwrap_err();
    assert!(matches!(error, DeployError::NoHandshake(..)), "{error}");
}
