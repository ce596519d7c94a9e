//! What is read of a BOSH body is what another parser of XML reads: the same session, in the same
//! element. And a session id that was read stands in the body as it was read.
#![no_main]

use ianitor::signalling::jitsi::bosh::{self, LONGEST_TAG, NAMESPACE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = bosh::request(bytes) else {
        return;
    };
    let head = &bytes[..bytes.len().min(LONGEST_TAG)];
    let end = head.iter().rposition(|byte| *byte == b'>').expect("a tag");
    let sid = read.sid.as_deref().unwrap_or_default();
    assert!(
        head.windows(sid.len().max(1))
            .any(|part| part == sid.as_bytes())
            || sid.is_empty()
    );

    // The document may go on, or break off: the tag alone, with an end, is a document.
    let ends = head[..=end]
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'>');
    for (at, _) in ends {
        let mut tag = head[..=at].to_vec();
        if !tag.ends_with(b"/>") {
            tag.extend_from_slice(b"</body>");
        }
        let Ok(text) = std::str::from_utf8(&tag) else {
            continue;
        };
        let Ok(document) = roxmltree::Document::parse(text) else {
            continue;
        };
        let element = document.root_element();
        assert!(element.has_tag_name((NAMESPACE, "body")), "{text:?}");
        assert_eq!(element.attribute("sid"), read.sid.as_deref(), "{text:?}");
        let is_terminate = element.attribute("type") == Some("terminate");
        assert_eq!(is_terminate, read.is_terminate, "{text:?}");
        return;
    }
});
