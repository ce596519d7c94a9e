//! Everything that can be requested: one table.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::Duration;

use super::call::{CallError, Request};

/// Reloads the configuration.
pub const RELOAD: &str = "/v1/reload";

/// Upgrades in place.
pub const UPGRADE: &str = "/v1/upgrade";

/// Orders a certificate.
pub const RENEW: &str = "/v1/certificates/renew";

/// What can be requested by one method at one path.
struct Endpoint {
    method: Method,
    path: &'static str,
    read: ReadBody,
}

/// Understands the body of a request.
pub type ReadBody = fn(&[u8]) -> Result<Request, CallError>;

const ENDPOINTS: [Endpoint; 3] = [
    Endpoint {
        method: Method::POST,
        path: RELOAD,
        read: reload,
    },
    Endpoint {
        method: Method::POST,
        path: UPGRADE,
        read: upgrade,
    },
    Endpoint {
        method: Method::POST,
        path: RENEW,
        read: renew,
    },
];

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadBody {
    config: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpgradeBody {
    config: Option<PathBuf>,
    /// In milliseconds.
    wait: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewBody {
    host: String,
    #[serde(default)]
    dry_run: bool,
    config: Option<PathBuf>,
}

fn reload(body: &[u8]) -> Result<Request, CallError> {
    let ReloadBody { config } = match body.is_empty() {
        true => ReloadBody::default(),
        false => parse(body)?,
    };
    Ok(Request::Reload { config })
}

fn upgrade(body: &[u8]) -> Result<Request, CallError> {
    let UpgradeBody { config, wait } = match body.is_empty() {
        true => UpgradeBody::default(),
        false => parse(body)?,
    };
    let wait = wait.map(Duration::from_millis);
    Ok(Request::Upgrade { config, wait })
}

fn renew(body: &[u8]) -> Result<Request, CallError> {
    let RenewBody {
        host,
        dry_run,
        config,
    } = parse(body)?;
    Ok(Request::Renew {
        host,
        config,
        dry_run,
    })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|error| {
        let text = format!("the request body is not the JSON object that is expected: {error}");
        CallError::new(StatusCode::BAD_REQUEST, text)
    })
}

/// What understands the body of a request to this path.
///
/// # Errors
/// 404 with the list of what there is, 405 with the method that is right.
pub fn find(method: &Method, path: &str) -> Result<ReadBody, CallError> {
    let at_path = || ENDPOINTS.iter().filter(|endpoint| endpoint.path == path);
    if let Some(found) = at_path().find(|endpoint| endpoint.method == *method) {
        return Ok(found.read);
    }
    let allowed: Vec<&str> = at_path().map(|endpoint| endpoint.method.as_str()).collect();
    if allowed.is_empty() {
        let known: Vec<String> = ENDPOINTS
            .iter()
            .map(|endpoint| format!("{} {}", endpoint.method, endpoint.path))
            .collect();
        let text = format!(
            "this version has no such endpoint; it has {}",
            known.join(", ")
        );
        return Err(CallError::new(StatusCode::NOT_FOUND, text));
    }
    let text = format!("{path} takes only {}", allowed.join(", "));
    Err(CallError::new(StatusCode::METHOD_NOT_ALLOWED, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let failure = find(&Method::POST, "/v1/sessions").unwrap_err();
        assert_eq!(failure.status, StatusCode::NOT_FOUND);
        assert!(failure.error.contains("POST /v1/reload"), "{failure:?}");
        let failure = find(&Method::GET, RELOAD).unwrap_err();
        assert_eq!(failure.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(failure.error.ends_with("takes only POST"), "{failure:?}");
    }

    #[test]
    fn bodies_are_read_strictly() {
        let renew = find(&Method::POST, RENEW).unwrap();
        let wanted = Request::Renew {
            host: "a.example".to_owned(),
            config: None,
            dry_run: false,
        };
        assert_eq!(renew(br#"{ "host": "a.example" }"#), Ok(wanted));
        for bad in [
            &b""[..],
            b"{}",
            b"[]",
            br#"{ "host": "a", "dryrun": true }"#,
        ] {
            assert_eq!(renew(bad).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
        let reload = find(&Method::POST, RELOAD).unwrap();
        assert_eq!(reload(b""), Ok(Request::Reload { config: None }));
    }
}
