//! One document of all files: each is parsed, tables of the same name are joined, and variables of
//! the environment are put into values.

use std::ops::Range;

use toml::Spanned as Node;
use toml::de::{DeTable, DeValue};

use super::merge::{INCLUDE, Merge};
use super::problem::{Finding, Kind};
use super::schema::Keys;
use super::sources::{Source, Sources};
use super::syntax;
use super::variables::{Environment, Variables};

/// Everything that the files have.
pub(super) struct Document<'t> {
    pub(super) table: DeTable<'t>,
    /// Problems of the syntax, of keys that are in two files, and of variables.
    pub(super) findings: Vec<Finding>,
    /// What the parser took for a list because a closing bracket does not exist.
    pub(super) unclosed: Vec<Range<usize>>,
    /// Whether the parser has understood all of the text.
    pub(super) is_whole: bool,
    /// The position of each value with variables in it, in their order, and the names.
    pub(super) variables: Vec<(usize, Vec<String>)>,
}

/// Parses all files. `keys` describes the whole.
pub(super) fn read<'t>(
    sources: &'t Sources,
    keys: &'static Keys,
    environment: Environment<'_>,
) -> Document<'t> {
    let (mut findings, mut unclosed) = (Vec::new(), Vec::new());
    let mut whole = DeTable::new();
    let mut is_whole = true;
    for source in sources.iter() {
        let (parsed, errors) = DeTable::parse_recoverable(&source.text);
        let parsed = parsed.into_inner();
        let start = source.start;
        is_whole &= errors.is_empty();
        findings.extend(errors.iter().map(|error| found(source, &parsed, error)));
        let swallowed = swallowed(&source.text, &parsed, &errors);
        unclosed.extend(swallowed.map(|at| start + at..start + source.text.len() + 1));
        let parsed = moved_table(parsed, start);
        match start {
            0 => whole = parsed,
            _ => Merge::new(sources, &mut findings).join(&mut whole, parsed, keys),
        }
    }
    let mut variables = Variables::new(environment);
    variables.replace(&mut whole);
    variables.used.sort();
    findings.extend(variables.findings);
    Document {
        table: whole,
        findings,
        unclosed,
        is_whole,
        variables: variables.used,
    }
}

/// The strings of `include` in a file, with their positions in it.
pub(super) fn includes(text: &str) -> Vec<(usize, String)> {
    // Most files have none, and need not be parsed for it.
    if !text.contains(INCLUDE) {
        return Vec::new();
    }
    let (parsed, _) = DeTable::parse_recoverable(text);
    let list = parsed.get_ref().get(INCLUDE);
    let list = list.and_then(|value| value.get_ref().as_array());
    let texts = list.into_iter().flatten().filter_map(|value| {
        let text = value.get_ref().as_str()?;
        Some((value.span().start, text.to_owned()))
    });
    texts.collect()
}

fn found(source: &Source, document: &DeTable<'_>, error: &toml::de::Error) -> Finding {
    let (mut place, text) = syntax::explain(&source.text, document, error);
    place.at += source.start;
    let kind = Kind::Syntax;
    Finding { kind, place, text }
}

/// The beginning of the list without an end, or the position of the first syntax error.
fn swallowed(text: &str, document: &DeTable<'_>, syntax: &[toml::de::Error]) -> Option<usize> {
    let end = text.trim_end().len();
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    let first = syntax.iter().map(start).min()?;
    let to_the_end = syntax
        .iter()
        .any(|error| start(error) >= end && error.message().starts_with("unclosed"));
    to_the_end.then(|| {
        document
            .values()
            .find_map(|value| reaching(value, end))
            .unwrap_or(first)
    })
}

/// The beginning of the outermost list or table that ends here or later.
fn reaching(value: &Node<DeValue<'_>>, end: usize) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) if value.span().end >= end => {
            Some(value.span().start)
        }
        DeValue::Table(table) => table.values().find_map(|value| reaching(value, end)),
        DeValue::Array(list) => list.iter().find_map(|value| reaching(value, end)),
        _ => None,
    }
}

/// The table with positions that count from the beginning of the first file.
fn moved_table(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    if by == 0 {
        return table;
    }
    let entries = table.into_iter();
    entries
        .map(|(key, value)| {
            (
                Node::new(behind(key.span(), by), key.into_inner()),
                moved(value, by),
            )
        })
        .collect()
}

fn moved(node: Node<DeValue<'_>>, by: usize) -> Node<DeValue<'_>> {
    let span = behind(node.span(), by);
    let value = match node.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved_table(table, by)),
        DeValue::Array(list) => {
            DeValue::Array(list.into_iter().map(|value| moved(value, by)).collect())
        }
        value => value,
    };
    Node::new(span, value)
}

fn behind(span: Range<usize>, by: usize) -> Range<usize> {
    span.start + by..span.end + by
}
