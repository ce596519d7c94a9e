//! Sees a whole answer while it is streamed to the client.

use std::fmt;

/// The largest answer in bytes that is seen; a larger one is only streamed.
const MOST: usize = 256 * 1024;

/// What is done with the text of an answer.
type See = Box<dyn FnOnce(&str)>;

/// Sees an answer once all of it has been streamed.
pub(super) struct Witness {
    seen: Vec<u8>,
    see: Option<See>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Witness {
    /// Calls the function with the text of the answer. Not if it is too large or no text, or if it
    /// breaks off.
    pub(super) fn new(see: impl FnOnce(&str) + 'static) -> Box<Self> {
        Box::new(Self {
            seen: Vec::new(),
            see: Some(Box::new(see)),
        })
    }

    /// The next bytes.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        if self.seen.len() + bytes.len() > MOST {
            self.see = None;
        }
        if self.see.is_some() {
            self.seen.extend_from_slice(bytes);
        }
    }

    /// That was all.
    pub(super) fn end(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        if let Some(see) = self.see.take()
            && let Ok(text) = std::str::from_utf8(&seen)
        {
            see(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn an_answer_is_seen_whole_or_not_at_all() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let witness = || {
            let seen = Rc::clone(&seen);
            Witness::new(move |text| seen.borrow_mut().push(text.to_owned()))
        };
        let mut one = witness();
        one.note(b"{\"a\":");
        one.note(b"1}");
        assert!(seen.borrow().is_empty());
        one.end();
        one.end();
        assert_eq!(*seen.borrow(), ["{\"a\":1}"]);
        let mut large = witness();
        large.note(&[b'x'; MOST]);
        large.note(b"x");
        large.end();
        let mut binary = witness();
        binary.note(&[0xff]);
        binary.end();
        drop(witness());
        assert_eq!(seen.borrow().len(), 1);
    }
}
