use super::*;

#[test]
fn a_path_names_one_file_below_the_root_or_none() {
    for (below, want) in [
        ("", Some("")),
        ("/", Some("")),
        ("/a/b.html", Some("a/b.html")),
        ("/a/", Some("a")),
        ("/a%20b/%C3%A4", Some("a b/ä")),
        ("/%2541", Some("%41")),
        ("/a;x", Some("a;x")),
        ("/..", None),
        ("/a/../b", None),
        ("/%2e%2e/b", None),
        ("/.git/config", None),
        ("/a/.htpasswd", None),
        ("/%2Ehtpasswd", None),
        ("/a%2Fb", None),
        ("/a%5Cb", None),
        ("/a%00b", None),
        ("/a%0Ab", None),
        ("/%FF", None),
        ("/%", None),
        ("/%4", None),
        ("/%ää", None),
    ] {
        assert_eq!(relative(below), want.map(PathBuf::from), "{below}");
    }
}

#[test]
fn names_survive_a_url() {
    for name in ["a.js", "a b", "ä%41?#.html", "~_-"] {
        assert_eq!(decode(&encode(name)[1..]).as_deref(), Some(name));
    }
}
