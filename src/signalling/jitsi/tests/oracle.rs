//! Whether Prosody would let a client with a token into the room that its request names, written
//! again without the gateway's reader: bytes instead of texts, and the matcher walks the pattern
//! itself, as that of Lua does.

/// A request and the claims of its token.
#[derive(Clone, Debug)]
pub(crate) struct Case<'c> {
    pub(crate) query: &'c str,
    pub(crate) tenant: Option<&'c str>,
    pub(crate) room: Option<&'c str>,
    pub(crate) is_pattern: bool,
    pub(crate) sub: Option<&'c str>,
}

/// The XMPP domain.
pub(crate) const DOMAIN: &str = "meet.test";

/// Whether Prosody would let the client in; `None` if that takes too long to say.
pub(crate) fn admits(case: &Case<'_>) -> Option<bool> {
    let (Some(claim), Some(sub)) = (case.room, case.sub) else {
        return Some(false);
    };
    let last = |wanted: &[u8]| {
        let pairs = case.query.split('&').map(str::as_bytes);
        let pairs = pairs.filter_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            Some((decoded(&pair[..at]), decoded(&pair[at + 1..])))
        });
        pairs
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value)
            .next_back()
    };
    let wanted = match case.tenant {
        None => DOMAIN.as_bytes(),
        Some(tenant) => tenant.as_bytes(),
    };
    let is_tenant = sub == "*" || sub.as_bytes().eq_ignore_ascii_case(wanted);
    if claim == "*" || !is_tenant {
        return Some(is_tenant);
    }
    let Some(room) = last(b"room").and_then(|room| String::from_utf8(room).ok()) else {
        return Some(false);
    };
    if room.is_empty() {
        return Some(false);
    }
    // The client enters the room under either spelling.
    let plain: String = room.chars().flat_map(char::to_lowercase).collect();
    let mut node = String::new();
    for byte in plain.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => node.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                node.push(char::from(byte));
            }
            _ => node.push_str(&format!("%{byte:02x}")),
        }
    }
    let claim = claim.to_ascii_lowercase();
    if !case.is_pattern {
        return Some(claim == plain || claim == node);
    }
    let mut steps = 20_000;
    let pattern = claim.as_bytes();
    let (begin, text) = (usize::from(pattern.first() == Some(&b'^')), node.as_bytes());
    let mut walk = Walk {
        pattern,
        text,
        open: None,
        captured: None,
        steps: &mut steps,
    };
    let found = walk.find(0, begin);
    let whole = found.map(|end| walk.captured.unwrap_or((0, end)));
    if steps == 0 {
        return None;
    }
    Some(whole == Some((0, text.len())))
}

/// Form-decoded, as Prosody does: an escape that is none stays.
fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u8::from_str_radix(hex, 16).ok())?
        });
        match (text[at], escape) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Lua's matching with one capture, for patterns that have no error.
struct Walk<'w> {
    pattern: &'w [u8],
    text: &'w [u8],
    open: Option<usize>,
    captured: Option<(usize, usize)>,
    steps: &'w mut u32,
}

impl Walk<'_> {
    /// Where the match ends that begins at `s` with the pattern from `p`.
    fn find(&mut self, s: usize, p: usize) -> Option<usize> {
        *self.steps = self.steps.checked_sub(1)?;
        let Some(first) = self.pattern.get(p) else {
            return Some(s);
        };
        match first {
            b'(' => {
                self.open = Some(s);
                return self.find(s, p + 1);
            }
            b')' => {
                let before = self.captured.replace((self.open?, s));
                let found = self.find(s, p + 1);
                if found.is_none() {
                    self.captured = before;
                }
                return found;
            }
            b'$' if p + 1 == self.pattern.len() => return (s == self.text.len()).then_some(s),
            _ => {}
        }
        let next = self.item_end(p)?;
        let fits = |walk: &Self, s: usize| walk.fits(s, p, next);
        match self.pattern.get(next) {
            Some(b'?') => {
                if fits(self, s)
                    && let Some(end) = self.find(s + 1, next + 1)
                {
                    return Some(end);
                }
                self.find(s, next + 1)
            }
            Some(sign @ (b'*' | b'+')) => {
                let least = usize::from(*sign == b'+');
                let mut most = 0;
                while fits(self, s + most) {
                    most += 1;
                }
                (least..=most)
                    .rev()
                    .find_map(|times| self.find(s + times, next + 1))
            }
            Some(b'-') => {
                let mut at = s;
                loop {
                    if let Some(end) = self.find(at, next + 1) {
                        return Some(end);
                    }
                    if !fits(self, at) {
                        return None;
                    }
                    at += 1;
                }
            }
            _ if fits(self, s) => self.find(s + 1, next),
            _ => None,
        }
    }

    /// Where the item ends that begins at `p`.
    fn item_end(&self, p: usize) -> Option<usize> {
        match self.pattern[p] {
            b'%' => (p + 2 <= self.pattern.len()).then_some(p + 2),
            b'[' => {
                let mut at = p + 1;
                if self.pattern.get(at) == Some(&b'^') {
                    at += 1;
                }
                loop {
                    at += match self.pattern.get(at)? {
                        b'%' => 2,
                        _ => 1,
                    };
                    if *self.pattern.get(at)? == b']' {
                        return Some(at + 1);
                    }
                }
            }
            _ => Some(p + 1),
        }
    }

    fn fits(&self, s: usize, p: usize, next: usize) -> bool {
        let Some(byte) = self.text.get(s).copied() else {
            return false;
        };
        match self.pattern[p] {
            b'.' => true,
            b'%' => class(byte, self.pattern[p + 1]),
            b'[' => self.is_in_set(byte, p + 1, next - 1),
            other => other == byte,
        }
    }

    fn is_in_set(&self, byte: u8, mut at: usize, end: usize) -> bool {
        let is_inverted = self.pattern[at] == b'^';
        at += usize::from(is_inverted);
        let mut is_in = false;
        while at < end {
            let first = self.pattern[at];
            if first == b'%' {
                is_in |= class(byte, self.pattern[at + 1]);
                at += 2;
            } else if at + 2 < end && self.pattern[at + 1] == b'-' {
                is_in |= (first..=self.pattern[at + 2]).contains(&byte);
                at += 3;
            } else {
                is_in |= first == byte;
                at += 1;
            }
        }
        is_in != is_inverted
    }
}

fn class(byte: u8, name: u8) -> bool {
    match name {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte < 32 || byte == 127,
        b'd' => byte.is_ascii_digit(),
        b'g' => (33..127).contains(&byte),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte == 32 || (9..14).contains(&byte),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => byte == name,
    }
}
