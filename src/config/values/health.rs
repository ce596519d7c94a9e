//! What probes of a server are made of.

use std::time::Duration;

use http::StatusCode;

use super::path::one_or_list;
use super::{STRING, Timeout, quoted};
use crate::config::read::{List, Read, Value, Write};
use crate::config::schema::{Form, Kind};
use crate::config::units;
use crate::route::health::{HealthSpec, ProbePath};

/// How often a server is probed.
pub(in crate::config) struct ProbeInterval;

const TOO_OFTEN: &str = "is less than a second: Janus logs each connection; write \"1s\" or more";

impl Read for ProbeInterval {
    type Out = Duration;
    const FORM: Form = Form::One(&Kind {
        name: "interval",
        expected: "a duration such as \"10s\"",
        text: "A duration of a second or more.",
        good: &["\"1s\"", "\"5s\"", "\"1m\""],
        bad: ("\"500ms\"", TOO_OFTEN),
    });

    fn read(value: &Value<'_>) -> Option<Duration> {
        match Timeout::read(value)? {
            time if time < HealthSpec::SHORTEST_INTERVAL => value.refuse(TOO_OFTEN),
            time => Some(time),
        }
    }
}

impl Write for ProbeInterval {
    type Plain = Duration;

    fn write(value: &Duration) -> String {
        quoted(units::write_duration(*value))
    }
}

impl Read for ProbePath {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "path and query",
        expected: STRING,
        text: "What a GET requests, exactly as it is sent.",
        good: &["\"/\"", "\"/about/health\"", "\"/health?full=1\""],
        bad: ("\"health\"", "\"health\" does not begin with \"/\""),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse(STRING)
    }
}

impl Write for ProbePath {
    type Plain = Self;

    fn write(value: &Self) -> String {
        quoted(value.as_str())
    }
}

/// One or several statuses of responses.
pub(in crate::config) struct Statuses;

/// A status that a response can have.
struct Status;

impl Read for Statuses {
    type Out = List<StatusCode>;
    const FORM: Form = Status::FORM;
    const OR_LIST: bool = true;

    fn read(value: &Value<'_>) -> Option<Self::Out> {
        one_or_list::<Status>(value)
    }
}

impl Read for Status {
    type Out = StatusCode;
    const FORM: Form = Form::One(&Kind {
        name: "status",
        expected: "an integer",
        text: "One or a list of them.",
        good: &["200", "404"],
        bad: ("99", "must be from 200 to 599"),
    });

    fn read(value: &Value<'_>) -> Option<StatusCode> {
        let status = u16::try_from(value.integer_in(200, 599)?).ok()?;
        StatusCode::from_u16(status).ok()
    }
}
