//! Real handshakes with both ends in memory.

use std::sync::Arc;

use rustls::client::ClientConnection;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ServerConnection;
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, ClientConfig, Error, HandshakeKind, ProtocolVersion, RootCertStore,
    ServerConfig, SupportedProtocolVersion,
};

use super::*;
use crate::tls::{Asked, ChosenBy, Tickets, provider, server_config};

#[derive(Debug)]
struct Now;

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(
            now().duration_since(SystemTime::UNIX_EPOCH).unwrap(),
        ))
    }
}

const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// A client that trusts the authority in the PEM text.
pub(super) fn client_with(
    ca: &str,
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    ClientConfig::builder_with_details(Arc::new(provider), Arc::new(Now))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

pub(super) fn client(ca: &str) -> ClientConfig {
    client_with(ca, provider(), BOTH)
}

/// The cryptography of a client without ECDSA signatures.
fn without_ecdsa() -> CryptoProvider {
    let WebPkiSupportedAlgorithms { all, mapping } = provider().signature_verification_algorithms;
    let rsa = mapping
        .iter()
        .copied()
        .filter(|(scheme, _)| !format!("{scheme:?}").starts_with("ECDSA"));
    let mapping = Vec::leak(rsa.collect());
    CryptoProvider {
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all, mapping },
        ..provider()
    }
}

fn server(spec: &TlsSpec, tickets: &Tickets) -> Arc<ServerConfig> {
    let (table, _) = load(spec).unwrap();
    server_config(spec, Arc::new(table), tickets, None).unwrap()
}

/// Completes a handshake, tickets included. Returns the server's error if there is one.
pub(super) fn shake(
    client: &Arc<ClientConfig>,
    name: &str,
    server: &Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    loop {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let sent = wire.len();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        if sent + wire.len() == 0 {
            return Ok((client, server));
        }
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
}

fn is(connection: &ClientConnection, made: &Made) -> bool {
    connection.peer_certificates().unwrap()[0]
        == CertificateDer::from_pem_slice(made.cert.as_bytes()).unwrap()
}

#[test]
fn the_clients_signature_schemes_choose_among_certificates() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let (rsa, ecdsa) = (ca.rsa(&["a.example.com"]), ca.ecdsa(&["a.example.com"]));
    let spec = folder.spec(vec![folder.pair("a", &rsa), folder.pair("b", &ecdsa)]);
    let server = server(&spec, &Tickets::new().unwrap());
    for versions in [BOTH, &[&rustls::version::TLS12]] {
        let modern = Arc::new(client_with(&ca.pem, provider(), versions));
        assert!(
            is(&shake(&modern, "a.example.com", &server).unwrap().0, &ecdsa),
            "{versions:?}"
        );
        let old = Arc::new(client_with(&ca.pem, without_ecdsa(), versions));
        assert!(
            is(&shake(&old, "a.example.com", &server).unwrap().0, &rsa),
            "{versions:?}"
        );
    }
}

/// `CertTable::shown` returns the certificate that was presented, even if the TLS 1.2 suites allow
/// fewer signature schemes than the client offers.
#[test]
fn the_certificate_of_a_connection_is_known_afterwards() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let (rsa, ecdsa) = (
        ca.rsa(&["a.example.com", "rsa.example.com"]),
        ca.ecdsa(&["a.example.com", "ec.example.com"]),
    );
    let spec = TlsSpec {
        default: true,
        ..folder.spec(vec![
            folder.pair("a", &rsa),
            folder.pair("b", &ecdsa),
            folder.pair("c", &ca.ecdsa(&["c.example.com"])),
        ])
    };
    let table = Arc::new(load(&spec).unwrap().0);
    let server = server_config(&spec, Arc::clone(&table), &Tickets::new().unwrap(), None).unwrap();
    let mut rsa_suites = provider();
    rsa_suites
        .cipher_suites
        .retain(|suite| format!("{:?}", suite.suite()).contains("ECDHE_RSA"));
    assert!(!rsa_suites.cipher_suites.is_empty());
    for (name, provider, versions, is_rsa) in [
        ("a.example.com", provider(), BOTH, false),
        (
            "a.example.com",
            provider(),
            &[&rustls::version::TLS12][..],
            false,
        ),
        ("a.example.com", without_ecdsa(), BOTH, true),
        (
            "a.example.com",
            without_ecdsa(),
            &[&rustls::version::TLS12],
            true,
        ),
        (
            "a.example.com",
            rsa_suites,
            &[&rustls::version::TLS12],
            true,
        ),
    ] {
        let client = Arc::new(client_with(&ca.pem, provider, versions));
        let schemes = client
            .crypto_provider()
            .signature_verification_algorithms
            .supported_schemes();
        let (client, server) = shake(&client, name, &server).unwrap();
        let shown = table
            .shown(
                Asked {
                    schemes,
                    chosen: ChosenBy::ServerName,
                },
                &server,
            )
            .unwrap();
        let names = ["rsa.example.com", "ec.example.com"].map(|name| shown.names_host(&host(name)));
        assert_eq!(names, [is_rsa, !is_rsa], "{versions:?}");
        assert!(
            is(&client, if is_rsa { &rsa } else { &ecdsa }),
            "{versions:?}"
        );
    }
}

#[test]
fn a_client_that_no_certificate_suits_is_told_so() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let pairs = ["a", "b"].map(|name| folder.pair(name, &ca.ecdsa(&["a.example.com"])));
    let server = server(&folder.spec(pairs.into()), &Tickets::new().unwrap());
    let old = Arc::new(client_with(&ca.pem, without_ecdsa(), BOTH));
    let error = shake(&old, "a.example.com", &server).err().unwrap();
    assert!(matches!(error, Error::PeerIncompatible(_)), "{error:?}");
}

#[test]
fn the_name_chooses_and_unknown_names_are_refused() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let (wild, exact) = (
        ca.ecdsa(&["*.example.com"]),
        ca.ecdsa(&["media.example.com", "127.0.0.1"]),
    );
    let spec = folder.spec(vec![folder.pair("a", &exact), folder.pair("b", &wild)]);
    let tickets = Tickets::new().unwrap();
    let strict = server(&spec, &tickets);
    let open = server(
        &TlsSpec {
            default: true,
            ..spec
        },
        &tickets,
    );
    let client = Arc::new(client(&ca.pem));

    assert!(is(
        &shake(&client, "media.example.com", &strict).unwrap().0,
        &exact
    ));
    assert!(is(
        &shake(&client, "www.example.com", &strict).unwrap().0,
        &wild
    ));
    // Clients never send an address as a server name, so they get the first certificate.
    assert!(is(&shake(&client, "127.0.0.1", &strict).unwrap().0, &exact));

    for (name, server, expected) in [
        (
            "www.example.org",
            &strict,
            "no server certificate chain resolved",
        ),
        // The client rejects the handshake: it got the first certificate, which lacks this name.
        ("www.example.org", &open, "not valid for name"),
    ] {
        let error = shake(&client, name, server).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn no_name_gets_the_first_certificate() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let (first, second) = (ca.ecdsa(&["a.example.com"]), ca.ecdsa(&["b.example.com"]));
    let server = server(
        &folder.spec(vec![folder.pair("a", &first), folder.pair("b", &second)]),
        &Tickets::new().unwrap(),
    );
    let mut client = client(&ca.pem);
    client.enable_sni = false;
    assert!(is(
        &shake(&Arc::new(client), "a.example.com", &server)
            .unwrap()
            .0,
        &first
    ));
}

#[test]
fn versions_and_protocols() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let spec = folder.spec(vec![folder.pair("a", &ca.ecdsa(&["a.example.com"]))]);
    let tickets = Tickets::new().unwrap();
    let wide = server(&spec, &tickets);
    let strict = server(
        &TlsSpec {
            min_version: MinVersion::Tls13,
            ..spec
        },
        &tickets,
    );
    let old = Arc::new(client_with(&ca.pem, provider(), &[&rustls::version::TLS12]));

    let version = |client: &Arc<ClientConfig>, server| {
        shake(client, "a.example.com", server).map(|(c, _)| c.protocol_version())
    };
    assert_eq!(
        version(&old, &wide).unwrap(),
        Some(ProtocolVersion::TLSv1_2)
    );
    assert_eq!(
        version(&Arc::new(client(&ca.pem)), &wide).unwrap(),
        Some(ProtocolVersion::TLSv1_3)
    );
    assert!(matches!(
        version(&old, &strict),
        Err(Error::PeerIncompatible(_))
    ));

    for (offer, expected) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut client = client(&ca.pem);
        client.alpn_protocols = offer.iter().map(|name| name.as_bytes().to_vec()).collect();
        let (connection, _) = shake(&Arc::new(client), "a.example.com", &wide).unwrap();
        assert_eq!(
            connection.alpn_protocol(),
            expected.map(str::as_bytes),
            "{offer:?}"
        );
    }
    let mut other = client(&ca.pem);
    other.alpn_protocols = vec![b"smtp".to_vec()];
    assert_eq!(
        shake(&Arc::new(other), "a.example.com", &wide)
            .err()
            .unwrap(),
        Error::NoApplicationProtocol
    );
}

#[test]
fn suites_are_aead_with_ephemeral_keys_only() {
    for suite in provider().cipher_suites {
        let name = format!("{:?}", suite.suite());
        assert!(
            name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"),
            "{name}"
        );
        assert!(
            name.contains("_GCM_") || name.contains("_CHACHA20_POLY1305"),
            "{name}"
        );
    }
}

#[test]
fn tickets_outlive_a_reload() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let spec = folder.spec(vec![folder.pair("a", &ca.ecdsa(&["a.example.com"]))]);
    let tickets = Tickets::new().unwrap();
    let (before, after) = (server(&spec, &tickets), server(&spec, &tickets.clone()));
    let stranger = server(&spec, &Tickets::new().unwrap());
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let client = Arc::new(client_with(&ca.pem, provider(), versions));
        let kind = |server| {
            shake(&client, "a.example.com", server)
                .unwrap()
                .0
                .handshake_kind()
                .unwrap()
        };
        assert_eq!(kind(&before), HandshakeKind::Full, "{versions:?}");
        assert_eq!(kind(&after), HandshakeKind::Resumed, "{versions:?}");
        assert_eq!(kind(&stranger), HandshakeKind::Full, "{versions:?}");
    }
}

#[test]
fn a_ticket_opens_no_name_that_is_no_longer_served() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let tickets = Tickets::new().unwrap();
    let config = |name| {
        server(
            &folder.spec(vec![folder.pair("a", &ca.ecdsa(&[name]))]),
            &tickets,
        )
    };
    let (before, after) = (config("a.example.com"), config("b.example.com"));
    let client = Arc::new(client(&ca.pem));
    shake(&client, "a.example.com", &before).unwrap();
    let error = shake(&client, "a.example.com", &after).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("no server certificate chain resolved"),
        "{error}"
    );
}

#[test]
fn a_full_handshake_brings_one_ticket_and_keeps_no_session() {
    let (ca, folder) = (Authority::new(), Folder::new());
    let spec = folder.spec(vec![folder.pair("a", &ca.ecdsa(&["a.example.com"]))]);
    let server = server(&spec, &Tickets::new().unwrap());
    let (connection, _) = shake(&Arc::new(client(&ca.pem)), "a.example.com", &server).unwrap();
    assert_eq!(connection.tls13_tickets_received(), 1);
    assert!(!server.session_storage.can_cache());
}

#[test]
fn an_empty_table_refuses_everybody() {
    let folder = Folder::new();
    let spec = folder.self_signed(&["localhost"]);
    let (table, _) = CertTable::load(&spec, now(), Mode::Read).unwrap();
    let server = server_config(&spec, Arc::new(table), &Tickets::new().unwrap(), None).unwrap();
    let error = shake(
        &Arc::new(client(&Authority::new().pem)),
        "localhost",
        &server,
    )
    .err()
    .unwrap();
    assert!(
        !matches!(error, Error::AlertReceived(AlertDescription::InternalError)),
        "{error:?}"
    );
}
