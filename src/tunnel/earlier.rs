//! The tokens that permitted a tunnel before it was renewed.

use crate::token::issuer::Tag;

/// How many are remembered: the first, and the last ones.
const MOST: usize = 8;

/// The tokens that permitted a tunnel before it was renewed, by their tags.
#[derive(Debug, Default)]
pub(super) struct EarlierTokens(Vec<Tag>);

impl EarlierTokens {
    /// Remembers one.
    pub(super) fn note(&mut self, tag: Tag) {
        if self.contains(&tag) {
            return;
        }
        if self.0.len() == MOST {
            // The first one stays: a client may send it for as long as it runs.
            self.0.remove(1);
        }
        self.0.push(tag);
    }

    /// Whether this is one of them.
    pub(super) fn contains(&self, tag: &Tag) -> bool {
        self.0.contains(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_ones_are_remembered() {
        let mut earlier = EarlierTokens::default();
        for number in [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9] {
            earlier.note([number; 32]);
        }
        let remembered = (0..=10).filter(|number| earlier.contains(&[*number; 32]));
        assert!(remembered.eq([0, 3, 4, 5, 6, 7, 8, 9]));
    }
}
