//! Distinguished names as text (RFC 4514): `CN=ada,OU=Media,O=Example`, the last part of the
//! encoding first, as NGINX' `$ssl_client_s_dn` has it.

use std::fmt;
use std::str::FromStr;

use x509_parser::asn1_rs::ToDer;
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

/// Names of attributes, by object identifier: those of RFC 4514, and the others that OpenSSL names.
const NAMES: [(&str, &str); 15] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("street", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("title", "2.5.4.12"),
    ("GN", "2.5.4.42"),
    ("dnQualifier", "2.5.4.46"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
];

/// A distinguished name. Two are equal if their parts are, each with its exact value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dn(Vec<Vec<Attribute>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Attribute {
    /// One of [`NAMES`], or an object identifier.
    name: Box<str>,
    /// Its text; `#` and the encoding in hexadecimal where it has none.
    value: Box<str>,
    is_hex: bool,
}

impl Dn {
    /// The values of an attribute, in the order of the text.
    pub fn values<'d>(&'d self, name: &'d str) -> impl Iterator<Item = &'d str> {
        let all = self.0.iter().flatten();
        all.filter(move |one| &*one.name == name && !one.is_hex)
            .map(|one| &*one.value)
    }

    /// Whether it has no part.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let mut parts: Vec<_> = name.iter_rdn().map(part).collect();
        parts.reverse();
        Self(parts)
    }
}

fn part(rdn: &RelativeDistinguishedName<'_>) -> Vec<Attribute> {
    let mut all: Vec<_> = rdn.iter().map(attribute).collect();
    all.sort();
    all
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Attribute {
    let id = attribute.attr_type().to_id_string();
    let known = NAMES.iter().find(|(_, known)| *known == id);
    match (known, attribute.as_str()) {
        (Some((name, _)), Ok(text)) => Attribute {
            name: (*name).into(),
            value: text.into(),
            is_hex: false,
        },
        (known, _) => {
            let der = attribute.attr_value().to_der_vec().unwrap_or_default();
            Attribute {
                name: known.map_or(&*id, |(name, _)| name).into(),
                value: hex(&der).into(),
                is_hex: true,
            }
        }
    }
}

/// Bytes in hexadecimal, in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            for (of_part, one) in part.iter().enumerate() {
                let separator = match (at, of_part) {
                    (0, 0) => "",
                    (_, 0) => ",",
                    _ => "+",
                };
                write!(f, "{separator}{}=", one.name)?;
                match one.is_hex {
                    true => write!(f, "#{}", one.value)?,
                    false => escaped(&one.value, f)?,
                }
            }
        }
        Ok(())
    }
}

/// A value with the escapes of RFC 4514, section 2.4. Control characters are written as bytes, so
/// that the text has one line.
fn escaped(value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => write!(f, "\\{c}")?,
            '#' | ' ' if at == 0 => write!(f, "\\{c}")?,
            ' ' if at == last => write!(f, "\\{c}")?,
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    write!(f, "\\{byte:02X}")?;
                }
            }
            c => write!(f, "{c}")?,
        }
    }
    Ok(())
}

/// Why a text is no distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDn {
    /// A part without `=`.
    #[error("has a part without =; write it as \"CN=ada,OU=Media,O=Example\"")]
    NoValue,
    /// An attribute that is not known.
    #[error(
        "has the unknown attribute {0:?}; known are CN, O, OU, C, ST, L, DC, UID, emailAddress and \
         serialNumber, and others by their object identifier"
    )]
    Attribute(String),
    /// A wrong escape.
    #[error("has a \\ before nothing that needs one; a \\ itself is written \\\\")]
    Escape,
}

impl FromStr for Dn {
    type Err = BadDn;

    fn from_str(text: &str) -> Result<Self, BadDn> {
        let mut parts = Vec::new();
        for part in split(text, ',') {
            let attributes = split(part, '+').into_iter().map(parse);
            let mut attributes: Vec<_> = attributes.collect::<Result<_, _>>()?;
            attributes.sort();
            parts.push(attributes);
        }
        Ok(Self(parts))
    }
}

/// Splits at a separator that has no `\` in front.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut begin, mut is_escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == separator {
            parts.push(&text[begin..at]);
            begin = at + c.len_utf8();
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn parse(text: &str) -> Result<Attribute, BadDn> {
    let (name, value) = text.split_once('=').ok_or(BadDn::NoValue)?;
    let (name, value) = (name.trim(), value.trim_start());
    let mut known = NAMES.iter();
    let known = known.find(|(known, id)| known.eq_ignore_ascii_case(name) || *id == name);
    let is_id =
        name.split('.').count() > 1 && name.split('.').all(|part| part.parse::<u64>().is_ok());
    let name = match known {
        Some((name, _)) => (*name).into(),
        None if is_id => name.into(),
        None => return Err(BadDn::Attribute(name.to_owned())),
    };
    if let Some(hex) = value.trim_end().strip_prefix('#') {
        return Ok(Attribute {
            name,
            value: hex.to_ascii_lowercase().into(),
            is_hex: true,
        });
    }
    let value = unescaped(value)?.into();
    Ok(Attribute {
        name,
        value,
        is_hex: false,
    })
}

/// The value without escapes, and without spaces at its end that are not escaped.
fn unescaped(text: &str) -> Result<String, BadDn> {
    let (mut out, mut kept) = (Vec::new(), 0);
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            kept = if byte == b' ' { kept } else { out.len() };
            continue;
        }
        let next = rest.next().ok_or(BadDn::Escape)?;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = match digit(next) {
            None if next.is_ascii_punctuation() || next == b' ' => next,
            None => return Err(BadDn::Escape),
            Some(high) => {
                let low = rest.next().and_then(digit).ok_or(BadDn::Escape)?;
                u8::try_from(high * 16 + low).map_err(|_| BadDn::Escape)?
            }
        };
        out.push(byte);
        kept = out.len();
    }
    out.truncate(kept);
    String::from_utf8(out).map_err(|_| BadDn::Escape)
}
