use super::*;
use crate::telemetry::request_id::RequestIds;

fn written(format: LogFormat) -> Vec<u8> {
    let head = Head {
        at: SystemTime::UNIX_EPOCH,
        method: Some(Method::GET),
        target: "/janus/*?token=*".into(),
        host: "localhost".into(),
        agent: "x\" end=done \u{fffd}".into(),
        version: Some(Version::HTTP_11),
    };
    let line = Line {
        status: 502,
        route: Some("/janus".into()),
        upstream: Some("janus".into()),
        reason: Some("upstream_refused"),
        end: End::Done,
        received: 1,
        sent: 2,
        took: Duration::from_micros(1234),
        ..Line::default()
    };
    let client = ClientAddr::new("192.0.2.1".parse().unwrap());
    let mut out = Vec::new();
    Written {
        id: RequestIds::new().next(),
        client,
        head: &head,
        line: &line,
    }
    .write(format, &mut out);
    out
}

#[test]
fn a_text_line_cannot_be_forged() {
    let text = String::from_utf8(written(LogFormat::Text)).unwrap();
    assert!(text.starts_with(
        "1970-01-01T00:00:00.000Z request client=192.0.2.1 method=GET host=\"localhost\""
    ));
    let fields = " path=\"/janus/*?token=*\" http=HTTP/1.1 status=502 route=/janus upstream=janus \
                  in=1 out=2 ms=1.2 end=done reason=upstream_refused ";
    assert!(text.contains(fields), "{text}");
    assert!(text.contains(r#"agent="x\" end=done "#), "{text}");
    assert_eq!(text.matches('\n').count(), 1);
}

#[test]
fn json_lines_have_the_same_facts() {
    let value: serde_json::Value = serde_json::from_slice(&written(LogFormat::Json)).unwrap();
    assert_eq!(value["path"], "/janus/*?token=*");
    assert_eq!(value["status"], 502);
    assert_eq!(value["reason"], "upstream_refused");
    assert_eq!(value["upstream"], "janus");
}
