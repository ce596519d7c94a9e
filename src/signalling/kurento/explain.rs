//! What a request says, without the connection that it would come on.

use std::borrow::Cow;

use super::facts;
use super::names;
use super::params::Params;
use super::references::Reference;
use super::refusal::Refusal;
use super::request::{Operation, Request};
use super::target::{self, Earlier, Target};
use crate::signalling::document::{Object, Text, Value};
use crate::signalling::rules::Facts;

/// An operation of a request: the request itself, or one of those in a transaction.
#[derive(Debug)]
pub struct Explained<'m> {
    /// What it says, if the sessions and objects that it names are the client's.
    pub facts: Facts<'m>,
    /// In how many transactions it is.
    pub depth: usize,
    /// Whether it names a session or an object besides the server.
    pub names_any: bool,
}

/// The operations of a request, in the order in which they are judged.
///
/// # Errors
/// Why it would be refused whatever the rules are.
pub fn operations(document: Value<'_>) -> Result<Vec<Explained<'_>>, Refusal> {
    let request = Request::read(document).map_err(|bad| bad.refusal)?;
    let mut all = Vec::new();
    add(&request.operation, None, 0, &mut all)?;
    Ok(all)
}

fn add<'m>(
    operation: &Operation<'m>,
    earlier: Option<&Earlier<'m>>,
    depth: usize,
    all: &mut Vec<Explained<'m>>,
) -> Result<(), Refusal> {
    let needs = names::needs(&operation.method.unescaped()).ok_or(Refusal::Method)?;
    let params = Params::read(operation, needs)?;
    let is_transaction = operation.method.is("transaction");
    let target = Target::of(operation, &params, earlier);
    let mut texts = operation
        .params
        .filter(|_| !is_transaction)
        .into_iter()
        .flat_map(Object::texts_at_any_depth);
    all.push(Explained {
        facts: facts::of(operation, &params, target),
        depth,
        names_any: params.session.is_some() || texts.any(is_object),
    });
    let operations = params.operations.filter(|_| is_transaction);
    let mut created: Vec<Option<Cow<'m, str>>> = Vec::new();
    let operations = operations.and_then(Value::array);
    let operations = operations.into_iter().flat_map(|list| list.items());
    for (number, value) in operations.enumerate() {
        let operation = Operation::read(value, number)?;
        add(
            &operation,
            Some(earlier.unwrap_or(&created)),
            depth + 1,
            all,
        )?;
        created.push(target::created_by(&operation));
    }
    Ok(())
}

fn is_object(text: Text<'_>) -> bool {
    Reference::of(text) == Reference::Object
}
