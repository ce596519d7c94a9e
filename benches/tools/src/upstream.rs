//! HTTP/1.1 + WebSocket upstream.
//!   */b100 100 B JSON   */k1 1 KiB JSON   */m1 1 MiB   */lp/N answer after N seconds
//!   */gen  body names the port   anything else, any method: body is read, 100 B JSON
//!   */rest POST: Janus' answer to the message
//!   Upgrade: websocket: Janus' or Kurento's answers on the paths of `Speaks::at`, elsewhere echo
use crate::janus::{self, Over};
use crate::kurento;
use crate::Args;
use base64::Engine;
use sha1::{Digest, Sha1};
use std::io;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Answers {
    b100: Vec<u8>,
    k1: Vec<u8>,
    m1: Vec<u8>,
}
static ANSWERS: OnceLock<Answers> = OnceLock::new();

fn json(n: usize) -> Vec<u8> {
    let mut v =
        br#"{"janus":"ack","session_id":4711471147114711,"transaction":"a1b2c3d4e5f6","pad":""#
            .to_vec();
    while v.len() < n - 2 {
        v.push(b'x');
    }
    v.extend_from_slice(b"\"}");
    v.truncate(n);
    v
}

fn answer(body: &[u8], ct: &str) -> Vec<u8> {
    let mut v = format!(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 86400\r\n\
         Content-Type: {ct}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    v.extend_from_slice(body);
    v
}

pub async fn run(a: &Args) -> i32 {
    ANSWERS.get_or_init(|| Answers {
        b100: answer(&json(100), "application/json"),
        k1: answer(&json(1024), "application/json"),
        m1: answer(&vec![b'm'; 1 << 20], "application/octet-stream"),
    });
    let ports: Vec<u16> =
        a.get("ports", "19388,19389,19390").split(',').map(|p| p.parse().unwrap()).collect();
    for p in ports {
        let sock = tokio::net::TcpSocket::new_v4().unwrap();
        sock.set_reuseaddr(true).unwrap();
        sock.bind(([127, 0, 0, 1], p).into()).unwrap();
        let l: TcpListener = sock.listen(4096).unwrap();
        tokio::spawn(async move {
            loop {
                if let Ok((s, _)) = l.accept().await {
                    tokio::spawn(async move {
                        let _ = conn(s, p).await;
                    });
                }
            }
        });
    }
    println!("READY");
    let life = a.num("life", 3600.0);
    tokio::time::sleep(Duration::from_secs_f64(life)).await;
    0
}

fn find(h: &[u8], n: &[u8]) -> Option<usize> {
    h.windows(n.len()).position(|w| w == n)
}

struct Buf {
    b: Vec<u8>,
    s: usize,
    e: usize,
}
impl Buf {
    async fn fill(&mut self, t: &mut TcpStream) -> io::Result<()> {
        if self.s == self.e {
            self.s = 0;
            self.e = 0;
        }
        if self.e == self.b.len() {
            if self.s > 0 {
                self.b.copy_within(self.s..self.e, 0);
                self.e -= self.s;
                self.s = 0;
            } else {
                let n = self.b.len() * 2;
                self.b.resize(n, 0);
            }
        }
        let r = t.read(&mut self.b[self.e..]).await?;
        if r == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.e += r;
        Ok(())
    }
    fn data(&self) -> &[u8] {
        &self.b[self.s..self.e]
    }
}

async fn skip(buf: &mut Buf, t: &mut TcpStream, mut n: usize) -> io::Result<()> {
    if n > 65536 && buf.b.len() < 65536 {
        buf.b.resize(65536, 0);
    }
    loop {
        let have = (buf.e - buf.s).min(n);
        buf.s += have;
        n -= have;
        if n == 0 {
            return Ok(());
        }
        buf.fill(t).await?;
    }
}

async fn skip_chunks(buf: &mut Buf, t: &mut TcpStream) -> io::Result<()> {
    loop {
        let p = loop {
            if let Some(p) = find(buf.data(), b"\r\n") {
                break p;
            }
            buf.fill(t).await?;
        };
        let n = usize::from_str_radix(
            String::from_utf8_lossy(&buf.data()[..p]).split(';').next().unwrap().trim(),
            16,
        )
        .map_err(|_| io::ErrorKind::InvalidData)?;
        skip(buf, t, p + 2 + n + 2).await?;
        if n == 0 {
            return Ok(());
        }
    }
}

/// What the head of a request says.
struct Head {
    get: bool,
    path: String,
    cl: usize,
    chunked: bool,
    close: bool,
    /// The key of a WebSocket that is asked for.
    key: Option<Vec<u8>>,
}

impl Head {
    fn read(head: &[u8]) -> Self {
        let mut lines = head.split(|c| *c == b'\n');
        let mut parts = lines.next().unwrap_or(&[]).split(|c| *c == b' ');
        let get = parts.next() == Some(b"GET");
        let path = String::from_utf8_lossy(parts.next().unwrap_or(b"/")).into_owned();
        let (mut cl, mut chunked, mut close) = (0, false, false);
        let (mut upg, mut key) = (false, None);
        for l in lines {
            let Some(c) = l.iter().position(|c| *c == b':') else { continue };
            let v = l[c + 1..].trim_ascii();
            match c {
                14 if l[..c].eq_ignore_ascii_case(b"content-length") => {
                    cl = std::str::from_utf8(v).ok().and_then(|s| s.parse().ok()).unwrap_or(0)
                }
                17 if l[..c].eq_ignore_ascii_case(b"transfer-encoding") => chunked = true,
                17 if l[..c].eq_ignore_ascii_case(b"sec-websocket-key") => key = Some(v.to_vec()),
                7 if l[..c].eq_ignore_ascii_case(b"upgrade") => {
                    upg = v.eq_ignore_ascii_case(b"websocket")
                }
                10 if l[..c].eq_ignore_ascii_case(b"connection") => {
                    close = v.eq_ignore_ascii_case(b"close")
                }
                _ => {}
            }
        }
        Self { get, path, cl, chunked, close, key: key.filter(|_| upg) }
    }
}

async fn conn(mut t: TcpStream, port: u16) -> io::Result<()> {
    t.set_nodelay(true)?;
    let ans = ANSWERS.get().unwrap();
    let mut buf = Buf { b: vec![0; 2048], s: 0, e: 0 };
    loop {
        let end = loop {
            if let Some(p) = find(buf.data(), b"\r\n\r\n") {
                break p + 4;
            }
            buf.fill(&mut t).await?;
        };
        let Head { mut get, path, cl, chunked, close, key } = Head::read(&buf.data()[..end]);
        buf.s += end;
        if let Some(k) = key {
            return ws_echo(t, buf, &k, Speaks::at(&path)).await;
        }
        let mut said = None;
        if cl > 0 && path.contains("rest") {
            said = Some(janus_answer(&mut buf, &mut t, cl).await?);
        } else if chunked {
            skip_chunks(&mut buf, &mut t).await?;
        } else if cl > 0 {
            skip(&mut buf, &mut t, cl).await?;
        }
        if !get {
            get = path.ends_with("/b100");
        }
        let out: &[u8] = if let Some(said) = &said {
            said
        } else if get && path.ends_with("/m1") {
            &ans.m1
        } else if get && path.ends_with("/k1") {
            &ans.k1
        } else if path.starts_with("/gen") {
            &answer(format!("port={port}").as_bytes(), "text/plain")
        } else if let Some(p) = path.find("/lp/") {
            let secs: f64 = path[p + 4..].parse().unwrap_or(1.0);
            let wait = Duration::from_secs_f64(secs.min(60.0));
            // A poll that was given up holds no descriptor: there are thousands in a row.
            if tokio::time::timeout(wait, closed(&t)).await.is_ok() {
                return Ok(());
            }
            &ans.b100
        } else {
            &ans.b100
        };
        t.write_all(out).await?;
        if close {
            return t.shutdown().await;
        }
    }
}

/// Until the peer closes; what it sends before stays unread.
async fn closed(t: &TcpStream) {
    match t.peek(&mut [0]).await {
        Ok(0) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

async fn janus_answer(buf: &mut Buf, t: &mut TcpStream, cl: usize) -> io::Result<Vec<u8>> {
    while buf.e - buf.s < cl {
        buf.fill(t).await?;
    }
    let said = janus::answer(&buf.data()[..cl], Over::Http);
    buf.s += cl;
    Ok(answer(&said, "application/json"))
}

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Janus,
    Kurento,
    Echo,
}
impl Speaks {
    fn at(path: &str) -> Speaks {
        if path.contains("/janus-ws") || path.ends_with("/janus") {
            Speaks::Janus
        } else if path.contains("/kms") {
            Speaks::Kurento
        } else {
            Speaks::Echo
        }
    }
}

fn switching(key: &[u8], speaks: Speaks) -> String {
    let mut h = Sha1::new();
    h.update(key);
    h.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let acc = base64::engine::general_purpose::STANDARD.encode(h.finalize());
    let subprotocol = match speaks {
        Speaks::Janus => "Sec-WebSocket-Protocol: janus-protocol\r\n",
        Speaks::Kurento | Speaks::Echo => "",
    };
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {acc}\r\n{subprotocol}\r\n"
    )
}

async fn ws_echo(mut t: TcpStream, mut buf: Buf, key: &[u8], speaks: Speaks) -> io::Result<()> {
    t.write_all(switching(key, speaks).as_bytes()).await?;
    let mut out = Vec::with_capacity(512);
    loop {
        // echo every complete frame that is there, in one write
        out.clear();
        let mut bye = false;
        loop {
            let d = &mut buf.b[buf.s..buf.e];
            if d.len() < 6 {
                break;
            }
            let (l7, op) = ((d[1] & 0x7f) as usize, d[0] & 0x0f);
            let (len, off) = match l7 {
                126 if d.len() >= 8 => (u16::from_be_bytes([d[2], d[3]]) as usize, 4),
                127 if d.len() >= 14 => {
                    (u64::from_be_bytes(d[2..10].try_into().unwrap()) as usize, 10)
                }
                126 | 127 => break,
                n => (n, 2),
            };
            if d[1] & 0x80 == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if d.len() < off + 4 + len {
                break;
            }
            let m: [u8; 4] = d[off..off + 4].try_into().unwrap();
            let m8 = u64::from_ne_bytes([m[0], m[1], m[2], m[3], m[0], m[1], m[2], m[3]]);
            let pl = &mut d[off + 4..off + 4 + len];
            let mut ch = pl.chunks_exact_mut(8);
            for c in &mut ch {
                let x = u64::from_ne_bytes((&*c).try_into().unwrap()) ^ m8;
                c.copy_from_slice(&x.to_ne_bytes());
            }
            for (i, c) in ch.into_remainder().iter_mut().enumerate() {
                *c ^= m[i & 3];
            }
            let rop = if op == 9 { 10 } else { op };
            bye |= op == 8;
            if op == 1 && speaks != Speaks::Echo {
                let payload = &buf.b[buf.s + off + 4..buf.s + off + 4 + len];
                let answer = match speaks {
                    Speaks::Kurento => kurento::answer(payload),
                    _ => janus::answer(payload, Over::WebSocket),
                };
                push_text(&answer, &mut out);
            } else if op != 10 {
                out.push(0x80 | rop);
                match off {
                    2 => out.push(l7 as u8),
                    _ => {
                        out.push(l7 as u8);
                        if off == 4 {
                            out.extend_from_slice(&(len as u16).to_be_bytes());
                        } else {
                            out.extend_from_slice(&(len as u64).to_be_bytes());
                        }
                    }
                }
                out.extend_from_slice(&buf.b[buf.s + off + 4..buf.s + off + 4 + len]);
            }
            buf.s += off + 4 + len;
        }
        if !out.is_empty() {
            t.write_all(&out).await?;
        }
        if bye {
            return t.shutdown().await;
        }
        buf.fill(&mut t).await?;
    }
}

fn push_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(0x81);
    if text.len() < 126 {
        out.push(text.len() as u8);
    } else {
        out.push(126);
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(text);
}
