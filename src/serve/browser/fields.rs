//! The fields of a form, or of the JSON that a program sends instead.

use std::time::Duration;

use http::header;

use crate::json;
use crate::proxy;
use crate::serve::Inbound;
use crate::serve::reject::Rejection;

/// The largest body: the longest token, encoded, and the other fields. No cookie holds as much, but
/// who pastes such a token reads why it cannot be used.
const MOST_BYTES: u64 = 48 * 1024;

/// How long the whole body may take.
const MOST_TIME: Duration = Duration::from_secs(10);

/// Names and their values.
#[derive(Debug)]
pub(in crate::serve) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the whole body of the request.
    pub(in crate::serve) async fn read(inbound: &mut Inbound) -> Result<Self, Rejection> {
        let kind = inbound
            .request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let body = inbound
            .request
            .body_mut()
            .read_whole(MOST_BYTES, MOST_TIME)
            .await
            .map_err(|fault| proxy::Error::from(&fault))?;
        match kind.as_str() {
            _ if body.is_empty() => Ok(Self(Vec::new())),
            "application/x-www-form-urlencoded" => {
                Ok(Self(form_urlencoded::parse(&body).into_owned().collect()))
            }
            "application/json" => from_json(&body).map(Self).ok_or(Rejection::Form),
            _ => Err(Rejection::MediaType),
        }
    }

    /// The value of a field. A field that is there twice is an error.
    pub(in crate::serve) fn one(&self, name: &str) -> Result<Option<&str>, Rejection> {
        let mut values = self
            .0
            .iter()
            .filter(|(field, _)| field == name)
            .map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Rejection::Form),
        }
    }
}

fn from_json(body: &[u8]) -> Option<Vec<(String, String)>> {
    let members = json::parse_object(body).ok()?;
    members
        .into_iter()
        .map(|(name, value)| Some((name, value.as_str()?.to_owned())))
        .collect()
}
