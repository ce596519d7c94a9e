//! What is read, what is rejected, and what stays as it was.

use super::*;

fn problem(message: &str) -> Problem {
    split(message).map(|_| ()).unwrap_err().problem
}

fn object(message: &str) -> Object<'_> {
    let mut documents = split(message).unwrap();
    let object = documents.next().unwrap().object().unwrap();
    assert!(documents.next().is_none());
    object
}

fn raw(message: &str) -> Vec<&str> {
    split(message).unwrap().map(Value::raw).collect()
}

#[test]
fn a_message_is_its_documents_and_nothing_else() {
    assert_eq!(raw("{}"), ["{}"]);
    assert_eq!(raw(" {\"a\":1}\r\n\t[1, 2] "), ["{\"a\":1}", "[1, 2]"]);
    assert_eq!(raw("{}{}[]{}"), ["{}", "{}", "[]", "{}"]);
    assert_eq!(raw("1 \"}\" null"), ["1", "\"}\"", "null"]);
    assert_eq!(raw(&"{}".repeat(64)).len(), 64);
    assert_eq!(problem(&"{}".repeat(65)), Problem::TooMany);
    for message in [
        "", " ", "{", "[", "{\"a\"", "{\"a\":", "{\"a\":1", "\"a", "[1,", "{} {",
    ] {
        assert_eq!(problem(message), Problem::End, "{message}");
    }
    for message in [
        "\u{feff}{}",
        "{}x",
        "{}/*c*/",
        "//c\n{}",
        "{},{}",
        "{};",
        "{}\0",
        "\0",
        "{}\u{c}{}",
        "{]",
        "[}",
        "{1:2}",
        "{'a':1}",
        "{a:1}",
        "[1 2]",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "{,}",
        "tru",
        "True",
        "truefalse",
        "nul",
        "NaN",
        "Infinity",
        "1{}",
        "1true",
        "{\"a\":1 \"b\":2}",
        "}",
        "]",
        "{}}",
        "+1",
        ".5",
        "1.2.3",
    ] {
        assert_eq!(problem(message), Problem::Unexpected, "{message:?}");
    }
}

#[test]
fn a_duplicate_name_is_rejected_at_any_depth_however_it_is_escaped() {
    for message in [
        r#"{"a":1,"a":1}"#,
        r#"{"janus":"ping","janus":"LIST_SESSIONS"}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"j\u006fin":1,"\u006aoin":2}"#,
        r#"{"/":1,"\/":2}"#,
        r#"{"😀":1,"\ud83d\ude00":2}"#,
        r#"[{"b":{"c":[{"a":1,"x":{},"a":2}]}}]"#,
        r#"{"a":{"b":1,"b":2},"c":1}"#,
        r#"{} {"a":1,"a":1}"#,
    ] {
        assert_eq!(problem(message), Problem::Duplicate, "{message}");
    }
    let many = |last: &str| {
        let names: String = (0..1000).map(|at| format!("\"n{at}\":{at},")).collect();
        format!("{{{names}\"{last}\":1}}")
    };
    assert_eq!(problem(&many("n500")), Problem::Duplicate);
    assert_eq!(problem(&many(r"n\u0035\u0030\u0030")), Problem::Duplicate);
    assert!(split(&many("n1000")).is_ok());
    // The same name in another object is another name, and so is another case.
    assert!(split(r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}],"A":1}"#).is_ok());
}

#[test]
fn nesting_has_a_limit_and_needs_no_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(split(&nested(64)).is_ok());
    assert_eq!(problem(&nested(65)), Problem::Depth);
    assert_eq!(problem(&"[".repeat(1_000_000)), Problem::Depth);
    assert_eq!(problem(&"{\"a\":".repeat(65)), Problem::Depth);
}

#[test]
fn numbers_stay_as_they_were_written() {
    for text in [
        "0",
        "-0",
        "5678",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "5678.0",
        "5.678e3",
        "1E+2",
        "-1.5e-300",
        "0.1",
        "1e308",
        "1e-999",
        "0e0",
    ] {
        let message = format!("{{\"n\":{text}}}");
        let value = object(&message).get("n").unwrap();
        assert_eq!((value.raw(), value.kind()), (text, Kind::Number));
        assert_eq!(value.integer(), text.parse().ok(), "{text}");
    }
    for (text, want) in [
        ("01", Problem::Number),
        ("-01", Problem::Number),
        ("-", Problem::Number),
        ("1.", Problem::Number),
        ("1e", Problem::Number),
        ("1e+", Problem::Number),
        ("-a", Problem::Number),
        ("-Infinity", Problem::Number),
        ("00", Problem::Number),
        ("9223372036854775808", Problem::Integer),
        ("-9223372036854775809", Problem::Integer),
        ("1e400", Problem::Infinite),
        ("-1e309", Problem::Infinite),
    ] {
        assert_eq!(problem(text), want, "{text}");
        assert_eq!(
            problem(&format!("{{\"session_id\":{text}}}")),
            want,
            "{text}"
        );
    }
}

#[test]
fn strings_have_one_meaning() {
    for (text, want) in [
        (r#""\u0000""#, Problem::Nul),
        (r#"{"a\u0000":1}"#, Problem::Nul),
        ("\"\0\"", Problem::Control),
        ("\"\n\"", Problem::Control),
        ("\"\u{1f}\"", Problem::Control),
        ("{\"a\tb\":1}", Problem::Control),
        (r#""\ud800""#, Problem::Surrogate),
        (r#""\udc00""#, Problem::Surrogate),
        (r#""\ud800x""#, Problem::Surrogate),
        (r#""\ud800\n""#, Problem::Surrogate),
        (r#""\ud800\u0041""#, Problem::Surrogate),
        (r#""\ude00\ud83d""#, Problem::Surrogate),
        (r#""\x""#, Problem::Escape),
        (r#""\u12""#, Problem::Escape),
        (r#""\u+123""#, Problem::Escape),
        (r#""\u00g0""#, Problem::Escape),
        (r#""\U0041""#, Problem::Escape),
        ("\"\\", Problem::Escape),
        (r#""\'""#, Problem::Escape),
    ] {
        assert_eq!(problem(text), want, "{text}");
    }
    let message = r#"{"t":"j\u006Fin \ud83d\ude00\b\f\n\r\t\/\\\" é"}"#;
    let text = object(message).get("t").unwrap().text().unwrap();
    assert_eq!(text.unescaped(), "join 😀\u{8}\u{c}\n\r\t/\\\" é");
    assert!(text.is("join 😀\u{8}\u{c}\n\r\t/\\\" é") && !text.is("join"));
    assert!(text.is_ignoring_case("JOIN 😀\u{8}\u{c}\n\r\t/\\\" é"));
    // As strcasecmp: only ASCII has two cases. The Kelvin sign is no k.
    for (written, is_kick) in [
        ("KICK", true),
        ("kic\u{212a}", false),
        (r"\u212aick", false),
    ] {
        let message = format!("{{\"t\":\"{written}\"}}");
        let text = object(&message).get("t").unwrap().text().unwrap();
        assert_eq!(text.is_ignoring_case("kick"), is_kick, "{written}");
    }
    // The spelling of one text is the meaning of another.
    for (written, meaning) in [(r"\n", "\n"), (r"\\n", r"\n"), (r"\\", r"\"), ("", "")] {
        let message = format!("{{\"t\":\"{written}\"}}");
        let text = object(&message).get("t").unwrap().text().unwrap();
        for other in ["\n", r"\n", r"\\n", r"\", r"\\", ""] {
            assert_eq!(text.is(other), other == meaning, "{written} {other}");
            assert_eq!(text.is_ignoring_case(other), other == meaning);
        }
    }
}

#[test]
fn members_are_read_in_order_and_in_place() {
    let message = r#" { "a" : 1 , "b":{"c":[{"d":"}"},"x:",["\""]]},"\u0065" :null ,"f":"" } "#;
    let object = object(message);
    let members: Vec<_> = object
        .members()
        .map(|m| (m.name.unescaped(), m.value.raw()))
        .collect();
    let want = [
        ("a", "1"),
        ("b", r#"{"c":[{"d":"}"},"x:",["\""]]}"#),
        ("e", "null"),
        ("f", "\"\""),
    ];
    assert_eq!(members.len(), want.len());
    assert!(
        members
            .iter()
            .zip(want)
            .all(|((name, value), want)| (&**name, *value) == want)
    );
    let all: Vec<_> = object
        .members_at_any_depth()
        .map(|m| m.name.unescaped())
        .collect();
    assert_eq!(all, ["a", "b", "c", "d", "e", "f"]);
    let list = object
        .get("b")
        .unwrap()
        .object()
        .unwrap()
        .get("c")
        .unwrap()
        .array()
        .unwrap();
    let items: Vec<_> = list.items().map(Value::raw).collect();
    assert_eq!(items, [r#"{"d":"}"}"#, r#""x:""#, r#"["\""]"#]);
    assert_eq!(object.get("e").unwrap().kind(), Kind::Null);
    assert!(object.get("g").is_none());
    assert!(
        split("[]")
            .unwrap()
            .next()
            .unwrap()
            .array()
            .unwrap()
            .items()
            .next()
            .is_none()
    );
}

#[test]
fn an_edit_changes_one_member_and_no_byte_of_the_others() {
    let sdp = r#"{"jsep":{"sdp":"v=0\r\no=- 1 \u0041\/"},"n":9007199254740993,"token":"x"}"#;
    assert_eq!(
        object(sdp).edited(&[
            Change::Remove("token"),
            Change::SetText("apisecret", "s\"\\\n")
        ]),
        r#"{"jsep":{"sdp":"v=0\r\no=- 1 \u0041\/"},"n":9007199254740993,"apisecret":"s\"\\\u000a"}"#
    );
    // Where it was, however it was written.
    let escaped = r#"{ "\u0074oken" : "old" , "b":[ 1 ] }"#;
    assert_eq!(
        object(escaped).edited(&[Change::SetText("token", "new")]),
        r#"{"token":"new","b":[ 1 ]}"#
    );
    assert_eq!(
        object(escaped).edited(&[Change::Remove("token")]),
        r#"{"b":[ 1 ]}"#
    );
    assert_eq!(object("{}").edited(&[Change::Remove("a")]), "{}");
    let one = split("{\"x\":1.50}").unwrap().next().unwrap();
    let value = one.object().unwrap().get("x").unwrap();
    assert_eq!(
        object("{}").edited(&[Change::Set("y", value)]),
        r#"{"y":1.50}"#
    );
}

#[test]
fn an_error_says_what_and_where() {
    let error = split("{\"a\":01}").unwrap_err();
    assert_eq!(error.to_string(), "malformed number at byte 5");
}
