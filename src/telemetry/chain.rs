//! Errors with their causes, for log lines.

use std::error::Error;
use std::fmt;

use super::cause;

/// An error with its causes, in one line. What libraries report is put into words.
pub struct Chain<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut next = Some(self.0);
        let mut is_first = true;
        while let Some(error) = next {
            if let Some(text) = cause::words(error) {
                let colon = if is_first { "" } else { ": " };
                write!(f, "{colon}{text}")?;
                is_first = false;
            }
            next = cause::source(error);
        }
        Ok(())
    }
}
