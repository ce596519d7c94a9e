//! Switches, numbers, and numbers with a unit.

use std::time::Duration;

use super::quoted;
use crate::config::read::{Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::config::units;
use crate::limits::Rate;

const INTEGER: &str = "an integer";
const COUNT_OR_UNLIMITED: &str = "an integer or \"unlimited\"";
const DURATION: &str = "a duration such as \"10s\"";

impl Read for bool {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "true or false",
        expected: "true or false",
        text: "",
        good: &["true", "false"],
        bad: ("\"yes\"", "expected true or false, found a string"),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        match value.boolean() {
            None => value.expected_truth(),
            yes => yes,
        }
    }
}

impl Write for bool {
    type Plain = Self;

    fn write(value: &Self) -> String {
        value.to_string()
    }
}

/// How many of something.
pub(in crate::config) struct Count;

impl Read for Count {
    type Out = usize;
    const FORM: Form = Form::One(&Kind {
        name: "count",
        expected: INTEGER,
        text: "How many of something; at least one. There is no spelling for \"without limit\".",
        good: &["1", "20_000"],
        bad: ("0", "must be from 1 to 4294967295"),
    });

    fn read(value: &Value<'_>) -> Option<usize> {
        usize::try_from(value.integer_in(1, u32::MAX.into())?).ok()
    }
}

impl Write for Count {
    type Plain = usize;

    fn write(value: &usize) -> String {
        value.to_string()
    }
}

/// How many of something, or any number.
pub(in crate::config) struct CountOrUnlimited;

impl CountOrUnlimited {
    const UNLIMITED: &str = "unlimited";
}

impl Read for CountOrUnlimited {
    type Out = Option<usize>;
    const FORM: Form = Form::One(&Kind {
        name: "count or unlimited",
        expected: COUNT_OR_UNLIMITED,
        text: "A [count](#count), or `\"unlimited\"`.",
        good: &["1", "20_000", "\"unlimited\""],
        bad: ("\"none\"", "unknown value \"none\"; known: \"unlimited\""),
    });

    fn read(value: &Value<'_>) -> Option<Option<usize>> {
        if value.as_text().is_some() {
            return value.choose("value", &[(Self::UNLIMITED, None)]);
        }
        match value.integer() {
            Some(_) => Count::read(value).map(Some),
            None => value.expected(COUNT_OR_UNLIMITED, ""),
        }
    }
}

impl Write for CountOrUnlimited {
    type Plain = Option<usize>;

    fn write(value: &Option<usize>) -> String {
        match value {
            Some(count) => Count::write(count),
            None => quoted(Self::UNLIMITED),
        }
    }
}

/// A number of threads.
pub(in crate::config) struct Threads;

impl Read for Threads {
    type Out = usize;
    const FORM: Form = Form::One(&Kind {
        name: "threads",
        expected: INTEGER,
        text: "How many threads.",
        good: &["0", "4"],
        bad: ("5000", "must be from 0 to 1024"),
    });

    fn read(value: &Value<'_>) -> Option<usize> {
        /// More than any machine has cores: a slip.
        const MOST: u64 = 1024;
        usize::try_from(value.integer_in(0, MOST)?).ok()
    }
}

impl Write for Threads {
    type Plain = usize;

    fn write(value: &usize) -> String {
        value.to_string()
    }
}

/// A port that a client can be sent to.
pub(in crate::config) struct Port;

impl Read for Port {
    type Out = u16;
    const FORM: Form = Form::One(&Kind {
        name: "port",
        expected: INTEGER,
        text: "",
        good: &["8443"],
        bad: ("0", "must be from 1 to 65535"),
    });

    fn read(value: &Value<'_>) -> Option<u16> {
        u16::try_from(value.integer_in(1, u16::MAX.into())?).ok()
    }
}

impl Read for Duration {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "duration",
        expected: DURATION,
        text: "A whole number and a unit: `ms`, `s`, `m`, `h` or `d`. At most 366 days.",
        good: &[
            "\"500ms\"",
            "\"10s\"",
            "\"5m\"",
            "\"1h\"",
            "\"365d\"",
            "\"0s\"",
        ],
        bad: ("\"10\"", "\"10\" has no unit; write \"10s\" for seconds"),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with(DURATION, units::duration)
    }
}

impl Write for Duration {
    type Plain = Self;

    fn write(value: &Self) -> String {
        quoted(units::write_duration(*value))
    }
}

/// A duration that is not zero.
pub(in crate::config) struct Timeout;

impl Read for Timeout {
    type Out = Duration;
    const FORM: Form = Form::One(&Kind {
        name: "timeout",
        expected: DURATION,
        text: "A duration that is longer than nothing.",
        good: &["\"500ms\"", "\"10s\"", "\"75s\""],
        bad: ("\"0s\"", "must be longer than nothing"),
    });

    fn read(value: &Value<'_>) -> Option<Duration> {
        match Duration::read(value)? {
            Duration::ZERO => value.refuse("must be longer than nothing"),
            time => Some(time),
        }
    }
}

impl Write for Timeout {
    type Plain = Duration;

    fn write(value: &Duration) -> String {
        Duration::write(value)
    }
}

/// How long a TURN credential is valid, in whole seconds.
pub(in crate::config) struct Lifetime;

impl Read for Lifetime {
    type Out = Duration;
    const FORM: Form = Form::One(&Kind {
        name: "lifetime",
        expected: DURATION,
        text: "A duration of a second or more.",
        good: &["\"10m\"", "\"1h\""],
        bad: (
            "\"500ms\"",
            "is less than a second, and credentials are dated in seconds; write \"10m\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Duration> {
        const SHORT: &str =
            "is less than a second, and credentials are dated in seconds; write \"10m\"";
        match Timeout::read(value)?.as_secs() {
            0 => value.refuse(SHORT),
            seconds => Some(Duration::from_secs(seconds)),
        }
    }
}

impl Write for Lifetime {
    type Plain = Duration;

    fn write(value: &Duration) -> String {
        Duration::write(value)
    }
}

impl Read for Rate {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "rate",
        expected: "a rate such as \"2000/s\"",
        text: "A number of requests or other events per unit of time, or per duration. As many may \
               come at once, and then one whenever its part of the time has passed: `\"100/s\"` is \
               100 at once and then one every 10 ms. `burst` sets how many may come at once, more \
               or fewer: with `\"100/s burst 200\"`, 200.",
        good: &[
            "\"2000/s\"",
            "\"300/m\"",
            "\"50/10s\"",
            "\"100/s burst 200\"",
        ],
        bad: ("\"2000\"", "\"2000\" is not a rate; write \"2000/s\""),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse_with("a rate such as \"2000/s\"", units::rate)
    }
}

impl Write for Rate {
    type Plain = Self;

    fn write(value: &Self) -> String {
        quoted(units::write_rate(*value))
    }
}
