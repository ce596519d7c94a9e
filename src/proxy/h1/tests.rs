mod bodies;
mod heads;
mod lengths;
mod requests;

use bytes::BytesMut;
use http::Method;

use super::*;

/// What a server sends before it closes the connection, and what it is read as.
struct Row {
    method: Method,
    sent: Vec<u8>,
    read: String,
}

/// An answer to a GET.
fn get(sent: impl AsRef<[u8]>, read: &str) -> Row {
    answer_to(Method::GET, sent, read)
}

fn answer_to(method: Method, sent: impl AsRef<[u8]>, read: &str) -> Row {
    Row {
        method,
        sent: sent.as_ref().to_vec(),
        read: read.to_owned(),
    }
}

/// A head with these lines behind a usual status line, and a body of `ok`.
fn with(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\nok")
}

/// Reads a connection as it comes in, and puts what was read into words.
struct Reader {
    method: Method,
    buf: BytesMut,
    body: Option<(BodyDecoder, bool)>,
    read: String,
    has_ended: bool,
}

impl Reader {
    fn new(method: Method) -> Self {
        Self {
            method,
            buf: BytesMut::new(),
            body: None,
            read: String::new(),
            has_ended: false,
        }
    }

    fn take(&mut self, piece: &[u8]) {
        self.buf.extend_from_slice(piece);
        while !self.has_ended && self.step() {}
    }

    /// Returns whether there may be more in the buffer.
    fn step(&mut self) -> bool {
        let Some((body, _)) = &mut self.body else {
            return self.head();
        };
        match body.decode(&mut self.buf) {
            Ok(Decoded::Data(data)) => {
                assert!(!data.is_empty());
                self.read += &data.escape_ascii().to_string();
            }
            Ok(Decoded::Trailers(trailers)) => {
                assert!(body.is_done());
                self.read += &format!(" {}", fields(&trailers));
            }
            Ok(Decoded::Done) => {
                assert!(body.is_done() && body.left() == Some(0));
                self.has_ended = true;
            }
            Ok(Decoded::NeedsMore) => {
                assert!(self.buf.is_empty() && !body.is_done() && body.left() != Some(0));
                return false;
            }
            Err(error) => {
                let again = body.decode(&mut self.buf).unwrap_err();
                assert_eq!((again, body.is_done()), (error, false));
                self.fail(&error);
            }
        }
        true
    }

    fn head(&mut self) -> bool {
        match parse_head(&mut self.buf, &self.method) {
            Ok(None) => return false,
            Ok(Some(head)) => {
                let status = head.status.as_u16();
                self.read += &format!("{status} ");
                if let Some(reason) = &head.reason {
                    self.read += &format!("({}) ", reason.escape_ascii());
                }
                self.read += &format!("{} ", fields(&head.headers));
                let is_interim = (100..200).contains(&status) && status != 101;
                assert!(!is_interim || head.body == BodyLength::None);
                if !is_interim {
                    self.body = Some((BodyDecoder::new(head.body), head.keeps_alive));
                }
            }
            Err(error) => self.fail(&error),
        }
        true
    }

    fn fail(&mut self, error: &dyn std::error::Error) {
        self.read += &format!("! {error}");
        self.has_ended = true;
        self.body = None;
    }

    /// What was read when the server had closed the connection.
    fn close(mut self) -> String {
        match &mut self.body {
            None if self.has_ended => return self.read,
            None => return self.read + "! no head",
            Some((body, keeps_alive)) => match body.at_eof() {
                Ok(()) => {
                    assert!(body.is_done() && body.left() == Some(0));
                    self.read += if *keeps_alive { " kept" } else { " closed" };
                }
                Err(error) => self.read += &format!("! {error}"),
            },
        }
        if !self.buf.is_empty() {
            self.read += &format!(" + {} more", self.buf.len());
        }
        self.read
    }
}

fn fields(headers: &http::HeaderMap) -> String {
    let all = headers
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_bytes().escape_ascii()));
    format!("[{}]", all.collect::<Vec<_>>().join(", "))
}

fn read<'a>(method: &Method, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut reader = Reader::new(method.clone());
    for piece in pieces {
        if reader.has_ended {
            reader.buf.extend_from_slice(piece);
        } else {
            reader.take(piece);
        }
    }
    reader.close()
}

/// Reads each row whole, at every split in two, and byte by byte.
#[track_caller]
fn check(rows: &[Row]) {
    for row in rows {
        let shown = row.sent.escape_ascii().to_string();
        let shown = &shown[..shown.len().min(300)];
        let sent = row.sent.as_slice();
        assert_eq!(read(&row.method, [sent]), row.read, "{shown}");
        assert_eq!(
            read(&row.method, sent.chunks(1)),
            row.read,
            "{shown}, in bytes"
        );
        // Long ones only where something is likely to begin or end.
        let splits =
            (0..sent.len()).filter(|at| sent.len() < 2000 || *at < 100 || sent.len() - *at < 100);
        for at in splits {
            let (first, second) = sent.split_at(at);
            assert_eq!(
                read(&row.method, [first, second]),
                row.read,
                "{shown}, split at {at}"
            );
        }
    }
}
