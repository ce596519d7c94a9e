//! What stands in front of Pebble: it adds what Debian's Pebble does not know yet, counts what
//! comes, and has bad days.
//!
//! Pebble makes its URLs of the host that it is asked for, so they all lead here.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::pebble::{Pebble, api_certificate};
use super::wire::Dial;
use super::wire::h1::Answer;
use super::wire::message::{Head, Otherwise, Wire};
use super::{Folder, free_ports};

/// The proxy. Each connection has a thread of its own.
pub(crate) struct Front {
    port: u16,
    shared: Arc<Shared>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) at: SystemTime,
    pub(crate) path: String,
    /// What the client has signed.
    pub(crate) payload: Value,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    Pass,
    /// The CA does what is asked, but says of the order that it is still at it; with lines of the
    /// head.
    Processing(&'static str),
    /// Answered here, with a status and lines of the head.
    Answer(u16, String, Value),
    HangUp,
}

type Script = Box<dyn FnMut(&Asked) -> Way + Send>;

struct Shared {
    pebble: Dial,
    url: String,
    asked: Mutex<Vec<Asked>>,
    script: Mutex<Script>,
    /// When certificates should be renewed, and after how many seconds to ask again.
    window: Mutex<Option<([SystemTime; 2], u64)>>,
    /// What there is beside what Pebble knows.
    profiles: Vec<&'static str>,
    stopped: AtomicBool,
}

pub(crate) const NEW_ORDER: &str = "/order-plz";
pub(crate) const FINALIZE: &str = "/finalize-order/";
pub(crate) const ORDER: &str = "/my-order/";
const BAD_NONCE: &[u8] = b"urn:ietf:params:acme:error:badNonce";
const RENEWAL_INFO: &str = "/renewal-info";

impl Front {
    /// A proxy that lets everything pass until it is told otherwise.
    pub(crate) fn start(folder: &Folder, pebble: &Pebble, profiles: &[&'static str]) -> Self {
        let [port] = free_ports();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(api_certificate(folder)).unwrap())
            .unwrap();
        let shared = Arc::new(Shared {
            pebble: Dial::new((Ipv4Addr::LOCALHOST, pebble.port).into(), roots),
            url: format!("https://localhost:{port}"),
            asked: Mutex::default(),
            script: Mutex::new(Box::new(|_| Way::Pass)),
            window: Mutex::default(),
            profiles: profiles.to_vec(),
            stopped: AtomicBool::new(false),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let (tls, accepting) = (server_config(folder), Arc::clone(&shared));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, tls, shared) =
                    (stream.unwrap(), Arc::clone(&tls), Arc::clone(&accepting));
                // A client that breaks off is part of some stories.
                thread::spawn(move || _ = serve(stream, tls, &shared));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn directory(&self) -> String {
        format!("{}/dir", self.shared.url)
    }

    /// Decides about each request from now on.
    pub(crate) fn script(&self, script: impl FnMut(&Asked) -> Way + Send + 'static) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// Certificates should be renewed between these times; clients may ask again after some
    /// seconds.
    pub(crate) fn window(&self, window: [SystemTime; 2], retry_after: u64) {
        *self.shared.window.lock().unwrap() = Some((window, retry_after));
    }

    /// What has come to a path, or to what is below it, without requests whose nonce the CA
    /// refused: those come again.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.shared
            .asked
            .lock()
            .unwrap()
            .iter()
            .filter(|asked| asked.path.starts_with(path))
            .cloned()
            .collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accept loop. If that fails the listener has gone already.
        let _ = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)));
    }
}

impl Way {
    /// A problem as CAs write it (RFC 8555, section 6.7).
    pub(crate) fn problem(status: u16, kind: &str, detail: &str, head: &str) -> Self {
        let problem = json!({
            "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status
        });
        Self::Answer(
            status,
            format!("Content-Type: application/problem+json\r\n{head}"),
            problem,
        )
    }
}

fn server_config(folder: &Folder) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(folder.join("api.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join("api.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(
        config
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap(),
    )
}

fn serve(tcp: TcpStream, tls: Arc<ServerConfig>, shared: &Shared) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let session = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut wire = Wire::new(StreamOwned::new(session, tcp));
    while let Some(head) = wire.head()? {
        let (body, _) = wire.body(&head, Otherwise::Nothing)?;
        let asked = Asked {
            at: SystemTime::now(),
            path: head.target().to_owned(),
            payload: payload(&body),
        };
        shared.asked.lock().unwrap().push(asked.clone());
        let way = (shared.script.lock().unwrap())(&asked);
        match way {
            Way::HangUp => return Ok(()),
            Way::Answer(status, head, body) => answer(&mut wire, status, &head, &body.to_string())?,
            Way::Pass if asked.path.starts_with(RENEWAL_INFO) => renewal_info(&mut wire, shared)?,
            Way::Pass => pass(&mut wire, &head, &body, &asked, shared, None)?,
            Way::Processing(lines) => pass(&mut wire, &head, &body, &asked, shared, Some(lines))?,
        }
    }
    Ok(())
}

/// The middle part of a JWS.
fn payload(body: &[u8]) -> Value {
    let jws: Value = serde_json::from_slice(body).unwrap_or_default();
    let payload = jws["payload"]
        .as_str()
        .and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
    payload
        .and_then(|payload| serde_json::from_slice(&payload).ok())
        .unwrap_or_default()
}

fn answer<S: Read + Write>(
    wire: &mut Wire<S>,
    status: u16,
    head: &str,
    body: &str,
) -> io::Result<()> {
    wire.send(format!(
        "HTTP/1.1 {status} Front\r\n{head}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// RFC 9773, section 4.2.
fn renewal_info<S: Read + Write>(wire: &mut Wire<S>, shared: &Shared) -> io::Result<()> {
    let Some((window, retry_after)) = *shared.window.lock().unwrap() else {
        return answer(wire, 404, "", "{}");
    };
    let [start, end] = window.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    let info = json!({ "suggestedWindow": { "start": start, "end": end } });
    answer(
        wire,
        200,
        &format!("Content-Type: application/json\r\nRetry-After: {retry_after}\r\n"),
        &info.to_string(),
    )
}

fn pass<S: Read + Write>(
    wire: &mut Wire<S>,
    head: &Head,
    body: &[u8],
    asked: &Asked,
    shared: &Shared,
    processing: Option<&str>,
) -> io::Result<()> {
    // Pebble may be away.
    let tcp = TcpStream::connect(shared.pebble.addr)?;
    let mut pebble = super::wire::Client::new(
        shared
            .pebble
            .tls_over(tcp, shared.pebble.config(&["http/1.1"]))?,
    );
    pebble.wire.send(&head.raw)?;
    pebble.wire.send(body)?;
    if head.first.starts_with("HEAD ") {
        let head = pebble.wire.head()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        return wire.send(head.raw);
    }
    let said = pebble.try_answer()?;
    if said
        .body
        .windows(BAD_NONCE.len())
        .any(|window| window == BAD_NONCE)
    {
        let mut all = shared.asked.lock().unwrap();
        let this = all
            .iter()
            .rposition(|other| (other.at, &other.path) == (asked.at, &asked.path));
        this.map(|at| all.remove(at));
    }
    let mut body = added(&said, asked, shared);
    if processing.is_some() && said.status() < 300 {
        body = not_finished(&body);
    }
    wire.send(framed(
        &said.head,
        body.len(),
        processing.unwrap_or_default(),
    ))?;
    wire.send(body)
}

/// An order as it was before it was finished.
fn not_finished(body: &[u8]) -> Vec<u8> {
    let mut order: Value = serde_json::from_slice(body).unwrap();
    order["status"] = "processing".into();
    order.as_object_mut().unwrap().remove("certificate");
    order.to_string().into_bytes()
}

/// What Pebble says, with what it does not know.
fn added(said: &Answer, asked: &Asked, shared: &Shared) -> Vec<u8> {
    let Ok(mut object) = serde_json::from_slice::<Value>(&said.body) else {
        return said.body.clone();
    };
    match asked.path.as_str() {
        "/dir" => {
            if shared.window.lock().unwrap().is_some() {
                object["renewalInfo"] = format!("{}{RENEWAL_INFO}", shared.url).into();
            }
            let profiles = shared
                .profiles
                .iter()
                .map(|name| ((*name).to_owned(), json!("of this test")));
            object["meta"]["profiles"] = Value::Object(profiles.collect());
        }
        NEW_ORDER if said.status() == 201 => {
            for key in ["replaces", "profile"] {
                if let Some(value) = asked.payload.get(key) {
                    object[key] = value.clone();
                }
            }
        }
        _ => return said.body.clone(),
    }
    object.to_string().into_bytes()
}

/// The head with the length of another body, and with more lines.
fn framed(head: &Head, length: usize, more: &str) -> String {
    let text = head.to_string();
    let is_framing = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
    };
    let lines: Vec<_> = text
        .trim_end()
        .split("\r\n")
        .filter(|line| !is_framing(line))
        .collect();
    format!(
        "{}\r\nContent-Length: {length}\r\n{more}\r\n",
        lines.join("\r\n")
    )
}
