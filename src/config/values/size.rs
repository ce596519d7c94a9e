//! Numbers of bytes.

use super::quoted;
use crate::config::read::{Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::config::units;
use crate::token::jws::MAX_LENGTH;

const SIZE: &str = "a size such as \"1MiB\"";

/// A number of bytes.
pub(in crate::config) struct Size;

impl Read for Size {
    type Out = u64;
    const FORM: Form = Form::One(&Kind {
        name: "size",
        expected: SIZE,
        text: "A whole number and a unit: `B`; `KiB`, `MiB`, `GiB` for powers of 1024; `KB`, `MB`, \
               `GB` for powers of 1000. A number without quotes is in bytes.",
        good: &["\"512B\"", "\"64KiB\"", "\"1MB\"", "65536", "0"],
        bad: ("\"64k\"", "\"64k\" is not a size; write \"64KiB\""),
    });

    fn read(value: &Value<'_>) -> Option<u64> {
        match value.integer() {
            Some(_) => value.integer_in(0, u64::MAX),
            None => value.parse_with(SIZE, units::size),
        }
    }
}

impl Write for Size {
    type Plain = u64;

    fn write(value: &u64) -> String {
        quoted(units::write_size(*value))
    }
}

/// How long a request target may be.
pub(in crate::config) struct TargetSize;

impl TargetSize {
    const LEAST: u64 = 256;
    /// No head is larger.
    const MOST: u64 = 64 << 10;
}

impl Read for TargetSize {
    type Out = u64;
    const FORM: Form = Form::One(&Kind {
        name: "size of a request target",
        expected: SIZE,
        text: "A [size](#size) from 256 bytes to 64 KiB.",
        good: &["\"8KiB\"", "\"32KiB\""],
        bad: ("0", "must be from 256B to 64KiB"),
    });

    fn read(value: &Value<'_>) -> Option<u64> {
        size_in(value, Self::LEAST, Self::MOST)
    }
}

impl Write for TargetSize {
    type Plain = u64;

    fn write(value: &u64) -> String {
        Size::write(value)
    }
}

/// How large a message may be.
pub(in crate::config) struct MessageSize;

impl MessageSize {
    /// An SDP is larger.
    const LEAST: u64 = 4 << 10;
    /// A message is held in memory.
    const MOST: u64 = 16 << 20;
}

impl Read for MessageSize {
    type Out = usize;
    const FORM: Form = Form::One(&Kind {
        name: "size of a message",
        expected: SIZE,
        text: "A [size](#size) from 4 KiB to 16 MiB.",
        good: &["\"64KiB\"", "\"1MiB\""],
        bad: ("0", "must be from 4KiB to 16MiB"),
    });

    fn read(value: &Value<'_>) -> Option<usize> {
        usize::try_from(size_in(value, Self::LEAST, Self::MOST)?).ok()
    }
}

/// How long a token may be.
pub(in crate::config) struct TokenSize;

impl TokenSize {
    const LEAST: u64 = 1 << 10;
}

impl Read for TokenSize {
    type Out = u64;
    const FORM: Form = Form::One(&Kind {
        name: "size of a token",
        expected: SIZE,
        text: "A [size](#size) from 1 KiB to 32 KiB.",
        good: &["\"8KiB\"", "\"32KiB\""],
        bad: ("\"64KiB\"", "must be from 1KiB to 32KiB"),
    });

    fn read(value: &Value<'_>) -> Option<u64> {
        size_in(value, Self::LEAST, MAX_LENGTH as u64)
    }
}

impl Write for TokenSize {
    type Plain = u64;

    fn write(value: &u64) -> String {
        Size::write(value)
    }
}

fn size_in(value: &Value<'_>, least: u64, most: u64) -> Option<u64> {
    let size = Size::read(value)?;
    if (least..=most).contains(&size) {
        return Some(size);
    }
    let (least, most) = (units::write_size(least), units::write_size(most));
    value.refuse(format!("must be from {least} to {most}"))
}
