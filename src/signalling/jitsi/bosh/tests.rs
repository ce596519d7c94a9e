//! What is read of a body, or why it is not read. Beside each row that is rejected stands what
//! Prosody 0.12.3 (libexpat 2.5) does with it, where that is not to reject it.

use super::*;

const NS: &str = "xmlns='http://jabber.org/protocol/httpbind'";

/// A tag with the namespace and an `rid`, and more attributes.
fn tag(more: &str) -> String {
    format!("<body {NS} rid='1' {more}/>")
}

#[track_caller]
fn reads(text: &str, sid: Option<&str>, is_terminate: bool) {
    let read = request(text.as_bytes());
    let read = read.map(|read| (read.sid, read.is_terminate));
    assert_eq!(read, Ok((sid.map(Into::into), is_terminate)), "{text}");
}

#[track_caller]
fn is_rejected(bytes: impl AsRef<[u8]>, why: BadBody) {
    let bytes = bytes.as_ref();
    assert_eq!(
        request(bytes),
        Err(why),
        "{}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn bodies_that_clients_send_are_read() {
    let strophe = format!(
        "<body rid='1000' {NS} to='meet.example.com' xml:lang='en' wait='60' hold='1' \
         content='text/xml; charset=utf-8' ver='1.6' xmpp:version='1.0' \
         xmlns:xmpp='urn:xmpp:xbosh'/>"
    );
    reads(&strophe, None, false);
    let restart = format!(
        "<body rid='1001' {NS} sid='0904574f-9a5b-4e1c-8f0b-3d2a1c0b9e8d' to='meet.example.com' \
         xml:lang='en' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'/>"
    );
    reads(
        &restart,
        Some("0904574f-9a5b-4e1c-8f0b-3d2a1c0b9e8d"),
        false,
    );
    for (more, sid, is_terminate) in [
        ("sid='a'", Some("a"), false),
        ("sid=\"a\"", Some("a"), false),
        ("sid = 'a'", Some("a"), false),
        ("sid\n=\r\n'a'\t", Some("a"), false),
        ("sid='a' type='terminate'", Some("a"), true),
        ("type=\"terminate\" sid='a'", Some("a"), true),
        ("sid='a' type='error'", Some("a"), false),
        ("sid='a' type='Terminate'", Some("a"), false),
        (
            "sid='AZaz09-._~+/=:;!*()@'",
            Some("AZaz09-._~+/=:;!*()@"),
            false,
        ),
        ("sid='a' x='&lt;&#62;\"sid=&quot;'", Some("a"), false),
        ("x=\"sid='b'\" sid='a'", Some("a"), false),
        ("x='>' sid='a'", Some("a"), false),
        // XML has case.
        ("SID='b'", None, false),
        ("sid2='b'", None, false),
        ("xmlns:sid='b' xmlns:type='terminate'", None, false),
        ("", None, false),
    ] {
        reads(&tag(more), sid, is_terminate);
    }
    let own = tag("sid='a'");
    for text in [
        format!(" \r\n\t{own}"),
        format!("<?xml version='1.0'?>{own}"),
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{own}"),
        format!("<body {NS} rid='9007199254740991' sid='a'>text<iq/></body>"),
        // What follows the element is not read here; Prosody has taken its first tag by then.
        format!("{own}<body {NS} rid='1' sid='b'/>"),
        format!("{own}\0"),
        format!("<body {NS} rid='1' sid='a'><body {NS} rid='1' sid='b'/></body>"),
        format!("<body {NS} rid='1' sid='a'>{}", "x".repeat(2 * LONGEST_TAG)),
    ] {
        reads(&text, Some("a"), false);
    }
}

#[test]
fn what_is_not_the_first_tag_in_utf_8_is_rejected() {
    use BadBody::*;
    let own = tag("sid='a'");
    let utf16: Vec<u8> = own.bytes().flat_map(|byte| [byte, 0]).collect();
    is_rejected("", NotXml);
    is_rejected("{}", NotXml);
    is_rejected("text", NotXml);
    is_rejected(format!("\0{own}"), NotXml);
    // Prosody reads these three, UTF-16 too.
    is_rejected(format!("\u{feff}{own}"), NotXml);
    is_rejected([&b"\xff\xfe"[..], &utf16].concat(), NotXml);
    assert!(request(&utf16).is_err());
    is_rejected(" ", Tag);
    is_rejected(format!(" x{own}"), Prolog);
    is_rejected(format!("<!-- -->{own}"), Prolog);
    is_rejected(format!("<?x y?>{own}"), Prolog);
    is_rejected(format!("<![CDATA[ ]]>{own}"), Prolog);
    is_rejected(
        format!("<!DOCTYPE body [<!ATTLIST body sid CDATA 'b'>]>{}", tag("")),
        Prolog,
    );
    is_rejected(format!(" &#32;{own}"), Prolog);
    is_rejected(format!("</body>{own}"), Tag);
    for declaration in [
        " <?xml version='1.0'?>",
        "<?xml version='1.0'?><?xml version='1.0'?>",
        "<?xml version='1.1'?>",
        "<?xml encoding='UTF-8'?>",
        "<?xml version='1.0' encoding='latin1'?>",
        "<?xml version='1.0' encoding='UTF-16'?>",
        // Prosody reads this one.
        "<?xml version='1.0' standalone='yes'?>",
    ] {
        is_rejected(format!("{declaration}{own}"), Prolog);
    }
    is_rejected(&own[..own.len() - 1], Tag);
    is_rejected(format!("<body {NS} rid='1' sid='a' x='"), Tag);
    is_rejected(
        tag(&format!("sid='a' x='{}'", "x".repeat(LONGEST_TAG))),
        Tag,
    );
    is_rejected(format!("{}{own}", " ".repeat(LONGEST_TAG)), Tag);
    is_rejected([own.as_bytes(), b"\xff"].concat().split_at(9).0, Tag);
    is_rejected(b"<body x='\xff'/>", Tag);
}

#[test]
fn another_element_than_the_body_of_bosh_is_rejected() {
    use BadBody::Element;
    let own = tag("sid='a'");
    for text in [
        "<body rid='1' sid='a'/>".to_owned(),
        format!("<Body {NS} rid='1' sid='a'/>"),
        format!("<bodyx {NS} rid='1' sid='a'/>"),
        "<body xmlns='http://jabber.org/protocol/httpbind ' rid='1' sid='a'/>".to_owned(),
        "<body xmlns='HTTP://jabber.org/protocol/httpbind' rid='1' sid='a'/>".to_owned(),
        // Prosody takes the inner element of these two, and those below as they are.
        format!("<x>{own}</x>"),
        format!("<body xmlns='x' rid='1' sid='b'>{own}</body>"),
        "<b:body xmlns:b='http://jabber.org/protocol/httpbind' rid='1' sid='a'/>".to_owned(),
        "<body xmlns='&#104;ttp://jabber.org/protocol/httpbind' rid='1' sid='a'/>".to_owned(),
    ] {
        is_rejected(text, Element);
    }
}

#[test]
fn attributes_with_two_readings_are_rejected() {
    use BadBody::*;
    for (more, why) in [
        ("sid='a' sid='b'", Tag),
        ("sid='a' xmlns='x'", Tag),
        ("sid='a' x", Tag),
        ("sid=a", Tag),
        ("sid", Tag),
        ("sid=''", Attribute),
        ("sid='a&#98;'", Attribute),
        ("sid='&amp;'", Attribute),
        ("sid='a b'", Attribute),
        ("sid=' a'", Attribute),
        ("sid='a\t'", Attribute),
        ("sid='a\n'", Attribute),
        ("sid='a\u{e4}'", Attribute),
        ("sid='a\0'", Attribute),
        ("sid='a\u{7f}'", Attribute),
        ("sid='a<b'", Attribute),
        ("sid='a' x:sid='b' xmlns:x='u'", Attribute),
        ("x:type='terminate' xmlns:x='u'", Attribute),
        ("x:rid='2' xmlns:x='u'", Attribute),
        ("type='&#116;erminate'", Attribute),
        ("type='terminate '", Attribute),
    ] {
        is_rejected(tag(more), why);
    }
    is_rejected(
        tag(&format!("sid='{}'", "a".repeat(LONGEST_SID + 1))),
        Attribute,
    );
    reads(
        &tag(&format!("sid='{}'", "a".repeat(LONGEST_SID))),
        Some(&"a".repeat(128)),
        false,
    );
    // Prosody fails with an error of its own where there is no number.
    is_rejected(format!("<body {NS} sid='a'/>"), NoRid);
    for rid in [
        "",
        "x",
        "-1",
        "0x10",
        "1.5",
        "1e3",
        " 1",
        "&#49;",
        "12345678901234567",
    ] {
        is_rejected(format!("<body {NS} sid='a' rid='{rid}'/>"), Attribute);
    }
}

#[test]
fn of_an_answer_only_the_tag_is_read() {
    let text = "<body wait='60' xmlns='http://jabber.org/protocol/httpbind' sid='s' \
                from='localhost' xmlns:stream='http://etherx.jabber.org/streams'><stream:featu";
    let read = answer(text.as_bytes()).unwrap();
    assert_eq!((read.sid.as_deref(), read.is_terminate), (Some("s"), false));
    let text = format!("<body {NS} type='terminate' condition='item-not-found'/>");
    assert!(answer(text.as_bytes()).unwrap().is_terminate);
    assert_eq!(answer(b"<html><body>It works!</body></html>"), None);
    assert_eq!(answer(b""), None);
}

#[test]
fn the_place_of_a_session_is_its_path_and_the_room_without_case() {
    let place = |path: &str, query: &str| Place::new(path, query);
    let own = place("/a/http-bind", "room=Aula&token=x").unwrap();
    for (path, query) in [
        ("/a/http-bind", "token=y&room=aula"),
        ("/a/http-bind/", "room=AULA&previd=1"),
        ("/a/http-bind", "%72oom=%41ula&ROOM=b"),
        ("/a/http-bind", "room=aula&prefix=b"),
    ] {
        assert_eq!(place(path, query), Ok(own), "{path}?{query}");
    }
    for (path, query) in [
        ("/b/http-bind", "room=aula"),
        ("/a/http-bind", "room=aul"),
        ("/a/http-bind", "room=aula%00"),
        ("/a/http-bind", "prefix=aula"),
        ("/a/http-bind", "token=x"),
        ("/a/http-bind", ""),
    ] {
        assert_ne!(place(path, query), Ok(own), "{path}?{query}");
    }
    for query in ["room=a&room=a", "room=a&%72oom=b"] {
        assert_eq!(place("/http-bind", query), Err(BadBody::Names), "{query}");
    }
    let (one, other) = (own.key("s"), own.key("t"));
    assert_ne!(one, other);
    // What is remembered has at most 256 bytes.
    let query = format!("room={}", "r".repeat(5000));
    let longest = place(&"/x".repeat(5000), &query).unwrap();
    assert!(longest.key(&"s".repeat(LONGEST_SID)).len() < 256);
}
