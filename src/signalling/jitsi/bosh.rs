//! BOSH (XEP-0124): the outermost element of a body, which names the session.
//!
//! The session id is all that a server asks for: who has it may speak in the session. So what is
//! read here has to be what the server reads, and whatever has two readings is an error. Prosody's
//! parser takes the first `<body/>` of its namespace for the outermost element, also inside of
//! another one, knows it by any prefix, and accepts UTF-16 without a declaration.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use quick_xml::Reader;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::query::{Asked, Domain, RoomAsked};

/// The namespace of the outermost element.
pub const NAMESPACE: &str = "http://jabber.org/protocol/httpbind";

/// In how many bytes of a body the tag has to end.
pub const LONGEST_TAG: usize = 4096;

/// The longest session id in bytes.
const LONGEST_SID: usize = 128;

/// The most digits of a request id (XEP-0124, section 14.1: at most 2^53 - 1).
const RID_DIGITS: usize = 16;

/// What the outermost element says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The session; a request for a new one has none.
    pub sid: Option<Box<str>>,
    /// Whether it ends the session.
    pub is_terminate: bool,
    has_rid: bool,
}

/// Why there is no single reading of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// It does not begin with a tag in UTF-8.
    #[error("the body is not XML in UTF-8")]
    NotXml,
    /// A comment, a processing instruction, a document type or text before the element, or a
    /// declaration that says more than version 1.0 and UTF-8 (RFC 6120, section 11.1).
    #[error("something that XMPP does not have comes before the element")]
    Prolog,
    /// The tag has no end within [`LONGEST_TAG`] bytes, or is not well-formed.
    #[error("the tag of the element is not well-formed or too long")]
    Tag,
    /// It is not `body`, without a prefix, of the namespace of BOSH.
    #[error("the outermost element is not the body of BOSH")]
    Element,
    /// A `sid`, `type` or `rid` that is written with a prefix or in another way than clients do.
    #[error("an attribute is not written as clients write it")]
    Attribute,
    /// A request without `rid`.
    #[error("the request has no rid")]
    NoRid,
    /// The query has `room` twice.
    #[error("the query names more than one room")]
    Names,
}

/// Reads the body of a request.
///
/// # Errors
/// If it has more than one reading, or none.
pub fn request(body: &[u8]) -> Result<Body, BadBody> {
    let read = outermost(body)?;
    if read.has_rid {
        Ok(read)
    } else {
        Err(BadBody::NoRid)
    }
}

/// Reads the beginning of an answer; `None` if it is no answer of BOSH.
pub fn answer(beginning: &[u8]) -> Option<Body> {
    outermost(beginning).ok()
}

fn outermost(body: &[u8]) -> Result<Body, BadBody> {
    let head = &body[..body.len().min(LONGEST_TAG)];
    // A byte order mark is no beginning either.
    if !head
        .first()
        .is_some_and(|first| *first == b'<' || is_space(*first))
    {
        return Err(BadBody::NotXml);
    }
    let mut reader = Reader::from_reader(head);
    let mut is_at_start = true;
    loop {
        match reader.read_event().map_err(|_| BadBody::Tag)? {
            Event::Start(tag) | Event::Empty(tag) => return element(&tag),
            Event::Decl(decl) if is_at_start && is_plain(&decl) => {}
            Event::Text(text) if text.bytes().all(is_space) => {}
            Event::Eof => return Err(BadBody::Tag),
            _ => return Err(BadBody::Prolog),
        }
        is_at_start = false;
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a declaration says what holds without it.
fn is_plain(decl: &BytesDecl<'_>) -> bool {
    decl.version().is_ok_and(|version| version == "1.0")
        && decl.encoding().is_none_or(|encoding| {
            encoding.is_ok_and(|encoding| encoding.eq_ignore_ascii_case("utf-8"))
        })
        && decl.standalone().is_none()
}

fn element(tag: &BytesStart<'_>) -> Result<Body, BadBody> {
    if tag.name().into_inner() != "body" {
        return Err(BadBody::Element);
    }
    let mut read = Body::default();
    let mut has_namespace = false;
    // The iterator finds attributes that are there twice.
    for attribute in tag.attributes() {
        let Attribute { key, value } = attribute.map_err(|_| BadBody::Tag)?;
        let (prefix, name) = match key.into_inner().split_once(':') {
            Some((prefix, name)) => (Some(prefix), name),
            None => (None, key.into_inner()),
        };
        match (prefix, name) {
            (None, "xmlns") => has_namespace = value == NAMESPACE,
            (None, "sid") => read.sid = Some(sid(&value)?),
            (None, "rid") if is_rid(&value) => read.has_rid = true,
            (None, "type") if is_name(&value) => read.is_terminate = value == "terminate",
            (Some("xmlns"), _) => {}
            (_, "sid" | "rid" | "type") => return Err(BadBody::Attribute),
            _ => {}
        }
    }
    match has_namespace {
        true => Ok(read),
        false => Err(BadBody::Element),
    }
}

/// A session id of printable ASCII: nothing in it is an entity, or becomes a space.
fn sid(value: &str) -> Result<Box<str>, BadBody> {
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'&' | b'<' | b'>' | b'"' | b'\'');
    let is_sid = (1..=LONGEST_SID).contains(&value.len()) && value.bytes().all(is_plain);
    is_sid.then(|| value.into()).ok_or(BadBody::Attribute)
}

fn is_rid(value: &str) -> bool {
    (1..=RID_DIGITS).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

fn is_name(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
}

/// Where a client speaks: a digest of the path, which names the tenant, and of the room in the
/// query, without case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place([u8; 16]);

impl Place {
    /// The place that a request's URL names.
    ///
    /// # Errors
    /// If it names several rooms.
    pub fn new(path: &str, query: &str) -> Result<Self, BadBody> {
        let name = match Asked::new(query, None, Domain::Any).room {
            RoomAsked::Missing => Cow::default(),
            RoomAsked::One(name) => name,
            RoomAsked::Several => return Err(BadBody::Names),
        };
        let mut place = path.trim_end_matches('/').to_owned();
        place.push('\n');
        place.extend(name.chars().flat_map(char::to_lowercase));
        let mut short = [0; 16];
        short.copy_from_slice(&digest(&SHA256, place.as_bytes()).as_ref()[..16]);
        Ok(Self(short))
    }

    /// What a session that was created here is remembered by.
    pub fn key(self, sid: &str) -> String {
        let mut key = String::with_capacity(sid.len() + 1 + 22);
        key.push_str(sid);
        key.push(' ');
        STANDARD_NO_PAD.encode_string(self.0, &mut key);
        key
    }
}

#[cfg(test)]
mod tests;
