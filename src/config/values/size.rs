//! Numbers of bytes.

use super::quoted;
use crate::config::read::{Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::config::units;
use crate::limits::MemoryLimit;
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

/// The gateway has more than this with a few hundred connections.
const LEAST_MEMORY: u64 = 64 << 20;

const MEMORY: &str = "a size such as \"2GiB\", \"cgroup\" or false";

impl Read for MemoryLimit {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "amount of memory",
        expected: MEMORY,
        text: "A [size](#size) of 64 MiB or more; `cgroup` for that of the control group \
               (systemd's `MemoryMax=`, the limit of a container), if it has one; `false` for no \
               limit.",
        good: &["\"2GiB\"", "\"cgroup\"", "false"],
        bad: ("\"2MiB\"", "must be 64MiB or more"),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        match (value.boolean(), value.as_text()) {
            (Some(false), _) => return Some(Self::Off),
            (_, Some("cgroup")) => return Some(Self::OfCgroup),
            (_, Some("off" | "none" | "unlimited")) => {
                return value.refuse("is no size; write false for no limit");
            }
            _ => {}
        }
        let bytes = match value.integer() {
            Some(_) => value.integer_in(0, u64::MAX),
            None => value.parse_with(MEMORY, units::size),
        }?;
        match bytes {
            LEAST_MEMORY.. => Some(Self::Bytes(bytes)),
            _ => value.refuse(format!(
                "must be {} or more",
                units::write_size(LEAST_MEMORY)
            )),
        }
    }
}

impl Write for MemoryLimit {
    type Plain = Self;

    fn write(value: &Self) -> String {
        match value {
            Self::Off => "false".to_owned(),
            Self::OfCgroup => quoted("cgroup"),
            Self::Bytes(bytes) => Size::write(bytes),
        }
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
