//! `forward_auth`: a service decides about each request.

use std::rc::Rc;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{HeaderName, Response};

use super::super::Routed;
use super::super::navigation::is_navigation;
use super::super::reject::Rejection;
use super::super::view::WorkerView;
use super::answer::{self, Verdict};
use super::failure::LoginFailure;
use super::identity;
use super::outcome::{Cookies, Outcome, answered, note_claim};
use super::request::{MARK, Question};
use super::state::Watched;
use crate::policy::{Denied, ForwardAuth, LoggedIn, LoginRule, Permit};
use crate::proxy::ask::ask;
use crate::route::Route;
use crate::slot::CountedClient;
use crate::token::issuer::Tag;

/// Decides by the answer of the service, or by one that still holds.
pub(super) async fn decide(
    routed: &Routed,
    route: &Route,
    rule: &Arc<LoginRule>,
    service: &ForwardAuth,
) -> Outcome {
    let inbound = &routed.normal.inbound;
    let worker = &inbound.conn.worker;
    if inbound.request.headers().contains_key(MARK) {
        return Outcome::Rejected(LoginFailure::Loop.into());
    }
    let question = Question::new(routed, route);
    let tag = worker.tokens.tag(&question.key(service));
    if let Some(login) = worker.logins.get(&tag, worker.ticks.now()) {
        return permitted(routed, route, &login, Cookies::default());
    }
    let answer = ask_service(&inbound.view, service, &question, &inbound.counted()).await;
    let verdict = answer.and_then(|answer| Ok((answer::verdict(&answer, service)?, answer)));
    let (verdict, mut answer) = match verdict {
        Ok(found) => found,
        Err(failure) => return Outcome::Rejected(failure.into()),
    };
    let cookies = Cookies::of(answer.headers_mut());
    match verdict {
        Verdict::Admitted => {
            let Some(login) = identity::of_answer(rule, service, answer.headers(), tag) else {
                return Outcome::Rejected(LoginFailure::Changed.into());
            };
            let login = Rc::new(login);
            remember(routed, service, &login, (tag, question), &cookies);
            permitted(routed, route, &login, cookies)
        }
        Verdict::NoLogin => no_login(routed, service, (answer.headers(), &question.url), cookies),
        Verdict::Forbidden => {
            let rejection = Denied::Forbidden.into();
            let mut reply = answered(routed, &rejection, []);
            cookies.add_to(reply.response.headers_mut());
            Outcome::Answered(reply)
        }
    }
}

fn permitted(routed: &Routed, route: &Route, login: &Rc<LoggedIn>, cookies: Cookies) -> Outcome {
    let inbound = &routed.normal.inbound;
    let user = Rc::clone(&login.verified);
    inbound.exchange.note(|line| line.user = Some(user));
    let permit: Result<Permit, Denied> = route.policy.authorize_login(inbound.client, login);
    match permit {
        Ok(permit) => Outcome::Permit(permit, cookies),
        Err(denied) => {
            note_claim(routed, &login.rule, &denied);
            let mut reply = answered(routed, &denied.into(), []);
            cookies.add_to(reply.response.headers_mut());
            Outcome::Answered(reply)
        }
    }
}

/// Asks the service, over a connection of this worker.
pub(super) async fn ask_service(
    view: &WorkerView,
    service: &ForwardAuth,
    question: &Question,
    counted: &CountedClient,
) -> Result<Response<()>, LoginFailure> {
    let upstream = view.upstream_named(&service.upstream);
    let upstream = upstream.ok_or(LoginFailure::Changed)?;
    let client = (question.client, counted);
    let answer = ask(upstream, client, question.request(service), service.timeout).await;
    answer.map_err(LoginFailure::Unanswered)
}

/// Remembers an answer that admits, and to ask again. One that sets cookies is for one request.
fn remember(
    routed: &Routed,
    service: &ForwardAuth,
    login: &Rc<LoggedIn>,
    (tag, question): (Tag, Question),
    cookies: &Cookies,
) {
    let worker = &routed.normal.inbound.conn.worker;
    if !service.cache.is_zero() && cookies.is_empty() {
        let until = worker.ticks.after(service.cache);
        worker.logins.insert(tag, login, until);
    }
    if let Some(recheck) = service.recheck {
        worker.logins.watched.borrow_mut().push(Watched {
            login: Rc::downgrade(login),
            question: Rc::new(question),
            due: worker.ticks.after(recheck),
            failures: 0,
        });
    }
}

/// A browser that opens a page is sent to sign in. Everything else gets 401.
fn no_login(
    routed: &Routed,
    service: &ForwardAuth,
    (answer, url): (&HeaderMap, &str),
    cookies: Cookies,
) -> Outcome {
    let is_page = is_navigation(&routed.normal.inbound.request);
    let to = answer::sign_in(answer, service, url).filter(|_| is_page);
    let mut reply = match to {
        Some(to) => answered(routed, &Rejection::SignIn, [(header::LOCATION, to)]),
        None => answered(routed, &Denied::NoLogin.into(), challenges(answer)),
    };
    cookies.add_to(reply.response.headers_mut());
    Outcome::Answered(reply)
}

/// How the service says that clients may authenticate.
fn challenges(answer: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let said = answer.get_all(header::WWW_AUTHENTICATE).iter();
    said.map(|value| (header::WWW_AUTHENTICATE, value.clone()))
        .collect()
}
