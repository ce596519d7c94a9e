//! Whether a token is for what a request asks.

use serde_json::Value;

use super::pattern::{self, Unsupported};
use super::query::{Asked, Domain, RoomAsked};
use crate::token::claims::Claims;

/// What a token says that is for every room, or every tenant.
const ANY: &str = "*";

/// The longest name of a room in bytes (RFC 7622, section 3.3).
const LONGEST_ROOM: usize = 1023;

/// Why a token is not for what a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token has no `room`, or one that is no text.
    #[error("the token has no room claim")]
    NoRoomClaim,
    /// The token is for certain rooms, and the request names none.
    #[error("the token is for certain rooms, and the request names none")]
    RoomMissing,
    /// The request names several rooms.
    #[error("the request names several rooms")]
    SeveralRooms,
    /// The name of the room is not text, or too long to be one.
    #[error("the request names a room that cannot exist")]
    BadRoom,
    /// The token is for another room.
    #[error("the token is for another room")]
    OtherRoom,
    /// The room of the token is a pattern that the gateway does not support.
    #[error("the room claim is a pattern that is not supported")]
    Pattern(Unsupported),
    /// The token has no `sub`.
    #[error("the token has no sub claim")]
    NoSubject,
    /// The token is for another tenant.
    #[error("the token is for another tenant")]
    OtherTenant,
    /// The token is for another domain.
    #[error("the token is for another domain")]
    OtherDomain,
    /// The token is for a certain domain, and which one the request is for is not known.
    #[error("the token is for a domain, and only the client says which one the request is for")]
    UnconfirmedDomain,
}

impl Refusal {
    /// What the token claims and what the request asks for, each cut to `most` characters.
    pub fn detail(self, asked: &Asked<'_>, claims: &Claims, most: usize) -> String {
        let short = |text: &str| text.chars().take(most).collect::<String>();
        let claim = |name| short(claims.text(name).unwrap_or_default());
        match self {
            Self::NoRoomClaim => "the token has no room".to_owned(),
            Self::NoSubject => "the token has no sub".to_owned(),
            Self::RoomMissing => format!("room is {}, none asked for", claim("room")),
            Self::SeveralRooms => "several rooms asked for".to_owned(),
            Self::BadRoom => "no name of a room".to_owned(),
            Self::OtherRoom => {
                let room = match &asked.room {
                    RoomAsked::One(room) => short(room),
                    RoomAsked::Missing | RoomAsked::Several => String::new(),
                };
                format!("room is {}, asked for {room}", claim("room"))
            }
            Self::Pattern(why) => format!("room is {}: {why}", claim("room")),
            Self::OtherTenant => {
                let tenant = short(asked.tenant.unwrap_or_default());
                format!("sub is {}, asked for {tenant}", claim("sub"))
            }
            Self::OtherDomain => {
                let domain = short(asked.domain.name());
                format!("sub is {}, asked for {domain}", claim("sub"))
            }
            Self::UnconfirmedDomain => {
                let host = short(asked.domain.name());
                format!("{host}: not a name of the gateway; set domain")
            }
        }
    }
}

/// Judges a request by the claims of its token. A request without a token passes: the policy has
/// decided that it may be without one.
///
/// # Errors
/// What the token is not for.
pub fn judge(asked: &Asked<'_>, claims: Option<&Claims>) -> Result<(), Refusal> {
    let Some(claims) = claims else {
        return Ok(());
    };
    judge_room(&asked.room, claims)?;
    judge_tenant(asked, claims)
}

fn judge_room(asked: &RoomAsked<'_>, claims: &Claims) -> Result<(), Refusal> {
    let claim = claims.text("room").ok_or(Refusal::NoRoomClaim)?;
    if claim == ANY {
        return Ok(());
    }
    let asked = match asked {
        RoomAsked::Missing => return Err(Refusal::RoomMissing),
        RoomAsked::Several => return Err(Refusal::SeveralRooms),
        RoomAsked::One(room) => &**room,
    };
    if asked.len() > LONGEST_ROOM || asked.contains(is_no_text) {
        return Err(Refusal::BadRoom);
    }
    let is_pattern = is_pattern(claims);
    if !is_pattern && asked.is_ascii() && claim.eq_ignore_ascii_case(asked) {
        return Ok(());
    }
    // Of each character by itself, as in the name of a room: a final sigma is one like any other.
    let lower: String = asked.chars().flat_map(char::to_lowercase).collect();
    let escaped = escaped(&lower);
    if escaped.len() > LONGEST_ROOM {
        return Err(Refusal::BadRoom);
    }
    let is_it = if is_pattern {
        pattern::matches(claim, &escaped).map_err(Refusal::Pattern)?
    } else {
        // Prosody's plugins lower the claim's ASCII letters only.
        let claim = claim.to_ascii_lowercase();
        claim == lower || claim == escaped
    };
    if is_it {
        Ok(())
    } else {
        Err(Refusal::OtherRoom)
    }
}

/// Controls, and what is left of bytes that are not UTF-8.
fn is_no_text(c: char) -> bool {
    c.is_control() || c == char::REPLACEMENT_CHARACTER
}

/// Whether `room` is a pattern: `context.room.regex` is true, or that word.
fn is_pattern(claims: &Claims) -> bool {
    let regex = claims
        .find("context")
        .and_then(|context| context.get("room")?.get("regex"));
    match regex {
        Some(Value::Bool(is_pattern)) => *is_pattern,
        Some(Value::String(word)) => word == "true",
        _ => false,
    }
}

/// A room's name as Jitsi Meet spells it in XMPP: percent-encoded as a component of a URI, in lower
/// case.
fn escaped(lower: &str) -> String {
    let mut out = String::with_capacity(lower.len());
    for byte in lower.bytes() {
        let is_kept = byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
        match is_kept {
            true => out.push(char::from(byte)),
            false => {
                let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
                out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out
}

/// `sub` is the tenant or, of a room that has none, the domain.
fn judge_tenant(asked: &Asked<'_>, claims: &Claims) -> Result<(), Refusal> {
    if asked.domain == Domain::Any {
        return Ok(());
    }
    let subject = claims.subject().ok_or(Refusal::NoSubject)?;
    let is = |wanted: &str| subject.eq_ignore_ascii_case(wanted);
    match (asked.tenant, asked.domain) {
        _ if subject == ANY => Ok(()),
        (Some(tenant), _) if is(tenant) => Ok(()),
        (Some(_), _) => Err(Refusal::OtherTenant),
        (None, Domain::Unconfirmed(_)) => Err(Refusal::UnconfirmedDomain),
        (None, domain) if is(domain.name()) => Ok(()),
        (None, _) => Err(Refusal::OtherDomain),
    }
}
