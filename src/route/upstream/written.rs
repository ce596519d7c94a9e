//! Servers as they are written, and as they should have been.

use std::net::Ipv6Addr;
use std::path::Path;

use super::{ServerAddr, default_port};
use crate::host::Authority;

const FORM: &str = "write \"http://127.0.0.1:8088\"";

pub(super) fn parse(text: &str) -> Result<ServerAddr, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(no_scheme(text));
    };
    let lower = scheme.to_ascii_lowercase();
    let tls = match &*lower {
        "http" if rest.starts_with("unix:/") => {
            return Err(format!("is a socket; write \"{rest}\""));
        }
        "http" => false,
        "https" => true,
        "ws" | "wss" => {
            let meant = meant(if lower == "ws" { "http" } else { "https" }, rest);
            let path = rest.find('/').map_or("", |at| &rest[at..]);
            return Err(format!(
                "is a WebSocket URL; the handshake is HTTP, so {meant}{}",
                and_path(path)
            ));
        }
        _ => {
            let meant = meant("http", rest);
            return Err(format!(
                "has a scheme that is not supported, {scheme:?}; {meant}"
            ));
        }
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(at) = authority.find(['/', '?', '#']) {
        let (server, path) = authority.split_at(at);
        let server = meant(&lower, server);
        return Err(format!("has a path; {server}{}", and_path(path)));
    }
    let authority: Authority = authority.parse().map_err(|_| bad_authority(&lower, rest))?;
    if authority.port == Some(0) {
        return Err("has port 0, where nothing can listen".to_owned());
    }
    Ok(ServerAddr::Tcp {
        tls,
        host: authority.host,
        port: authority.port.unwrap_or(default_port(tls)),
    })
}

/// What to write for the path of a server, which routes have.
fn and_path(path: &str) -> String {
    match path {
        "" | "/" => String::new(),
        path => format!(" and, where the route has another path, rewrite = \"{path}\" there"),
    }
}

/// What to write for an authority that may have a path after it.
fn meant(scheme: &str, rest: &str) -> String {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].parse::<Authority>() {
        Ok(authority) => format!("write \"{scheme}://{authority}\""),
        Err(_) => FORM.to_owned(),
    }
}

fn no_scheme(text: &str) -> String {
    if text.starts_with('/') && !text.starts_with("//") {
        return format!("is a path; write \"unix:{text}\" if it is a socket");
    }
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
        _ => (None, text),
    };
    let rest = rest.trim_start_matches('/');
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let server = &rest[..end];
    let local = format!("127.0.0.1:{}", server.trim_start_matches(':'));
    let is_port = server.trim_start_matches(':').parse::<u16>().is_ok();
    let server = if is_port { &local } else { server };
    let server = match server.parse::<Authority>() {
        Ok(authority) => authority.to_string(),
        Err(_) => match with_brackets(server) {
            Some(server) => server,
            None => return format!("has no scheme; {FORM}"),
        },
    };
    match scheme {
        Some(scheme) => format!("lacks \"//\"; write \"{scheme}://{server}\""),
        None => format!(
            "has no scheme; write \"http://{server}\", or \"https://{server}\" if the server \
             speaks TLS"
        ),
    }
}

fn bad_authority(scheme: &str, rest: &str) -> String {
    if let Some((_, server)) = rest.rsplit_once('@') {
        let server = meant(scheme, server);
        return format!("has a user in it, which is not sent; {server}");
    }
    if let Some(server) = with_brackets(rest) {
        return format!("needs brackets around the address; write \"{scheme}://{server}\"");
    }
    match rest.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("has port {port}, and the highest is 65535")
        }
        _ => format!("does not name a host and port; {FORM}"),
    }
}

/// An IPv6 address with or without a port, with the brackets that it lacks.
fn with_brackets(text: &str) -> Option<String> {
    if text.parse::<Ipv6Addr>().is_ok() && !has_port(text) {
        return Some(format!("[{text}]"));
    }
    let (ip, port) = text.rsplit_once(':')?;
    let is_port = port.parse::<u16>().is_ok();
    (is_port && ip.parse::<Ipv6Addr>().is_ok()).then(|| format!("[{ip}]:{port}"))
}

/// Whether the last group of an address looks like the port of a server: `::1:8088` is an address
/// as well, but hardly anybody means that.
fn has_port(text: &str) -> bool {
    let last = text.rsplit(':').next().unwrap_or_default();
    last.len() >= 4 && last.bytes().all(|b| b.is_ascii_digit())
}

/// The longest path of a unix socket in bytes (unix(7), sun_path).
const MAX_SOCKET_PATH: usize = 107;

fn unix(path: &str) -> Result<ServerAddr, String> {
    if !path.starts_with('/') || path.starts_with("//") {
        return Err(match path.trim_start_matches('/') {
            "" => "is no absolute path; write \"unix:/run/janus.sock\"".to_owned(),
            path => format!("is no absolute path; write \"unix:/{path}\""),
        });
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(format!(
            "is longer than the {MAX_SOCKET_PATH} bytes that the path of a socket may have"
        ));
    }
    Ok(ServerAddr::Unix(Path::new(path).into()))
}
