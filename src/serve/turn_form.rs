//! The form of a request for a TURN credential. Janus sends its API key in one.

use std::borrow::Cow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use http::{Method, header};
use tower::{Layer, Service};

use super::reject::Rejection;
use super::reply::{Reply, Served};
use super::{Inbound, Routed};
use crate::proxy;
use crate::route::Target;

/// The largest form. That of Janus has 512 bytes.
const LARGEST_FORM: u64 = 8 * 1024;

/// For the whole of a form.
const FORM_TIME: Duration = Duration::from_secs(5);

const FORM: &str = "application/x-www-form-urlencoded";

/// A form's bytes.
#[derive(Clone, Debug)]
pub(super) struct Form(Vec<u8>);

/// The values of a parameter, in the query and then in the form: Janus sends the same in both.
pub(super) fn parameters<'r>(
    inbound: &'r Inbound,
    form: Option<&'r Form>,
    name: &'r str,
) -> impl Iterator<Item = Cow<'r, str>> {
    let query = inbound.request.uri().query().unwrap_or_default().as_bytes();
    let form = form.map_or(&[][..], |form| &form.0);
    form_urlencoded::parse(query)
        .chain(form_urlencoded::parse(form))
        .filter(move |(key, _)| key == name)
        .map(|(_, value)| value)
}

/// The layer: reads the form of a request whose API key may be in it, as the key has to be known
/// before the request is authorized.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadForm;

impl<S> Layer<S> for ReadForm {
    type Service = WithForm<S>;

    fn layer(&self, inner: S) -> WithForm<S> {
        WithForm { inner }
    }
}

/// A service whose requests come with their form.
#[derive(Debug)]
pub(super) struct WithForm<S> {
    inner: S,
}

impl<S> Service<Routed> for WithForm<S>
where
    S: Service<Routed, Response = Reply, Error = Rejection> + Clone + 'static,
{
    type Response = Reply;
    type Error = Rejection;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Served>>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut routed: Routed) -> Self::Future {
        if !has_form(&routed) {
            return Either::Left(self.inner.call(routed));
        }
        let mut inner = self.inner.clone();
        Either::Right(Box::pin(async move {
            routed.form = Some(read(&mut routed.normal.inbound).await?);
            inner.call(routed).await
        }))
    }
}

fn has_form(routed: &Routed) -> bool {
    let inbound = &routed.normal.inbound;
    let snapshot = &inbound.view.snapshot;
    let Target::Turn(id) = &snapshot.routes.route(routed.route).target else {
        return false;
    };
    let request = &inbound.request;
    let essence = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next());
    snapshot.turn(*id).api_keys.is_some()
        && request.method() == Method::POST
        && essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(FORM))
}

async fn read(inbound: &mut Inbound) -> Result<Form, Rejection> {
    let body = inbound.request.body_mut();
    let form = body.read_whole(LARGEST_FORM, FORM_TIME).await;
    Ok(Form(form.map_err(|fault| proxy::Error::from(&fault))?))
}
