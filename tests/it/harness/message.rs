//! HTTP/1.1 messages as they are on the wire, read without any leniency and without any judgement.

use std::io::{self, Read, Write};

/// A stream and what was read from it too early.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    pub(crate) stream: S,
    pub(crate) buffer: Vec<u8>,
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut more = [0; 16 * 1024];
        let n = self.stream.read(&mut more)?;
        self.buffer.extend_from_slice(&more[..n]);
        Ok(n)
    }

    /// A head with its empty line; `None` at an end before its first byte.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                return Ok(Some(Head::parse(self.buffer.drain(..at + 4).collect())));
            }
            match self.fill()? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    pub(crate) fn exactly(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < len {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..len).collect())
    }

    /// Everything up to a clean end.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.buffer))
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.append(&mut self.exactly(1)?);
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    /// A chunked body and its trailers.
    pub(crate) fn chunked(&mut self) -> io::Result<(Vec<u8>, String)> {
        let (mut body, mut trailers) = (Vec::new(), String::new());
        loop {
            let size = self.line()?;
            let size = std::str::from_utf8(&size)
                .ok()
                .and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.ok_or(io::ErrorKind::InvalidData)?;
            if size == 0 {
                break;
            }
            body.append(&mut self.exactly(size)?);
            if self.exactly(2)? != b"\r\n" {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((body, trailers));
            }
            trailers.push_str(&latin1(&line));
            trailers.push('\n');
        }
    }

    /// The body that a head announces; a cut is an error.
    pub(crate) fn body(
        &mut self,
        head: &Head,
        otherwise: Otherwise,
    ) -> io::Result<(Vec<u8>, String)> {
        match (
            head.get("transfer-encoding"),
            head.get("content-length"),
            otherwise,
        ) {
            (Some(_), _, _) => self.chunked(),
            (_, Some(length), _) => Ok((self.exactly(length.parse().unwrap())?, String::new())),
            (_, _, Otherwise::Nothing) => Ok((Vec::new(), String::new())),
            (_, _, Otherwise::ToTheEnd) => Ok((self.rest()?, String::new())),
        }
    }
}

/// What a head without framing means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Otherwise {
    Nothing,
    ToTheEnd,
}

/// A head, byte for byte and taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) raw: Vec<u8>,
    pub(crate) first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text = latin1(&raw);
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            raw,
            first,
            headers,
        }
    }

    /// The only value of a header.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "several {name}: {self}");
        all.first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The second word of the first line.
    pub(crate) fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> u16 {
        self.target().parse().unwrap()
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&latin1(&self.raw))
    }
}

pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}
