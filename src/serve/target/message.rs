//! Requests over HTTP to a server whose messages are judged.
//!
//! | request | |
//! |---|---|
//! | `POST` of a message | read whole and judged; what the inspector wrote goes on |
//! | `GET` of a session | a long poll of its owner; the answer is streamed |
//! | `GET` of a handle | a redirect to its session, as Janus has it |
//! | `GET` of `info` or `ping` | judged as the message of that verb |
//! | `OPTIONS` | forwarded |
//! | anything else | is rejected |
//!
//! What is forwarded is what was judged: the path in its one spelling, of the query what a long
//! poll needs, the message as the inspector wrote it. An answer is read only if the inspector waits
//! for it, because it says what belongs to whom; every other one is streamed.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Response, StatusCode, Uri, Version};
use hyper::body::Body as _;

use super::context::Forwarding;
use super::forward::forward;
use crate::policy::Permit;
use crate::proxy;
use crate::proxy::body::ClientRequest;
use crate::route::path::BadPath;
use crate::serve::detail::shortened;
use crate::serve::message_token::permit_of_request;
use crate::serve::messages;
use crate::serve::observer::MessageObserver;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::unread_body::close_after;
use crate::serve::witness::Witness;
use crate::signalling::audit::Transport;
use crate::signalling::document::{Problem, SyntaxError, Value, split};
use crate::signalling::janus::rest::{self, Place};
use crate::signalling::owners::Owner;
use crate::signalling::{
    AnyInspector, Backend, Context, Direction, Inspector as _, Protocol, Verdict,
};
use crate::tunnel::CloseReason;

type Answer = Result<Response<ResponseBody>, Rejection>;

/// The largest answer in bytes that is read whole.
const ANSWER_SIZE: usize = 256 * 1024;

/// Distinguishes the transactions of connections; a request over HTTP has its own answer.
const NONCE: u64 = 0;

/// What answers the requests.
pub(super) struct MessageTarget<'r> {
    forwarding: &'r Forwarding<'r>,
    backend: &'r Backend,
    observer: MessageObserver,
}

impl<'r> MessageTarget<'r> {
    pub(super) fn new(forwarding: &'r Forwarding<'r>, backend: &'r Backend) -> Self {
        Self {
            forwarding,
            backend,
            observer: forwarding.observer(Transport::Rest),
        }
    }

    pub(super) async fn serve(self, mut request: ClientRequest) -> Answer {
        let Some(place) = self.forwarding.place(request.uri().path()) else {
            let response = self.without_message(StatusCode::NOT_FOUND, "not a path of Janus");
            return Ok(self.before_body(&request, response));
        };
        let is_whole = request.body().is_end_stream();
        match *request.method() {
            Method::POST if !matches!(place, Place::Info | Place::Ping) => {
                self.post(request, place).await
            }
            Method::GET | Method::OPTIONS if !is_whole => Err(Rejection::MessageBody),
            Method::OPTIONS => {
                set_target(&mut request, "")?;
                forward(request, self.forwarding).await
            }
            Method::GET => match place {
                Place::Info | Place::Ping => self.get_message(request, place).await,
                Place::Session(session) if self.has_polls() => self.poll(request, session).await,
                Place::Handle(..) if self.has_polls() => self.redirect(&request, place),
                _ => Err(self.no_method(place)),
            },
            _ => Err(self.no_method(place)),
        }
    }

    /// The admin API has no events.
    fn has_polls(&self) -> bool {
        self.backend.protocol == Protocol::Janus
    }

    fn no_method(&self, place: Place) -> Rejection {
        Rejection::MessageMethod(match place {
            Place::Info | Place::Ping => "GET, OPTIONS",
            Place::Session(_) | Place::Handle(..) if self.has_polls() => "GET, POST, OPTIONS",
            _ => "POST, OPTIONS",
        })
    }

    /// Reads a message, and forwards it if it may pass.
    async fn post(&self, mut request: ClientRequest, place: Place) -> Answer {
        let forwarding = self.forwarding;
        let most = forwarding
            .body_limit
            .min(forwarding.forward.message_size as u64);
        let time = forwarding.forward.timeouts.idle;
        let body = request.body_mut().read_whole(most, time).await;
        let body = body.map_err(|fault| proxy::Error::from(&fault))?;
        let worker = &forwarding.conn.worker;
        let permit = self.forwarding.permit()?;
        let (permit, token) = match self.backend.token_of_body(&body) {
            Some(token) => {
                let key = forwarding.key;
                let presented = permit_of_request(worker, key, permit, &token).await;
                (presented.0, Some(presented.1))
            }
            None => (permit, None),
        };
        let context = Context {
            token: (&token).into(),
            ..self.context(&permit, place)
        };
        let mut inspector = AnyInspector::new(self.backend.protocol, NONCE);
        let message = match judged(&mut inspector, &body, &context) {
            Verdict::Forward(message) => message.into_owned(),
            Verdict::Answer { text, reason, .. } => return Ok(self.refused(text, &reason)),
            Verdict::Reply(text) => return Ok(self.reply(text)),
            Verdict::Close(reason) => {
                return Ok(self.without_message(StatusCode::FORBIDDEN, reason));
            }
        };
        proxy::declare_json(request.headers_mut(), message.len())?;
        let is_trimmed = rest::is_trimmed(&message, self.backend);
        request.body_mut().replace(message.into());
        set_target(&mut request, "")?;
        self.ask(request, inspector, &context, is_trimmed).await
    }

    /// Forwards a request whose message is in its path.
    async fn get_message(&self, mut request: ClientRequest, place: Place) -> Answer {
        let message = place.message().unwrap_or_default();
        let permit = self.forwarding.permit()?;
        let context = self.context(&permit, place);
        let mut inspector = AnyInspector::new(self.backend.protocol, NONCE);
        match judged(&mut inspector, message.as_bytes(), &context) {
            Verdict::Forward(_) => {
                // Janus 1.1.2 asks for no secret here.
                let query = request.uri().query().unwrap_or_default();
                let query = match self.has_polls() {
                    true => rest::poll_query(query, &context),
                    false => String::new(),
                };
                set_target(&mut request, &query)?;
                let is_trimmed = rest::is_trimmed(message, self.backend);
                self.ask(request, inspector, &context, is_trimmed).await
            }
            Verdict::Answer { text, reason, .. } => Ok(self.refused(text, &reason)),
            Verdict::Reply(text) => Ok(self.reply(text)),
            Verdict::Close(reason) => Ok(self.without_message(StatusCode::FORBIDDEN, reason)),
        }
    }

    /// Forwards a message, and has the inspector see the answer if it waits for it.
    async fn ask(
        &self,
        mut request: ClientRequest,
        mut inspector: AnyInspector,
        context: &Context<'_>,
        is_trimmed: bool,
    ) -> Answer {
        let is_read = is_trimmed || inspector.is_waiting();
        if is_read {
            request.headers_mut().remove(header::ACCEPT_ENCODING);
        }
        let mut response = forward(request, self.forwarding).await?;
        if !is_read || response.status() != StatusCode::OK {
            // Only an error says what the gateway does not know yet.
            let is_error = |text: &str| text.contains("\"error\"");
            self.learn_from(&mut response, context.owner, is_error);
            return Ok(response);
        }
        let (mut head, body) = response.into_parts();
        let answer = read(body).await.ok_or(Rejection::MessageAnswer)?;
        let answer = std::str::from_utf8(&answer).map_err(|_| Rejection::MessageAnswer)?;
        let mut documents = split(answer).map_err(|_| Rejection::MessageAnswer)?;
        let (Some(document), None) = (documents.next(), documents.next()) else {
            return Err(Rejection::MessageAnswer);
        };
        let verdict = inspector.inspect(Direction::ToClient, document, context);
        let Verdict::Forward(text) = verdict else {
            return Err(Rejection::MessageAnswer);
        };
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::TRAILER);
        Ok(Response::from_parts(
            head,
            ResponseBody::text(text.into_owned()),
        ))
    }

    /// Forwards a long poll of the client that the session belongs to.
    async fn poll(&self, mut request: ClientRequest, session: i64) -> Answer {
        let permit = self.forwarding.permit()?;
        let context = self.context(&permit, Place::Session(session));
        if let Err(refusal) = rest::may_poll(context.ids, &context) {
            return Ok(self.no_poll(&refusal));
        }
        self.forwarding.begin_poll()?;
        let Forwarding { conn, key, .. } = self.forwarding;
        conn.worker.under_way.polls(*key, session);
        let keepalive = rest::keepalive(request.uri().query().unwrap_or_default());
        let query = rest::poll_query(request.uri().query().unwrap_or_default(), &context);
        set_target(&mut request, &query)?;
        let under_way = &conn.worker.under_way;
        let mut response = tokio::select! {
            // An event that has come already is not lost.
            biased;
            response = forward(request, self.forwarding) => response?,
            () = poll_fn(|cx| under_way.until_poll_due(*key, cx)) => {
                return Ok(self.poll_ended(keepalive));
            }
        };
        self.learn_from(&mut response, context.owner, |_| true);
        if response.status() == StatusCode::NOT_FOUND {
            self.backend.owners.forget(context.owner, session);
        }
        let credentials = &self.backend.credentials;
        if response.status() == StatusCode::FORBIDDEN
            && let Some(key) = credentials.rejected_key(self.backend.protocol)
        {
            context.observer.credentials_rejected(key);
        }
        Ok(response)
    }

    /// The answer of Janus to a long poll without events: the gateway is being stopped, and the
    /// client polls again elsewhere.
    fn poll_ended(&self, keepalive: &str) -> Response<ResponseBody> {
        let reason = Some(CloseReason::GOING_AWAY.reason);
        self.forwarding.exchange.note(|line| line.reason = reason);
        self.reply(keepalive.to_owned())
    }

    /// Learns from an answer that is streamed which rooms were left and what is over.
    fn learn_from(
        &self,
        response: &mut Response<ResponseBody>,
        owner: Owner,
        is_news: fn(&str) -> bool,
    ) {
        if response.status() == StatusCode::OK
            && let Some(backend) = self.forwarding.backend().cloned()
        {
            let body = response.body_mut();
            body.set_witness(Witness::new(move |text| {
                if is_news(text) {
                    messages::learn(&backend, owner, text);
                }
            }));
        }
    }

    /// Redirects from a handle to its session.
    fn redirect(&self, request: &ClientRequest, place: Place) -> Answer {
        let permit = self.forwarding.permit()?;
        let context = self.context(&permit, place);
        if let Err(refusal) = rest::may_poll(context.ids, &context) {
            return Ok(self.no_poll(&refusal));
        }
        let path = without_slash(request.uri().path());
        let (session, _) = path.rsplit_once('/').unwrap_or_default();
        let location = HeaderValue::try_from(session).map_err(|_| BadPath::Control)?;
        let mut response = self.finished(Response::new(ResponseBody::empty()));
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }

    fn context<'c>(&'c self, permit: &'c Permit, place: Place) -> Context<'c> {
        let client = self.forwarding.exchange.client();
        messages::context(self.backend, permit, client, place.ids(), &self.observer)
    }

    /// Janus has these two statuses for long polls, with nothing else.
    fn no_poll(&self, refusal: &crate::signalling::janus::Refusal) -> Response<ResponseBody> {
        let status = match refusal.code() {
            458 | 459 => StatusCode::NOT_FOUND,
            _ => StatusCode::FORBIDDEN,
        };
        self.without_message(status, &refusal.logged())
    }

    /// A refusal in the words of Janus, which has no other status for it.
    fn refused(&self, text: String, reason: &str) -> Response<ResponseBody> {
        self.note_refusal(reason);
        self.reply(text)
    }

    /// An answer of the gateway's own to a message.
    fn reply(&self, text: String) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::text(text));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        self.finished(response)
    }

    fn without_message(&self, status: StatusCode, reason: &str) -> Response<ResponseBody> {
        self.note_refusal(reason);
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = status;
        self.finished(response)
    }

    fn note_refusal(&self, reason: &str) {
        let detail = Some(shortened(reason));
        self.forwarding.exchange.note(|line| {
            (line.detail, line.reason) = (detail, Some("message_refused"));
        });
    }

    /// Like the answers of Janus, it may be read by every page that may send the request.
    fn finished(&self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        let headers = response.headers_mut();
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
        let exchange: &Rc<_> = &self.forwarding.exchange;
        self.forwarding.cleaning.apply(headers, exchange);
        response
    }

    /// The answer to a request whose body has not been read.
    fn before_body(
        &self,
        request: &ClientRequest,
        mut response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        if request.version() < Version::HTTP_2 && !request.body().is_end_stream() {
            close_after(&mut response, &self.forwarding.conn.control);
        }
        response
    }
}

/// Judges a body. It has to be one document.
fn judged<'m>(inspector: &mut AnyInspector, body: &'m [u8], context: &Context<'_>) -> Verdict<'m> {
    if body.is_empty() {
        return rest::no_payload(context);
    }
    let broken = |at, problem| SyntaxError { at, problem };
    let text = std::str::from_utf8(body);
    let text = text.map_err(|error| broken(error.valid_up_to(), Problem::Unexpected));
    match text.and_then(|text| Ok((text, split(text)?))) {
        Ok((text, mut documents)) => match (documents.next(), documents.next()) {
            (Some(document), None) => inspector.inspect(Direction::ToServer, document, context),
            (_, second) => {
                let start = |second: Value<'_>| second.raw().as_ptr() as usize;
                let at = second.map_or(0, |second| start(second) - text.as_ptr() as usize);
                inspector.unreadable(broken(at, Problem::TooMany), context)
            }
        },
        Err(error) => inspector.unreadable(error, context),
    }
}

/// A whole answer; `None` if it breaks off or is too large.
async fn read(mut body: ResponseBody) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.ok()?.into_data() {
            if whole.len() + data.len() > ANSWER_SIZE {
                return None;
            }
            whole.extend_from_slice(&data);
        }
    }
    Some(whole)
}

/// Sets what Janus reads of the target: the path without a slash at its end, and this query.
fn set_target(request: &mut ClientRequest, query: &str) -> Result<(), BadPath> {
    let uri = request.uri();
    let path = without_slash(uri.path());
    if path == uri.path() && uri.query().is_none() && query.is_empty() {
        return Ok(());
    }
    let target = match query {
        "" => PathAndQuery::try_from(path),
        query => PathAndQuery::try_from(format!("{path}?{query}")),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.map_err(|_| BadPath::BadEscape)?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| BadPath::BadEscape)?;
    Ok(())
}

fn without_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        None | Some("") => path,
        Some(path) => path,
    }
}
