//! A TLS connection that one thread may read while another writes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use socket2::{Domain, Socket, Type};

use super::h1::Client;
use super::{DEADLINE, h2};

/// How a client comes in.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    pub(crate) addr: SocketAddr,
    roots: RootCertStore,
    name: String,
    source: Option<IpAddr>,
    versions: Vec<&'static SupportedProtocolVersion>,
    resumption: Resumption,
    is_blind: bool,
    knows_ecdsa: bool,
    /// What it shows if it is asked: a chain and its key, in PEM.
    shown: Option<(String, String)>,
}

impl Dial {
    pub(crate) fn new(addr: SocketAddr, roots: RootCertStore) -> Self {
        let versions = rustls::ALL_VERSIONS.to_vec();
        let (name, resumption) = ("localhost".to_owned(), Resumption::disabled());
        Self {
            addr,
            roots,
            name,
            source: None,
            versions,
            resumption,
            is_blind: false,
            knows_ecdsa: true,
            shown: None,
        }
    }

    /// By another TLS name; an address is not sent as one.
    pub(crate) fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// From another address of this machine.
    pub(crate) fn from(mut self, source: &str) -> Self {
        self.source = Some(source.parse().unwrap());
        self
    }

    /// With these TLS versions only.
    pub(crate) fn versions(mut self, versions: &[&'static SupportedProtocolVersion]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// With sessions remembered here.
    pub(crate) fn remember(mut self) -> Self {
        self.resumption = Resumption::in_memory_sessions(8);
        self
    }

    /// Taking any certificate, to look at it.
    pub(crate) fn blind(mut self) -> Self {
        self.is_blind = true;
        self
    }

    /// Without signatures by ECDSA. Blind clients only.
    pub(crate) fn without_ecdsa(mut self) -> Self {
        self.knows_ecdsa = false;
        self
    }

    /// With a certificate that it shows if it is asked for one.
    pub(crate) fn showing(mut self, chain: &str, key: &str) -> Self {
        self.shown = Some((chain.to_owned(), key.to_owned()));
        self
    }

    pub(crate) fn tcp(&self) -> TcpStream {
        let socket = Socket::new(Domain::for_address(self.addr), Type::STREAM, None).unwrap();
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        }
        socket.connect(&self.addr.into()).unwrap();
        let tcp = TcpStream::from(socket);
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        tcp.set_write_timeout(Some(DEADLINE)).unwrap();
        tcp
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from(self.name.clone()).unwrap()
    }

    pub(crate) fn config(&self, alpn: &[&str]) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_protocol_versions(&self.versions).unwrap();
        let builder = builder.with_root_certificates(self.roots.clone());
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = CertificateDer::pem_slice_iter(chain.as_bytes());
                let chain = chain.map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = self.resumption.clone();
        if self.is_blind {
            config.dangerous().set_certificate_verifier(Arc::new(Blind(
                aws_lc_rs::default_provider(),
                self.knows_ecdsa,
            )));
        }
        Arc::new(config)
    }

    /// Shakes hands.
    pub(crate) fn tls(&self, alpn: &[&str]) -> io::Result<TlsStream> {
        self.tls_over(self.tcp(), self.config(alpn))
    }

    /// Shakes hands over a connection that is there already, with a configuration that may be used
    /// again.
    pub(crate) fn tls_over(
        &self,
        tcp: TcpStream,
        config: Arc<ClientConfig>,
    ) -> io::Result<TlsStream> {
        TlsStream::open(
            tcp,
            ClientConnection::new(config, self.server_name()).unwrap(),
        )
    }

    /// An HTTP/1.1 client.
    pub(crate) fn h1(&self) -> Client {
        Client::new(self.tls(&["http/1.1"]).unwrap())
    }

    /// An HTTP/2 client.
    pub(crate) fn h2(&self) -> h2::Client {
        // Room for other streams beside one that is not read.
        self.h2_with_window(1 << 20)
    }

    /// An HTTP/2 client that takes so much without reading it.
    pub(crate) fn h2_with_window(&self, window: u32) -> h2::Client {
        h2::Client::open(self, window)
    }
}

/// Takes any certificate whose key its server has.
#[derive(Debug)]
struct Blind(CryptoProvider, bool);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // By its key alone: the certificate of a challenge has an extension that no client takes.
        let (_, parsed) = x509_parser::parse_x509_certificate(cert).unwrap();
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        verify_tls13_signature_with_raw_key(
            message,
            &key,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let all = self.0.signature_verification_algorithms.supported_schemes();
        let is_known =
            |scheme: &SignatureScheme| self.1 || !format!("{scheme:?}").starts_with("ECDSA");
        all.into_iter().filter(is_known).collect()
    }
}

/// The connection. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct TlsStream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tcp: TcpStream,
    session: Mutex<ClientConnection>,
    /// Decrypted and not yet read: the session itself takes no more than a record.
    plain: Mutex<VecDeque<u8>>,
    /// Held from encryption until the last byte is written: records must not overtake each other.
    writing: Mutex<()>,
}

impl TlsStream {
    fn open(mut tcp: TcpStream, mut session: ClientConnection) -> io::Result<Self> {
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        Ok(Self(Arc::new(Inner {
            tcp,
            session: Mutex::new(session),
            plain: Mutex::default(),
            writing: Mutex::new(()),
        })))
    }

    /// The raw socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.0.tcp
    }

    /// The certificate that the gateway has shown.
    pub(crate) fn leaf(&self) -> CertificateDer<'static> {
        self.look(|session| session.peer_certificates().unwrap()[0].clone().into_owned())
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&ClientConnection) -> T) -> T {
        look(&self.0.session.lock().unwrap())
    }

    /// Says that nothing more will come, and still listens.
    pub(crate) fn end_writing(&self) -> io::Result<()> {
        let _writing = self.0.writing.lock().unwrap();
        self.0.session.lock().unwrap().send_close_notify();
        self.write_out()?;
        self.0.tcp.shutdown(Shutdown::Write)
    }

    /// Vanishes with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.0.tcp)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    }

    fn write_out(&self) -> io::Result<()> {
        let mut out = Vec::new();
        let mut session = self.0.session.lock().unwrap();
        while session.wants_write() {
            session.write_tls(&mut out)?;
        }
        drop(session);
        (&self.0.tcp).write_all(&out)
    }

    fn take_in(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut session = self.0.session.lock().unwrap();
        loop {
            session.read_tls(&mut bytes)?;
            let state = session.process_new_packets().map_err(io::Error::other)?;
            let mut plain = vec![0; state.plaintext_bytes_to_read()];
            session.reader().read_exact(&mut plain)?;
            self.0.plain.lock().unwrap().extend(plain);
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Read for TlsStream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.0.plain.lock().unwrap().read(out)?;
            if n > 0 {
                return Ok(n);
            }
            // Nothing is left in there but the way it ended.
            match self.0.session.lock().unwrap().reader().read(out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            let mut bytes = [0; 32 * 1024];
            let n = (&self.0.tcp).read(&mut bytes)?;
            self.take_in(&bytes[..n])?;
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _writing = self.0.writing.lock().unwrap();
        let n = self.0.session.lock().unwrap().writer().write(bytes)?;
        self.write_out()?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
