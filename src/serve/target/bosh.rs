//! XMPP over HTTP (BOSH) to Prosody: a session belongs to the client that has created it.
//!
//! | request | |
//! |---|---|
//! | `POST` without a `sid` | the session that the answer names belongs to the client |
//! | `POST` with a `sid` | forwarded if the client has this session, for the room of the URL |
//! | `GET`, `HEAD`, `OPTIONS` | forwarded: lib-jitsi-meet keeps its URL alive by them |
//! | anything else | is rejected |
//!
//! The same bytes are forwarded, and every answer is streamed. A session that the gateway does not
//! know is answered as Prosody answers, so that the client opens a new one.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::{Method, Response};

use super::context::Forwarding;
use super::forward::forward;
use crate::clock;
use crate::policy::Permit;
use crate::proxy;
use crate::proxy::body::ClientRequest;
use crate::serve::detail::shortened;
use crate::serve::messages::user;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::witness::Witness;
use crate::signalling::jitsi::bosh::{self, NAMESPACE, Place};
use crate::signalling::owners::{NoPlace, Owner, Owners};

type Answer = Result<Response<ResponseBody>, Rejection>;

const BODY_REASON: &str = "bosh_body";
const SESSION_REASON: &str = "bosh_session";
const QUOTA_REASON: &str = "bosh_sessions";

/// How much of an answer is seen: what its outermost element takes.
const BEGINNING: usize = 2048;

/// What answers the requests.
pub(super) struct BoshTarget<'r> {
    forwarding: &'r Forwarding<'r>,
    owners: &'r Arc<Owners>,
}

impl<'r> BoshTarget<'r> {
    pub(super) fn new(forwarding: &'r Forwarding<'r>, owners: &'r Arc<Owners>) -> Self {
        Self { forwarding, owners }
    }

    pub(super) async fn serve(self, request: ClientRequest) -> Answer {
        match *request.method() {
            Method::POST => self.post(request).await,
            Method::GET | Method::HEAD | Method::OPTIONS => forward(request, self.forwarding).await,
            _ => Err(Rejection::MessageMethod("GET, HEAD, POST, OPTIONS")),
        }
    }

    /// Reads a body, and forwards it if the client may speak in its session.
    async fn post(&self, mut request: ClientRequest) -> Answer {
        let forwarding = self.forwarding;
        let (most, time) = (forwarding.body_limit, forwarding.forward.timeouts.idle);
        let body = request.body_mut().read_whole(most, time).await;
        let body = body.map_err(|fault| proxy::Error::from(&fault))?;
        let permit = forwarding.permit()?;
        let uri = request.uri();
        let place = Place::new(uri.path(), uri.query().unwrap_or_default());
        let (head, place) = match bosh::request(&body).and_then(|head| Ok((head, place?))) {
            Ok(read) => read,
            Err(why) => return Ok(self.refused("bad-request", BODY_REASON, &why.to_string())),
        };
        let owner = self.owner(&permit);
        proxy::declare_length(request.headers_mut(), body.len())?;
        request.body_mut().replace(body.into());
        match &head.sid {
            None => self.create(request, owner, place).await,
            Some(sid) => {
                let key = place.key(sid);
                self.speak(request, owner, key, head.is_terminate).await
            }
        }
    }

    /// Forwards the request for a new session, and remembers whose it is before the client has the
    /// answer.
    async fn create(&self, mut request: ClientRequest, owner: Owner, place: Place) -> Answer {
        let reserved = match self.owners.reserve_session(owner) {
            Ok(reserved) => reserved,
            Err(NoPlace::Share) => {
                let detail = "as many sessions as a client may have";
                return Ok(self.refused("policy-violation", QUOTA_REASON, detail));
            }
            // Not a condition of BOSH: those are final, and after this status clients try again.
            Err(NoPlace::Stopping) => return Err(Rejection::Stopping),
        };
        request.headers_mut().remove(header::ACCEPT_ENCODING);
        let mut response = forward(request, self.forwarding).await?;
        let owners = Arc::clone(self.owners);
        let witness = Witness::of_beginning(BEGINNING, move |beginning| {
            let answer = bosh::answer(beginning.as_bytes());
            let answer = answer.filter(|answer| !answer.is_terminate);
            if let Some(sid) = answer.and_then(|answer| answer.sid) {
                let key = place.key(&sid);
                owners
                    .objects()
                    .session_created(reserved, &key, clock::monotonic());
            }
        });
        response.body_mut().set_witness(witness);
        Ok(response)
    }

    /// Forwards what is said in a session of the client.
    async fn speak(
        &self,
        request: ClientRequest,
        owner: Owner,
        key: String,
        is_terminate: bool,
    ) -> Answer {
        let sessions = self.owners.objects();
        if !sessions.has_session(owner, &key, clock::monotonic()) {
            let detail = "not a session of this client in this room";
            return Ok(self.refused("item-not-found", SESSION_REASON, detail));
        }
        if !is_terminate {
            self.forwarding.begin_poll()?;
        }
        let mut response = forward(request, self.forwarding).await?;
        if is_terminate {
            sessions.forget_session(owner, &key);
            return Ok(response);
        }
        let owners = Arc::clone(self.owners);
        let witness = Witness::of_beginning(BEGINNING, move |beginning| {
            if bosh::answer(beginning.as_bytes()).is_some_and(|answer| answer.is_terminate) {
                owners.objects().forget_session(owner, &key);
            }
        });
        response.body_mut().set_witness(witness);
        Ok(response)
    }

    /// Who a session belongs to. A renewed token of the same user keeps it; a guest is known by its
    /// address.
    fn owner(&self, permit: &Permit) -> Owner {
        let client = self.forwarding.exchange.client();
        user(permit).unwrap_or_else(|| Owner::of_address(client))
    }

    /// A refusal in the words of BOSH, whose status is that of an answer of Prosody: clients of
    /// version 1.6 read the condition (XEP-0124, section 17.2).
    fn refused(
        &self,
        condition: &str,
        reason: &'static str,
        detail: &str,
    ) -> Response<ResponseBody> {
        self.forwarding.exchange.note(|line| {
            (line.detail, line.reason) = (Some(shortened(detail)), Some(reason));
        });
        let text = format!("<body xmlns='{NAMESPACE}' type='terminate' condition='{condition}'/>");
        let mut response = Response::new(ResponseBody::text(text));
        let headers = response.headers_mut();
        let xml = HeaderValue::from_static("text/xml; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, xml);
        // As with Prosody's own answers, every page that may send the request may read it.
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        self.forwarding
            .cleaning
            .apply(headers, &self.forwarding.exchange);
        response
    }
}
