//! A look of our own at the challenges, before the CA looks: by the public name, at the ports that
//! a CA connects to. If another server answers there, the CA would reject the order, and count it.
//!
//! Only the answer of another server is a finding. From inside a network a public address often
//! cannot be reached, and names may resolve to something else than for the CA, so everything else
//! (no address, no connection, a time-out, a redirect, this machine's own addresses) says nothing.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::spec::ChallengeKind;
use crate::host::HostName;
use crate::resolve::Resolver;
use crate::tls::challenges::Challenges;
use crate::tls::look::{ShownChallenge, shown_challenge};

/// For one address, and for all of them together.
const CONNECTION: Duration = Duration::from_secs(4);
const ALTOGETHER: Duration = Duration::from_secs(15);

/// How many addresses of a name are tried, and how many connections are made at a time.
const MOST_ADDRESSES: usize = 4;
const AT_A_TIME: usize = 16;

/// The largest part of an answer that is read: a token is far shorter.
const LARGEST: u64 = 16 << 10;

/// Another server answers for a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} leads to another server: {addr} {what}")]
pub struct Elsewhere {
    /// The name.
    pub host: HostName,
    /// Where the other server is.
    pub addr: SocketAddr,
    /// The challenge that would fail.
    pub kind: ChallengeKind,
    /// What it answered.
    pub what: String,
}

/// What an address answered.
#[derive(Debug, PartialEq, Eq)]
enum ProbeAnswer {
    /// The challenge, as this gateway does.
    Ours,
    /// Something else.
    Other(String),
    /// Nothing from which anything follows.
    Unknown,
}

/// Looks whether another server would answer this kind of challenge for one of the names.
pub(super) async fn look(
    challenges: &Arc<Challenges>,
    hosts: &[HostName],
    kind: ChallengeKind,
) -> Option<Elsewhere> {
    // Another order for one of the names would overwrite the response of `tls-alpn-01`.
    let _names = challenges.lock_names(hosts).await;
    let looks = hosts.iter().cloned().map(|host| {
        let challenges = Arc::clone(challenges);
        async move { look_at(&challenges, &host, kind).await }
    });
    let looks: Vec<_> = looks.collect();
    let mut looks = stream::iter(looks).buffer_unordered(AT_A_TIME);
    let first = async {
        while let Some(found) = looks.next().await {
            if found.is_some() {
                return found;
            }
        }
        None
    };
    timeout(ALTOGETHER, first).await.ok().flatten()
}

async fn look_at(
    challenges: &Arc<Challenges>,
    host: &HostName,
    kind: ChallengeKind,
) -> Option<Elsewhere> {
    let addrs = Resolver::system().find(host.as_str()).await.ok()?;
    let addrs = addrs.iter().map(|addr| addr.ip()).filter(may_be_public);
    let port = match kind {
        ChallengeKind::TlsAlpn01 => 443,
        ChallengeKind::Http01 => 80,
    };
    let addrs: Vec<_> = addrs.map(|ip| SocketAddr::new(ip, port)).collect();
    look_at_all(challenges, host, kind, &addrs).await
}

/// Whether an address may be the one by which the world reaches a server. Machines often give their
/// own name an address such as 127.0.1.1.
fn may_be_public(ip: &IpAddr) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !ip.is_loopback() && !ip.is_unspecified() && !is_link_local
}

/// A CA may use any address, so one that answers as it should is enough to ask it.
async fn look_at_all(
    challenges: &Arc<Challenges>,
    host: &HostName,
    kind: ChallengeKind,
    addrs: &[SocketAddr],
) -> Option<Elsewhere> {
    let mut elsewhere = None;
    for addr in addrs.iter().take(MOST_ADDRESSES) {
        let answer = match kind {
            ChallengeKind::TlsAlpn01 => timeout(CONNECTION, by_alpn(challenges, host, *addr)).await,
            ChallengeKind::Http01 => timeout(CONNECTION, by_http(challenges, host, *addr)).await,
        };
        match answer {
            Ok(Ok(ProbeAnswer::Ours)) => return None,
            Ok(Ok(ProbeAnswer::Other(what))) if elsewhere.is_none() => {
                elsewhere = Some(Elsewhere {
                    host: host.clone(),
                    addr: *addr,
                    kind,
                    what,
                });
            }
            _ => {}
        }
    }
    elsewhere
}

/// Random bytes, so that no other server can answer as this gateway does.
fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(bytes)
}

async fn by_alpn(
    challenges: &Arc<Challenges>,
    host: &HostName,
    addr: SocketAddr,
) -> io::Result<ProbeAnswer> {
    let digest = random()?;
    let offer = challenges.offer_alpn(host, &digest);
    let _offer = offer.map_err(io::Error::other)?;
    let stream = TcpStream::connect(addr).await?;
    Ok(match shown_challenge(stream, host, &digest).await? {
        ShownChallenge::Same => ProbeAnswer::Ours,
        ShownChallenge::Other(issuer) => ProbeAnswer::Other(format!(
            "shows a certificate of {issuer:?} and not the challenge"
        )),
        ShownChallenge::Rejected => {
            ProbeAnswer::Other("does not accept the protocol of the challenge".to_owned())
        }
    })
}

async fn by_http(
    challenges: &Arc<Challenges>,
    host: &HostName,
    addr: SocketAddr,
) -> io::Result<ProbeAnswer> {
    let mut token = String::from("self-check-");
    for byte in random()? {
        _ = write!(token, "{byte:02x}");
    }
    let proof = format!("{token}.ianitor");
    let _offer = challenges.offer_http(host, &token, &proof);
    let mut stream = TcpStream::connect(addr).await?;
    let request = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {host}\r\n\
         User-Agent: ianitor/{} self-check\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // What has come before an error, such as a reset, may be enough.
    _ = stream.take(LARGEST).read_to_end(&mut answer).await;
    Ok(judge_http(&String::from_utf8_lossy(&answer), &proof))
}

fn judge_http(answer: &str, proof: &str) -> ProbeAnswer {
    let status = answer.strip_prefix("HTTP/1.").and_then(|rest| {
        let status = rest.split(' ').nth(1)?.get(..3)?;
        status.parse::<u16>().ok()
    });
    match status {
        Some(200) if answer.contains(proof) => ProbeAnswer::Ours,
        // Where it leads may be this gateway again.
        None | Some(300..400) => ProbeAnswer::Unknown,
        Some(status) => {
            let mut fields = answer.lines().skip(1).take_while(|line| !line.is_empty());
            let server = fields.find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("server").then(|| value.trim())
            });
            let server = server.map_or(String::new(), |server| format!(", Server: {server:?}"));
            ProbeAnswer::Other(format!("answers {status} and not the token{server}"))
        }
    }
}

#[cfg(test)]
mod tests;
