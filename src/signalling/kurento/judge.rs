//! Judges the operations of one request: itself, and in a transaction each of its operations.

use std::borrow::Cow;

use super::changes::Change;
use super::facts;
use super::names;
use super::params::Params;
use super::references::Reference;
use super::refusal::Refusal;
use super::request::Operation;
use super::target::{self, Earlier, Target};
use crate::signalling::document::{Object, Text, Value};
use crate::signalling::owners;
use crate::signalling::rules::{Decision, Facts, Rule};
use crate::signalling::{Context, RecordId};

/// How many operations the transactions of a request may have.
const MOST_OPERATIONS: usize = 256;

/// How deep transactions may be nested.
const DEEPEST: usize = 4;

/// An operation that may pass.
pub(super) struct Admitted<'m, 'c> {
    pub(super) facts: Facts<'m>,
    /// The session and the object that it names, which then are the client's.
    pub(super) named: Named<'m>,
    /// The rule that lets it pass, if there are rules.
    pub(super) rule: Option<&'c Rule>,
    /// What its answer will change.
    pub(super) change: Option<Change>,
    /// The operations in it.
    pub(super) inner: Vec<Self>,
}

/// An operation that goes no further, and with it the request that it is in.
pub(super) struct Rejected<'m> {
    pub(super) facts: Facts<'m>,
    pub(super) named: Named<'m>,
    pub(super) refusal: Refusal,
}

/// The session and the object that an operation names; they may belong to another client.
#[derive(Clone, Copy, Default)]
pub(super) struct Named<'m> {
    pub(super) session: Option<RecordId<'m>>,
    pub(super) object: Option<RecordId<'m>>,
}

impl<'m> Named<'m> {
    fn by(params: &Params<'m>) -> Self {
        Self {
            session: params.session.and_then(RecordId::of),
            object: params.object.and_then(RecordId::of),
        }
    }
}

/// Judges the operations of one request.
pub(super) struct Judge<'j, 'c> {
    context: &'j Context<'c>,
    /// The session of the connection, which KMS takes if a request names none.
    session: Option<&'j str>,
    operations: usize,
}

/// The transaction that an operation is in.
#[derive(Clone, Copy)]
struct Around<'o, 'm> {
    /// The operations before it.
    earlier: &'o Earlier<'m>,
    /// Its session, in which KMS executes all operations.
    session: Option<&'o str>,
    depth: usize,
}

impl<'j, 'c> Judge<'j, 'c> {
    pub(super) fn new(context: &'j Context<'c>, session: Option<&'j str>) -> Self {
        Self {
            context,
            session,
            operations: 0,
        }
    }

    /// Judges the operation of a request.
    pub(super) fn request<'m>(
        &mut self,
        operation: &Operation<'m>,
    ) -> Result<Admitted<'m, 'c>, Box<Rejected<'m>>> {
        self.operation(operation, None)
    }

    /// Judges an operation, in a transaction with those before it.
    fn operation<'m>(
        &mut self,
        operation: &Operation<'m>,
        around: Option<Around<'_, 'm>>,
    ) -> Result<Admitted<'m, 'c>, Box<Rejected<'m>>> {
        let earlier = around.map(|around| around.earlier);
        let bare = || facts::bare(operation.method, operation.params);
        let needs = names::needs(&operation.method.unescaped());
        let params = needs
            .ok_or(Refusal::Method)
            .and_then(|needs| Params::read(operation, needs))
            .map_err(|refusal| {
                Box::new(Rejected {
                    facts: bare(),
                    named: Named::default(),
                    refusal,
                })
            })?;
        let named = Named::by(&params);
        let reject = |facts, refusal| {
            Box::new(Rejected {
                facts,
                named,
                refusal,
            })
        };
        let session = self
            .session_of(&params, around)
            .map_err(|refusal| reject(bare(), refusal))?;
        let outer = around.map_or(self.session, |around| around.session);
        let session = session.as_deref().or(outer);
        let (facts, object) = self
            .facts_of(operation, &params, session, earlier)
            .map_err(|refusal| reject(bare(), refusal))?;
        let rule = match check(&facts, self.context) {
            Ok(rule) => rule,
            Err(refusal) => return Err(reject(facts, refusal)),
        };
        let is_transaction = operation.method.is("transaction");
        let operations = params.operations.filter(|_| is_transaction);
        let inner = match self.inner(operations, around, session) {
            Ok(inner) => inner,
            Err(Inner::Rejected(rejected)) => return Err(rejected),
            Err(Inner::Malformed(refusal)) => return Err(reject(facts, refusal)),
        };
        let mut admitted = Admitted {
            facts,
            named,
            rule,
            change: None,
            inner,
        };
        match self.change(operation, &mut admitted, session, object) {
            Ok(change) => admitted.change = change,
            Err(refusal) => return Err(reject(admitted.facts, refusal)),
        }
        Ok(admitted)
    }

    /// The session that the operation names.
    fn session_of<'m>(
        &self,
        params: &Params<'m>,
        around: Option<Around<'_, '_>>,
    ) -> Result<Option<Cow<'m, str>>, Refusal> {
        let Some(value) = params.session else {
            return Ok(None);
        };
        // KMS makes a text of everything, and a session of every text.
        let session = value.text().ok_or(Refusal::NoSession)?.unescaped();
        let objects = self.context.backend.owners.objects();
        if !objects.has_session(self.context.owner, &session, self.context.now) {
            return Err(Refusal::NoSession);
        }
        match around {
            Some(around) if around.session != Some(&session) => Err(Refusal::Transaction(
                "an operation names another session than its transaction",
            )),
            _ => Ok(Some(session)),
        }
    }

    /// What the operation asks for, and the id of the object that it is about.
    fn facts_of<'m>(
        &self,
        operation: &Operation<'m>,
        params: &Params<'m>,
        session: Option<&str>,
        earlier: Option<&Earlier<'m>>,
    ) -> Result<(Facts<'m>, Option<Text<'m>>), Refusal> {
        let object = params.object.and_then(Value::text);
        let mut facts = facts::of(operation, params, Target::of(operation, params, earlier));
        let parameters = facts.parameters;
        let is_foreign = parameters.map_or(Ok(false), |parameters| {
            self.names_foreign(parameters, session, earlier)
        })?;
        facts.is_foreign |= is_foreign;
        Ok((facts, object))
    }

    /// Whether a string in the parameters names an object that is not the client's.
    ///
    /// # Errors
    /// If one refers to an earlier operation that creates no object: its value may be any text that
    /// the client has stored before.
    fn names_foreign(
        &self,
        parameters: Object<'_>,
        session: Option<&str>,
        earlier: Option<&Earlier<'_>>,
    ) -> Result<bool, Refusal> {
        let (objects, owner) = (self.context.backend.owners.objects(), self.context.owner);
        let mut is_foreign = false;
        for text in parameters.texts_at_any_depth() {
            match (Reference::of(text), earlier) {
                (Reference::Object, _) => {
                    is_foreign |= !objects.has_object(owner, session, &text.unescaped());
                }
                (Reference::New(number), Some(earlier)) => {
                    target::created_at(number, earlier).ok_or(Refusal::Transaction(
                        "newref: names no earlier operation that creates an object",
                    ))?;
                }
                (Reference::New(_), None) | (Reference::None, _) => {}
            }
        }
        Ok(is_foreign)
    }

    /// Judges the operations of a transaction.
    fn inner<'m>(
        &mut self,
        operations: Option<Value<'m>>,
        around: Option<Around<'_, 'm>>,
        session: Option<&str>,
    ) -> Result<Vec<Admitted<'m, 'c>>, Inner<'m>> {
        let malformed = |why| Inner::Malformed(Refusal::Transaction(why));
        let Some(operations) = operations.and_then(Value::array) else {
            return Ok(Vec::new());
        };
        let depth = around.map_or(0, |around| around.depth);
        if depth == DEEPEST {
            return Err(malformed("transactions are nested too deep"));
        }
        let (mut created, mut inner) = (Vec::new(), Vec::new());
        for (number, value) in operations.items().enumerate() {
            self.operations += 1;
            if self.operations > MOST_OPERATIONS {
                return Err(malformed("it has too many operations"));
            }
            let operation = Operation::read(value, number).map_err(Inner::Malformed)?;
            // KMS puts values in before it looks at what is inside, so that inner transactions
            // refer to the operations of the outermost.
            let around = Around {
                earlier: around.map_or(&created, |around| around.earlier),
                session,
                depth: depth + 1,
            };
            let admitted = self.operation(&operation, Some(around));
            inner.push(admitted.map_err(Inner::Rejected)?);
            created.push(target::created_by(&operation));
        }
        Ok(inner)
    }

    /// What the answer to an operation will change.
    fn change(
        &self,
        operation: &Operation<'_>,
        admitted: &mut Admitted<'_, '_>,
        session: Option<&str>,
        object: Option<Text<'_>>,
    ) -> Result<Option<Change>, Refusal> {
        let is = |method: &str| operation.method.is(method);
        let is_one_of = |methods: &[&str]| methods.iter().any(|method| is(method));
        if is("create") {
            let place = self
                .context
                .backend
                .owners
                .reserve_handle(self.context.owner);
            return place
                .map(Change::Create)
                .map(Some)
                .ok_or(Refusal::TooManyObjects);
        }
        if is("transaction") {
            let inner = admitted.inner.iter_mut().enumerate();
            let changes = inner.filter_map(|(at, inner)| Some((at, inner.change.take()?)));
            let changes: Vec<_> = changes.collect();
            return Ok(Some(Change::Transaction(changes)));
        }
        let session = || session.map(Box::from);
        let root = || object.and_then(remembered);
        Ok(match () {
            () if is("closeSession") => session().map(Change::CloseSession),
            () if is_one_of(&["connect", "keepAlive"]) => session().map(Change::UseSession),
            () if is("release") => root().map(Change::Release),
            () if is_one_of(&["describe", "ref", "unref"]) => root().map(Change::UseObject),
            () => None,
        })
    }
}

/// The id of an object that may have to be forgotten: what is below another object is not
/// remembered, nor what is too long.
fn remembered(object: Text<'_>) -> Option<Box<str>> {
    let id = object.unescaped();
    let is_remembered =
        id.len() <= owners::LONGEST && !id.contains('/') && id != names::SERVER_MANAGER;
    is_remembered.then(|| id.as_ref().into())
}

/// Why the operations of a transaction do not pass.
enum Inner<'m> {
    /// One of them does not.
    Rejected(Box<Rejected<'m>>),
    /// The transaction itself.
    Malformed(Refusal),
}

/// The rule that lets an operation pass; `None` without rules.
///
/// # Errors
/// If no rule does. What belongs to others cannot be told from what does not exist; `closeSession`
/// names none of it.
fn check<'c>(facts: &Facts<'_>, context: &Context<'c>) -> Result<Option<&'c Rule>, Refusal> {
    if context.is_in_grace && !facts::ends_something(facts) {
        return Err(Refusal::Expired);
    }
    match context
        .rules
        .map(|rules| rules.decide(facts, context.claims))
    {
        Some(Decision::Allowed(rule)) => Ok(Some(rule)),
        _ if facts.is_foreign && !facts.verb.is("closeSession") => Err(Refusal::NoObject),
        None if facts.is_foreign => Err(Refusal::Unmatched(None)),
        None => Ok(None),
        Some(Decision::Denied(rule)) => Err(Refusal::Denied(rule.name.clone())),
        Some(Decision::Unmatched(closest)) => Err(Refusal::Unmatched(closest)),
    }
}
