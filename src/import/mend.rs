//! A missing `;` at the end of a line: what follows is taken for arguments, and NGINX does not
//! start. The next line is a directive of its own where it begins with the name of one.

use super::known;
use super::report::{Outcome, Report};
use crate::nginx::Directive;

/// Directives whose arguments are any words, on as many lines as it takes.
const ANY_WORDS: [&str; 6] = [
    "log_format",
    "server_name",
    "gzip_types",
    "ssi_types",
    "valid_referers",
    "index",
];

/// The directives, with those that a missing `;` has hidden.
pub(super) fn mend(directives: &[Directive], report: &mut Report) -> Vec<Directive> {
    let mut out = Vec::new();
    for directive in directives {
        let mut rest = directive.clone();
        rest.block = directive.block.as_deref().map(|block| mend(block, report));
        while let Some(at) = missing(&rest) {
            let (before, after) = rest.args.split_at(at);
            let Some((name, args)) = after.split_first() else {
                break;
            };
            let first = Directive {
                name: rest.name.clone(),
                args: before.to_vec(),
                block: None,
                place: rest.place.clone(),
            };
            let text = "it has no \";\" at its end, so NGINX does not start; read as if it were \
                        there";
            report.note_at(
                &first.place,
                &first.shown(),
                Outcome::WasWrong,
                text.to_owned(),
            );
            rest = Directive {
                name: name.text.clone(),
                args: args.to_vec(),
                block: rest.block,
                place: name.place.clone(),
            };
            out.push(first);
        }
        out.push(rest);
    }
    out
}

/// The first argument that is a directive of its own.
fn missing(directive: &Directive) -> Option<usize> {
    let is_own = known::is_directive(&directive.name);
    if !is_own || ANY_WORDS.contains(&directive.name.as_str()) {
        return None;
    }
    let mut line = directive.place.line;
    for (at, arg) in directive.args.iter().enumerate() {
        let begins_line = arg.place.line > line;
        if begins_line && arg.place.file == directive.place.file && known::is_directive(&arg.text) {
            return Some(at);
        }
        line = arg.place.line;
    }
    None
}
