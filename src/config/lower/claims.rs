//! Claims that policies and message rules ask for.

use crate::config::problem::Spanned;
use crate::config::read::{List, valid};
use crate::token::claims::{ClaimRule, Wanted};

/// What a token must claim, all of it.
pub(super) fn claim_rules(claims: Vec<(String, Spanned<List<Wanted>>)>) -> Box<[ClaimRule]> {
    let rule = |(path, values): (String, Spanned<List<Wanted>>)| {
        let values = valid(values.value).into_iter();
        ClaimRule {
            path: path.into(),
            one_of: values.map(|wanted| wanted.value).collect(),
        }
    };
    claims.into_iter().map(rule).collect()
}
