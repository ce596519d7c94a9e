//! Sees an answer, or its beginning, while it is streamed to the client.

use std::fmt;

/// The largest answer in bytes that is seen; a larger one is only streamed.
const MOST: usize = 256 * 1024;

/// What is done with the text of an answer.
type See = Box<dyn FnOnce(&str)>;

/// Sees an answer once all of it, or the beginning that is asked for, has been streamed.
pub(super) struct Witness {
    seen: Vec<u8>,
    /// How much is seen of a longer answer; `None`: nothing.
    beginning: Option<usize>,
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
            beginning: None,
            see: Some(Box::new(see)),
        })
    }

    /// Calls the function with this many bytes of the beginning of the answer, or with all of a
    /// shorter one, before the client has them.
    pub(super) fn of_beginning(size: usize, see: impl FnOnce(&str) + 'static) -> Box<Self> {
        Box::new(Self {
            seen: Vec::new(),
            beginning: Some(size),
            see: Some(Box::new(see)),
        })
    }

    /// The next bytes.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        if let Some(size) = self.beginning {
            let left = size.saturating_sub(self.seen.len());
            self.seen.extend_from_slice(&bytes[..bytes.len().min(left)]);
            if self.seen.len() >= size {
                self.end();
            }
            return;
        }
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
        let text = match std::str::from_utf8(&seen) {
            // A beginning may end within a character.
            Err(error) if self.beginning.is_some() => {
                std::str::from_utf8(&seen[..error.valid_up_to()])
            }
            text => text,
        };
        if let Some(see) = self.see.take()
            && let Ok(text) = text
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

    #[test]
    fn a_beginning_is_seen_once_and_before_the_rest() {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let witness = || {
            let seen = Rc::clone(&seen);
            Witness::of_beginning(4, move |text| seen.borrow_mut().push(text.to_owned()))
        };
        let mut long = witness();
        long.note(b"ab");
        assert!(seen.borrow().is_empty());
        long.note("c\u{e4}".as_bytes());
        assert_eq!(*seen.borrow(), ["abc"]);
        long.note(b"d");
        long.end();
        let mut short = witness();
        short.note(b"x");
        short.end();
        assert_eq!(*seen.borrow(), ["abc", "x"]);
    }
}
