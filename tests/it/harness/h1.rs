//! An HTTP/1.1 client that sends what a test gives it, byte for byte.

use std::io::{self, Read, Write};

use super::message::{Head, Otherwise, Wire};
use super::tls::TlsStream;

/// The client; over TLS, where nothing else is said.
#[derive(Debug)]
pub(crate) struct Client<S = TlsStream> {
    pub(crate) wire: Wire<S>,
}

/// An answer that came whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            wire: Wire::new(stream),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(bytes).unwrap();
    }

    /// The head of an answer.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Head {
        self.wire
            .head()
            .unwrap()
            .expect("an answer, not the end of the connection")
    }

    /// A whole answer; a cut is an error.
    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.wire.head()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let (body, trailers) = match head.status() {
            204 | 304 => Default::default(),
            _ => self.wire.body(&head, Otherwise::ToTheEnd)?,
        };
        Ok(Answer {
            head,
            body,
            trailers,
        })
    }

    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().unwrap()
    }

    /// Sends raw bytes and reads a whole answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes);
        self.answer()
    }

    /// A GET of `localhost`.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// A POST to `localhost`.
    #[track_caller]
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Answer {
        self.try_post(target, body).unwrap()
    }

    /// The same; a cut is an error.
    pub(crate) fn try_post(&mut self, target: &str, body: &[u8]) -> io::Result<Answer> {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.wire.send(head)?;
        self.wire.send(body)?;
        self.try_answer()
    }

    /// Waits for the end of the connection, with nothing before it.
    #[track_caller]
    pub(crate) fn is_closed(&mut self) {
        match self.wire.rest() {
            Ok(rest) => assert!(rest.is_empty(), "{}", super::message::latin1(&rest)),
            // A reset, or an end without TLS saying so, is an end too.
            Err(error) => assert!(is_end(&error), "{error:?}"),
        }
    }
}

/// Whether an error says that the connection is over, and not that time is.
pub(crate) fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}
