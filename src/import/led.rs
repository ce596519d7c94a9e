//! Where something leads, and what it is compared by.

use super::access::Access;
use super::model::Target;

/// A target, and who may pass at most.
pub(super) type Led = (Target, Access);

/// The text of a location, and how it is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) is_exact: bool,
}
