//! Finds the ends of strings, eight bytes at a time.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);

/// How many bytes stand before the first quote, backslash or control character; all of them if
/// there is none.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (n, eight) in eights.iter().enumerate() {
        let marks = marks(u64::from_le_bytes(*eight));
        if marks != 0 {
            return n * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..=0x1f);
    let in_rest = rest.iter().position(is_special).unwrap_or(rest.len());
    bytes.len() - rest.len() + in_rest
}

/// Sets the top bit of the first byte that is special. Those behind it may be wrong: a subtraction
/// borrows from the byte behind a special one, and from no other.
fn marks(bytes: u64) -> u64 {
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let is = |wanted: u8| zero(bytes ^ (ONES * u64::from(wanted)));
    let is_control = bytes.wrapping_sub(ONES * 0x20) & !bytes;
    (is(b'"') | is(b'\\') | is_control) & TOPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![0xff; length];
                    bytes[at] = byte;
                    let want = if is_special(byte) { at } else { length };
                    assert_eq!(plain_length(&bytes), want, "{byte:#x} at {at} of {length}");
                    // Followed by bytes that a borrow would change.
                    bytes[at + 1..].fill(b'!');
                    assert_eq!(plain_length(&bytes), want, "{byte:#x} at {at} of {length}");
                }
            }
        }
    }
}
