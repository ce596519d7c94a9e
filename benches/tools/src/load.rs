//! Load generators. Each prints one JSON object on stdout and ends by itself.
//! `--pids 1,2` names the gateway's processes: their CPU time over the measured window is reported.
use crate::{h2, janus, kurento, Args};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, crypto::aws_lc_rs, ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme,
};
use tokio_rustls::TlsConnector;

// ---------- measured window ----------
static MEASURING: AtomicBool = AtomicBool::new(false);
pub static STOP: AtomicBool = AtomicBool::new(false);
static DONE: AtomicU64 = AtomicU64::new(0);
pub static ERRORS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static RESUMED: AtomicU64 = AtomicU64::new(0);
static LAT: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static FIRST_ERR: Mutex<Option<String>> = Mutex::new(None);

pub fn ok(start: Instant) {
    if MEASURING.load(Relaxed) {
        DONE.fetch_add(1, Relaxed);
        LAT.lock().unwrap().push(start.elapsed().as_micros().min(u32::MAX as u128) as u32);
    }
}
pub fn bad(e: io::Error) {
    if STOP.load(Relaxed) {
        return;
    }
    ERRORS.fetch_add(1, Relaxed);
    FIRST_ERR.lock().unwrap().get_or_insert_with(|| e.to_string());
}

/// Without what would have to be escaped.
pub fn first_error() -> String {
    let error = FIRST_ERR.lock().unwrap().clone().unwrap_or_default();
    error.replace(|c: char| c.is_control() || matches!(c, '"' | '\\'), "'")
}

fn clock(id: libc::clockid_t) -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is ours to write, and any clock id may be asked for.
    if unsafe { libc::clock_gettime(id, &mut t) } != 0 {
        return 0.0;
    }
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}
/// CPU seconds of a process with all its threads, dead ones too, in ns resolution (sum), and
/// user/sys by ticks.
fn cpu(pids: &[i32]) -> (f64, f64, f64) {
    let (mut t, mut u, mut s) = (0.0, 0.0, 0.0);
    for &p in pids {
        t += clock((!p << 3) | 2);
        if let Ok(x) = std::fs::read_to_string(format!("/proc/{p}/stat")) {
            let f: Vec<&str> = x[x.rfind(')').unwrap_or(0) + 2..].split(' ').collect();
            u += f[11].parse::<f64>().unwrap_or(0.0) / 100.0;
            s += f[12].parse::<f64>().unwrap_or(0.0) / 100.0;
        }
    }
    (t, u, s)
}
fn pids(a: &Args, k: &str) -> Vec<i32> {
    a.get(k, "").split(',').filter_map(|p| p.parse().ok()).collect()
}

pub async fn window(a: &Args) -> i32 {
    let (warm, dur) = (a.num("warm", 1.0), a.num("dur", 5.0));
    let (gp, up) = (pids(a, "pids"), pids(a, "up-pids"));
    tokio::time::sleep(Duration::from_secs_f64(warm)).await;
    LAT.lock().unwrap().reserve(2_000_000);
    let (g0, u0, me0) = (cpu(&gp), cpu(&up), clock(libc::CLOCK_PROCESS_CPUTIME_ID));
    let t0 = Instant::now();
    MEASURING.store(true, Relaxed);
    tokio::time::sleep(Duration::from_secs_f64(dur)).await;
    MEASURING.store(false, Relaxed);
    let el = t0.elapsed().as_secs_f64();
    let (g1, u1, me1) = (cpu(&gp), cpu(&up), clock(libc::CLOCK_PROCESS_CPUTIME_ID));
    STOP.store(true, Relaxed);
    let mut l = std::mem::take(&mut *LAT.lock().unwrap());
    l.sort_unstable();
    let q = |p: f64| if l.is_empty() { 0 } else { l[((l.len() - 1) as f64 * p) as usize] };
    let n = DONE.load(Relaxed);
    println!(
        "{{\"n\":{n},\"secs\":{el:.4},\"rps\":{:.1},\"errors\":{},\"first_error\":\"{}\",\
         \"bytes\":{},\"resumed\":{},\"p50_us\":{},\"p99_us\":{},\"p999_us\":{},\
         \"max_us\":{},\"cpu_s\":{:.5},\"user_s\":{:.2},\"sys_s\":{:.2},\
         \"cpu_us_per\":{:.3},\"up_cpu_us_per\":{:.3},\"cli_cpu_us_per\":{:.3}}}",
        n as f64 / el,
        ERRORS.load(Relaxed),
        first_error(),
        BYTES.load(Relaxed),
        RESUMED.load(Relaxed),
        q(0.5), q(0.99), q(0.999), q(1.0),
        g1.0 - g0.0, g1.1 - g0.1, g1.2 - g0.2,
        (g1.0 - g0.0) * 1e6 / n.max(1) as f64,
        (u1.0 - u0.0) * 1e6 / n.max(1) as f64,
        (me1 - me0) * 1e6 / n.max(1) as f64,
    );
    0
}

// ---------- connections ----------
#[derive(Debug)]
struct NoVerify;
impl ServerCertVerifier for NoVerify {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ED25519,
        ]
    }
}

fn tls(resume: bool, protocol: &[u8]) -> TlsConnector {
    let mut p = aws_lc_rs::default_provider();
    p.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    p.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let mut c = ClientConfig::builder_with_provider(Arc::new(p))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NoVerify))
        .with_no_client_auth();
    c.alpn_protocols = vec![protocol.to_vec()];
    c.resumption =
        if resume { Resumption::in_memory_sessions(4096) } else { Resumption::disabled() };
    TlsConnector::from(Arc::new(c))
}

pub enum S {
    P(TcpStream),
    T(Box<TlsStream<TcpStream>>),
    H(Box<h2::Stream>),
}
impl AsyncRead for S {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        b: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            S::P(s) => Pin::new(s).poll_read(cx, b),
            S::T(s) => Pin::new(s).poll_read(cx, b),
            S::H(s) => Pin::new(s).poll_read(cx, b),
        }
    }
}
impl AsyncWrite for S {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            S::P(s) => Pin::new(s).poll_write(cx, b),
            S::T(s) => Pin::new(s).poll_write(cx, b),
            S::H(s) => Pin::new(s).poll_write(cx, b),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            S::P(s) => Pin::new(s).poll_flush(cx),
            S::T(s) => Pin::new(s).poll_flush(cx),
            S::H(s) => Pin::new(s).poll_flush(cx),
        }
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            S::P(s) => Pin::new(s).poll_shutdown(cx),
            S::T(s) => Pin::new(s).poll_shutdown(cx),
            S::H(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

#[derive(Clone)]
pub struct Target {
    addr: SocketAddr,
    tls: Option<TlsConnector>,
    pub host: String,
    /// With `--h2`.
    pub pool: Option<Arc<h2::Pool>>,
}
impl Target {
    pub fn new(a: &Args, resume: bool) -> Target {
        let port: u16 = a.get("port", "0").parse().unwrap();
        Target {
            addr: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
            tls: (!a.flag("plain"))
                .then(|| tls(resume, if a.flag("h2") { b"h2" } else { b"http/1.1" })),
            host: a.get("host", "localhost"),
            pool: a.flag("h2").then(|| Arc::new(h2::Pool::new(a.num("streams", 10.0) as usize))),
        }
    }
    async fn tcp(&self, i: usize) -> io::Result<TcpStream> {
        let s = TcpSocket::new_v4()?;
        let one: libc::c_int = 1;
        // IP_BIND_ADDRESS_NO_PORT: the port is picked at connect, per 4-tuple.
        // SAFETY: the socket is open, and the option is an int that lives until after the call.
        unsafe {
            libc::setsockopt(s.as_raw_fd(), libc::IPPROTO_IP, 24, &one as *const _ as *const _, 4)
        };
        s.bind(SocketAddr::from(([127, 0, 0, (2 + i % 200) as u8], 0)))?;
        let t = s.connect(self.addr).await?;
        t.set_nodelay(true)?;
        Ok(t)
    }
    pub async fn open(&self, i: usize) -> io::Result<S> {
        let t = self.tcp(i).await?;
        Ok(match &self.tls {
            None => S::P(t),
            Some(c) => S::T(Box::new(
                c.connect(ServerName::try_from(self.host.clone()).unwrap(), t).await?,
            )),
        })
    }
}

fn find(h: &[u8], n: &[u8]) -> Option<usize> {
    h.windows(n.len()).position(|w| w == n)
}
fn header<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|c| *c == b'\n').find_map(|l| {
        let c = l.iter().position(|c| *c == b':')?;
        l[..c].eq_ignore_ascii_case(name).then(|| l[c + 1..].trim_ascii())
    })
}
pub fn inval(s: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, s.into())
}

/// Reads one answer; leaves nothing behind (no pipelining). Returns body length.
pub async fn answer(s: &mut S, b: &mut [u8], want: u16) -> io::Result<usize> {
    let mut n = 0;
    let end = loop {
        let r = s.read(&mut b[n..]).await?;
        if r == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        n += r;
        if let Some(p) = find(&b[..n], b"\r\n\r\n") {
            break p + 4;
        }
    };
    let code: u16 = std::str::from_utf8(&b[9..12]).ok().and_then(|c| c.parse().ok()).unwrap_or(0);
    if code != want {
        return Err(inval(format!("status {code}")));
    }
    if code == 101 {
        return if n == end { Ok(0) } else { Err(inval("bytes after 101")) };
    }
    let mut have = n - end;
    if let Some(cl) = header(&b[..end], b"content-length") {
        let cl: usize =
            std::str::from_utf8(cl).unwrap_or("").parse().map_err(|_| inval("content-length"))?;
        while have < cl {
            let r = s.read(b).await?;
            if r == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            have += r;
        }
        return Ok(cl);
    }
    // chunked: only small bodies are expected
    let mut all = b[end..n].to_vec();
    while !all.ends_with(b"0\r\n\r\n") {
        let r = s.read(b).await?;
        if r == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        all.extend_from_slice(&b[..r]);
    }
    Ok(all.len())
}

/// The headers that are not the protocol's: those of the file `--head`, a line each, or few.
pub fn extra_head(a: &Args) -> Vec<(String, String)> {
    let text = match a.map.get("head") {
        Some(file) => std::fs::read_to_string(file).expect("--head: a file"),
        None => {
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\n\
                 Accept: */*\nOrigin: https://app.example.org\n"
                .into()
        }
    };
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    let mut head: Vec<_> = lines.map(|(name, value)| (name.into(), value.into())).collect();
    if let Some(token) = a.map.get("bearer") {
        head.push(("Authorization".into(), format!("Bearer {token}")));
    }
    head
}

pub fn request(a: &Args, t: &Target, close: bool) -> Vec<u8> {
    let body = vec![b'j'; a.num("body", 0.0) as usize];
    request_of(a, t, &a.get("path", "/janus/b100"), &body, close)
}
fn request_of(a: &Args, t: &Target, path: &str, body: &[u8], close: bool) -> Vec<u8> {
    let m = if body.is_empty() { "GET" } else { "POST" };
    let mut r = format!("{m} {path} HTTP/1.1\r\nHost: {}\r\n", t.host);
    for (name, value) in extra_head(a) {
        r += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        r += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    if close {
        r += "Connection: close\r\n";
    }
    r += "\r\n";
    let mut v = r.into_bytes();
    v.extend_from_slice(body);
    v
}

/// A session and a handle, and the request with a message for that handle.
async fn janus_request(a: &Args, t: &Target, s: &mut S, b: &mut [u8]) -> io::Result<Vec<u8>> {
    let path = a.get("path", "/janus/rest");
    let create = request_of(a, t, &path, janus::create().as_bytes(), false);
    let path = format!("{path}/{}", janus_made(s, &create, b).await?);
    let attach = request_of(a, t, &path, janus::attach(None).as_bytes(), false);
    let path = format!("{path}/{}", janus_made(s, &attach, b).await?);
    Ok(request_of(a, t, &path, &janus::message(None, a.num("body", 300.0) as usize), false))
}
async fn janus_made(s: &mut S, request: &[u8], b: &mut [u8]) -> io::Result<u64> {
    b.fill(0);
    s.write_all(request).await?;
    s.flush().await?;
    answer(s, b, 200).await?;
    janus::made(b)
}

/// A timerfd (ns resolution; tokio's own timer has 1 ms) that yields how many periods went by.
struct Pacer(tokio::io::unix::AsyncFd<OwnedFd>);
impl Pacer {
    fn new(period: Duration) -> Pacer {
        // SAFETY: the structures live through the calls, and the new descriptor has no other owner.
        unsafe {
            let fd =
                libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC);
            let p = libc::timespec {
                tv_sec: period.as_secs() as _,
                tv_nsec: period.subsec_nanos() as _,
            };
            libc::timerfd_settime(
                fd,
                0,
                &libc::itimerspec { it_interval: p, it_value: p },
                std::ptr::null_mut(),
            );
            Pacer(
                tokio::io::unix::AsyncFd::register_with_interest(
                    OwnedFd::from_raw_fd(fd),
                    tokio::io::Interest::READABLE,
                )
                .unwrap(),
            )
        }
    }
    async fn tick(&self) -> u64 {
        loop {
            let mut g = self.0.readable().await.unwrap();
            let mut v = 0u64;
            // SAFETY: eight bytes are read into the eight of `v`.
            let r = unsafe { libc::read(self.0.as_raw_fd(), &mut v as *mut _ as *mut _, 8) };
            if r == 8 {
                return v;
            }
            g.clear_ready();
        }
    }
}
pub type Tokens = Option<tokio::sync::mpsc::UnboundedReceiver<Instant>>;
/// Constant arrival rate, spread over the connections round robin; latency counts from the intended
/// time.
pub fn pace(rate: f64, conns: usize) -> Vec<Tokens> {
    if rate <= 0.0 {
        return (0..conns).map(|_| None).collect();
    }
    let (mut tx, mut rx) = (vec![], vec![]);
    for _ in 0..conns {
        let (t, r) = tokio::sync::mpsc::unbounded_channel();
        tx.push(t);
        rx.push(Some(r));
    }
    tokio::spawn(async move {
        let per = Duration::from_secs_f64(1.0 / rate);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let base = Instant::now();
        let p = Pacer::new(per);
        let mut k = 0u64;
        loop {
            for _ in 0..p.tick().await {
                k += 1;
                let _ = tx[k as usize % conns]
                    .send(base + Duration::from_nanos((k as f64 * 1e9 / rate) as u64));
            }
        }
    });
    rx
}
pub async fn slot(t: &mut Tokens) -> Instant {
    match t {
        None => Instant::now(),
        Some(r) => r.recv().await.unwrap_or_else(Instant::now),
    }
}

// ---------- cases ----------
pub async fn hs(a: &Args) -> i32 {
    let base = Target::new(a, a.flag("resume"));
    // With --hosts N, each handshake is for another of N names.
    let names = match a.num("hosts", 0.0) as usize {
        0 => vec![base.host.clone()],
        n => (0..n).map(|n| format!("h{n}.example.org")).collect(),
    };
    let targets = names.into_iter().map(|host| {
        let t = Target { host, ..base.clone() };
        let req = request(a, &t, true);
        (t, req)
    });
    let targets: Arc<Vec<_>> = Arc::new(targets.collect());
    for i in 0..a.num("conns", 32.0) as usize {
        let targets = Arc::clone(&targets);
        tokio::spawn(async move {
            let mut b = vec![0; 8192];
            let mut k = i;
            while !STOP.load(Relaxed) {
                let t0 = Instant::now();
                k += 37;
                let (t, req) = &targets[k % targets.len()];
                let r = async {
                    let mut s = t.open(k).await?;
                    let kind = match &s {
                        S::T(x) => x.get_ref().1.handshake_kind(),
                        _ => None,
                    };
                    let res = kind == Some(HandshakeKind::Resumed);
                    s.write_all(req).await?;
                    answer(&mut s, &mut b, 200).await?;
                    Ok(res)
                }
                .await;
                match r {
                    Ok(res) => {
                        if res && MEASURING.load(Relaxed) {
                            RESUMED.fetch_add(1, Relaxed);
                        }
                        ok(t0)
                    }
                    Err(e) => {
                        bad(e);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        });
    }
    window(a).await
}

pub async fn http(a: &Args) -> i32 {
    if a.flag("h2") {
        return h2::http(a).await;
    }
    let t = Target::new(a, false);
    let req = request(a, &t, false);
    let a = Arc::new(Args { map: a.map.clone() });
    let conns = a.num("conns", 64.0) as usize;
    let big = a.num("buf", 8192.0) as usize;
    for (i, mut tok) in pace(a.num("rate", 0.0), conns).into_iter().enumerate() {
        let (a, t, mut req) = (Arc::clone(&a), t.clone(), req.clone());
        tokio::spawn(async move {
            let mut b = vec![0; big];
            let mut s: Option<S> = None;
            while !STOP.load(Relaxed) {
                let r = async {
                    if s.is_none() {
                        let mut c = t.open(i).await?;
                        if a.flag("janus") {
                            req = janus_request(&a, &t, &mut c, &mut b).await?;
                        }
                        s = Some(c);
                    }
                    let c = s.as_mut().unwrap();
                    let t0 = slot(&mut tok).await;
                    c.write_all(&req).await?;
                    c.flush().await?;
                    let n = answer(c, &mut b, 200).await?;
                    if MEASURING.load(Relaxed) {
                        BYTES.fetch_add((n.max(req.len())) as u64, Relaxed);
                    }
                    Ok(t0)
                }
                .await;
                match r {
                    Ok(t0) => ok(t0),
                    Err(e) => {
                        bad(e);
                        s = None;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        });
    }
    window(&a).await
}

async fn ws_open(t: &Target, i: usize, talk: &Talk) -> io::Result<S> {
    let bearer = talk.bearer.as_ref().map(|token| format!("Bearer {token}"));
    if t.pool.is_some() {
        let mut more = vec![];
        if talk.is_janus {
            more.push(("sec-websocket-protocol", "janus-protocol"));
        }
        more.extend(bearer.as_deref().map(|value| ("authorization", value)));
        return Ok(S::H(Box::new(h2::websocket(t, i, &talk.path, &more).await?)));
    }
    let mut s = t.open(i).await?;
    let mut r = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bt\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nOrigin: https://app.example.org\r\n",
        talk.path, t.host
    );
    if talk.is_janus {
        r += "Sec-WebSocket-Protocol: janus-protocol\r\n";
    }
    if let Some(value) = bearer {
        r += &format!("Authorization: {value}\r\n");
    }
    r += "\r\n";
    s.write_all(r.as_bytes()).await?;
    let mut b = vec![0; 2048];
    answer(&mut s, &mut b, 101).await?;
    Ok(s)
}
/// A text as a client and as a server sends it.
fn framed(sent: &[u8], answered: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mask = [0x37u8, 0xfa, 0x21, 0x3d];
    let head = |m: u8, n: usize| -> Vec<u8> {
        let mut v = vec![0x81];
        if n < 126 {
            v.push(m | n as u8);
        } else {
            v.push(m | 126);
            v.extend_from_slice(&(n as u16).to_be_bytes());
        }
        v
    };
    let (mut f, mut e) = (head(0x80, sent.len()), head(0, answered.len()));
    f.extend_from_slice(&mask);
    f.extend(sent.iter().enumerate().map(|(i, c)| c ^ mask[i & 3]));
    e.extend_from_slice(answered);
    (f, e)
}

/// Sends a text and reads the one that answers it.
async fn asked(s: &mut S, text: &str) -> io::Result<Vec<u8>> {
    s.write_all(&framed(text.as_bytes(), &[]).0).await?;
    let mut head = [0; 2];
    s.read_exact(&mut head).await?;
    let mut n = head[1] as usize;
    if n == 126 {
        s.read_exact(&mut head).await?;
        n = u16::from_be_bytes(head).into();
    }
    let mut b = vec![0; n];
    s.read_exact(&mut b).await?;
    Ok(b)
}

/// What is sent on WebSockets: one text that is echoed, or messages of a session of Janus or
/// Kurento.
#[derive(Clone)]
struct Talk {
    size: usize,
    path: String,
    bearer: Option<String>,
    is_janus: bool,
    is_kurento: bool,
    /// What Kurento's clients begin with, in turn.
    is_first: bool,
}
impl Talk {
    fn new(a: &Args) -> Talk {
        Talk {
            size: a.num("size", 200.0) as usize,
            path: a.get("path", "/kurento"),
            bearer: a.map.get("bearer").cloned(),
            is_janus: a.flag("janus"),
            is_kurento: a.flag("kurento"),
            is_first: a.flag("first"),
        }
    }
    /// A WebSocket, the frame to be sent on it and the one that has to come back.
    async fn open(&self, t: &Target, i: usize) -> io::Result<(S, Vec<u8>, Vec<u8>)> {
        let (s, mut pairs) = self.open_with_all(t, i).await?;
        let (f, e) = pairs.swap_remove(0);
        Ok((s, f, e))
    }
    /// The same with all frames that are sent in turn.
    async fn open_with_all(
        &self,
        t: &Target,
        i: usize,
    ) -> io::Result<(S, Vec<(Vec<u8>, Vec<u8>)>)> {
        let mut s = ws_open(t, i, self).await?;
        let pairs = if self.is_kurento {
            let made = kurento::made(&asked(&mut s, &kurento::create()).await?)?;
            let pairs = if self.is_first { made.first() } else { vec![made.invoke(self.size)] };
            pairs.iter().map(|(sent, answered)| framed(sent, answered)).collect()
        } else if self.is_janus {
            let session = janus::made(&asked(&mut s, &janus::create()).await?)?;
            let handle = janus::made(&asked(&mut s, &janus::attach(Some(session))).await?)?;
            let message = janus::message(Some((session, handle)), self.size);
            vec![framed(&message, &janus::expected(session, handle))]
        } else {
            let text = vec![b'w'; self.size];
            vec![framed(&text, &text)]
        };
        Ok((s, pairs))
    }
}

pub async fn ws(a: &Args) -> i32 {
    let t = Target::new(a, false);
    let talk = Talk::new(a);
    let conns = a.num("conns", 200.0) as usize;
    for (i, mut tok) in pace(a.num("rate", 0.0), conns).into_iter().enumerate() {
        let (t, talk) = (t.clone(), talk.clone());
        tokio::spawn(async move {
            let mut b = vec![];
            let mut s = None;
            let mut turn = 0;
            while !STOP.load(Relaxed) {
                let r = async {
                    if s.is_none() {
                        s = Some(talk.open_with_all(&t, i).await?);
                    }
                    let (c, pairs) = s.as_mut().unwrap();
                    turn = (turn + 1) % pairs.len();
                    let (f, e) = &pairs[turn];
                    let t0 = slot(&mut tok).await;
                    c.write_all(f).await?;
                    b.resize(e.len(), 0);
                    c.read_exact(&mut b).await?;
                    if b != *e {
                        return Err(inval("echo differs"));
                    }
                    Ok(t0)
                }
                .await;
                match r {
                    Ok(t0) => ok(t0),
                    Err(e) => {
                        bad(e);
                        s = None;
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        });
    }
    window(a).await
}

fn stdin() -> tokio::net::unix::pipe::Receiver {
    // SAFETY: nothing else here uses standard input.
    let fd = unsafe { OwnedFd::from_raw_fd(0) };
    tokio::net::unix::pipe::Receiver::from_owned_fd(fd).expect("stdin must be a pipe")
}

/// A connection with a long poll that has no answer yet.
async fn lp_open(t: &Target, i: usize, path: &str) -> io::Result<S> {
    if t.pool.is_some() {
        return Ok(S::H(Box::new(h2::pending(t, i, path).await?)));
    }
    let mut s = t.open(i).await?;
    let r = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bt\r\n\
         Origin: https://app.example.org\r\n\r\n",
        t.host
    );
    s.write_all(r.as_bytes()).await?;
    Ok(s)
}

/// Opens --conns connections and holds them. stdin commands: `check` (one echo on each, count
/// survivors), EOF or `quit` ends. --mode ws: WebSockets. --mode lp: one long poll each (never
/// answered while held).
pub async fn hold(a: &Args) -> i32 {
    let t = Target::new(a, false);
    let conns = a.num("conns", 1000.0) as usize;
    let mode = a.get("mode", "ws");
    let path = a.get("path", "/janus/lp/50");
    let talk = Talk::new(a);
    let sem = Arc::new(tokio::sync::Semaphore::new(a.num("par", 32.0) as usize));
    let (ctl, _) = tokio::sync::broadcast::channel::<u32>(4);
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel::<(u32, bool)>();
    let t0 = Instant::now();
    for i in 0..conns {
        let (t, talk, path, mode, sem, mut ctl, tx) = (
            t.clone(),
            talk.clone(),
            path.clone(),
            mode.clone(),
            sem.clone(),
            ctl.subscribe(),
            tx.clone(),
        );
        tokio::spawn(async move {
            let p = sem.acquire_owned().await;
            let opened = match &*mode {
                "ws" => talk.open(&t, i).await,
                _ => lp_open(&t, i, &path).await.map(|s| (s, vec![], vec![])),
            };
            let (mut s, f, e) = match opened {
                Ok(s) => s,
                Err(e) => {
                    bad(e);
                    let _ = tx.send((0, false));
                    return;
                }
            };
            drop(p);
            let _ = tx.send((0, true));
            let mut b = vec![0; e.len()];
            while let Ok(g) = ctl.recv().await {
                let r = tokio::time::timeout(Duration::from_secs(5), async {
                    s.write_all(&f).await?;
                    s.read_exact(&mut b).await?;
                    Ok::<bool, io::Error>(b == e)
                })
                .await;
                let good = matches!(r, Ok(Ok(true)));
                let _ = tx.send((g, good));
                if !good {
                    return;
                }
            }
        });
    }
    let mut alive = 0;
    for _ in 0..conns {
        if rx.recv().await.unwrap().1 {
            alive += 1;
        }
    }
    println!(
        "{{\"open\":{alive},\"wanted\":{conns},\"secs\":{:.3},\"first_error\":\"{}\"}}",
        t0.elapsed().as_secs_f64(),
        first_error()
    );
    let life = Duration::from_secs_f64(a.num("life", 120.0));
    answer_checks(life, alive, ctl, rx).await;
    0
}

/// Until the end of stdin or of `life`.
async fn answer_checks(
    life: Duration,
    mut alive: u32,
    ctl: tokio::sync::broadcast::Sender<u32>,
    mut rx: tokio::sync::mpsc::UnboundedReceiver<(u32, bool)>,
) {
    let mut lines = tokio::io::BufReader::new(stdin()).lines();
    let life = tokio::time::sleep(life);
    tokio::pin!(life);
    let mut g = 0;
    loop {
        tokio::select! {
            _ = &mut life => return,
            l = lines.next_line() => match l {
                Ok(Some(l)) if l == "check" => {
                    g += 1;
                    let n = alive;
                    alive = 0;
                    let _ = ctl.send(g);
                    for _ in 0..n {
                        if rx.recv().await.unwrap().1 { alive += 1; }
                    }
                    println!("{{\"alive\":{alive},\"of\":{n}}}");
                }
                _ => return,
            }
        }
    }
}
