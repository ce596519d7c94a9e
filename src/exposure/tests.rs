use std::os::unix::fs::symlink;

use super::*;

struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, mode: u32) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        self.mode(name, mode);
        path
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn named(key: &str, path: impl Into<PathBuf>, is: Use) -> NamedFile {
    NamedFile::new(key, &path.into(), is)
}

#[test]
fn each_file_is_judged_by_what_it_is() {
    let world = World::new();
    for (is, mode, done) in [
        (Use::SECRET, 0o600, None),
        (Use::SECRET, 0o660, None),
        (Use::SECRET, 0o604, Some("read")),
        (Use::API_KEYS, 0o644, Some("read")),
        (Use::KEY, 0o602, Some("change")),
        (Use::KEY, 0o666, Some("read and change")),
        (Use::CA, 0o644, None),
        (Use::PUBLIC_KEYS, 0o646, Some("change")),
        (Use::REVOKED, 0o602, Some("change")),
        (Use::CONFIGURATION, 0o666, Some("change")),
        (Use::DEPLOYED_KEY, 0o666, None),
    ] {
        let path = world.file("file", mode);
        let said = warnings(&[named("a.key", &path, is)]);
        assert_eq!(
            said.len(),
            usize::from(done.is_some()),
            "{mode:o} {is:?}: {said:?}"
        );
        if let (Some(done), [said]) = (done, &said[..]) {
            let want = format!(
                "a.key: {} is {} that every user can {done}; close it",
                path.display(),
                is.what
            );
            assert!(said.starts_with(&want), "{want}\n{said}");
        }
    }
    let path = world.file("file", 0o644);
    let said = warnings(&[
        named("a.cert", &path, Use::CERTIFICATE),
        named("a.key", &path, Use::KEY),
    ]);
    assert!(
        matches!(&said[..], [said] if said.starts_with("a.key: ")),
        "{said:?}"
    );
    assert!(
        warnings(&[
            named("a", world.at("none"), Use::KEY),
            named("b", "/dev/null", Use::SECRET)
        ])
        .is_empty()
    );
}

#[test]
fn folders_that_others_may_change_are_named_once_with_their_keys() {
    let world = World::new();
    let (one, two) = (
        world.file("open/below/one", 0o600),
        world.file("open/below/two", 0o600),
    );
    let files = [named("a", &one, Use::SECRET), named("b", &two, Use::CA)];
    assert!(warnings(&files).is_empty());
    world.mode("open", 0o777);
    let said = warnings(&files);
    let open = world.at("open").canonicalize().unwrap();
    let want = format!(
        "a: every user can change the folder {} and so",
        open.display()
    );
    assert!(
        matches!(&said[..], [said] if said.starts_with(&want) && said.contains("as those of b;")),
        "{said:?}"
    );
    // As /tmp is: others can add files, but not take this one away.
    world.mode("open", 0o1777);
    assert!(warnings(&files).is_empty());
}

#[test]
fn links_are_followed_through_every_folder_on_the_way() {
    let world = World::new();
    world.file("real/secret", 0o604);
    fs::create_dir_all(world.at("links/deep")).unwrap();
    symlink("../../real", world.at("links/deep/there")).unwrap();
    symlink(
        world.at("links/deep/there/../real/secret"),
        world.at("link"),
    )
    .unwrap();
    let file = [named("a", world.at("link"), Use::SECRET)];
    assert!(matches!(&warnings(&file)[..], [said] if said.contains("every user can read")));
    world.mode("real/secret", 0o600);
    for folder in ["links/deep", "links", "real"] {
        world.mode(folder, 0o777);
        let said = warnings(&file);
        assert!(
            matches!(&said[..], [said] if said.contains(&format!("/{folder} and so"))),
            "{folder}: {said:?}"
        );
        world.mode(folder, 0o755);
    }
    symlink("loop", world.at("loop")).unwrap();
    assert!(warnings(&[named("a", world.at("loop/x"), Use::SECRET)]).is_empty());
}

#[test]
fn what_is_in_the_store_is_looked_at() {
    let world = World::new();
    for name in [
        "accounts/a/key.pem",
        "certificates/a/0001/privkey.pem",
        "certificates/a/0001/fullchain.pem",
    ] {
        world.file(&format!("store/{name}"), 0o644);
    }
    world.file("store/certificates/a/order.json", 0o644);
    world.mode("store/certificates/a", 0o777);
    let mut said = warnings(&[named("acme.store", world.at("store"), Use::STORE)]);
    said.sort();
    let about = |line: &str, what: &str| line.starts_with("acme.store: ") && line.contains(what);
    assert_eq!(said.len(), 4, "{said:?}");
    let keys = [
        "/key.pem is a private key",
        "privkey.pem is a private key",
        "order.json is a private key",
    ];
    for what in keys.into_iter().chain(["certificates/a is a part of"]) {
        assert!(
            said.iter().any(|line| about(line, what)),
            "{what}: {said:?}"
        );
    }
}

#[test]
fn a_real_path_has_no_links_where_it_is_there() {
    let world = World::new();
    fs::create_dir(world.at("folder")).unwrap();
    symlink("folder", world.at("link")).unwrap();
    let folder = world.at("folder").canonicalize().unwrap();
    assert_eq!(real(&world.at("link/none/file")), folder.join("none/file"));
    assert_eq!(real(&world.at("link")), folder);
}

/// Other users cannot replace a file in a folder like `/tmp`, but they can be the first.
#[test]
fn a_control_socket_is_not_for_a_folder_that_all_users_share() {
    let world = World::new();
    let path = world.at("shared/control.sock");
    fs::create_dir(world.at("shared")).unwrap();
    for (mode, warned) in [
        (0o755, false),
        (0o775, false),
        (0o777, true),
        (0o1777, true),
    ] {
        world.mode("shared", mode);
        let said = warnings(&[named("listen.control", &path, Use::CONTROL_SOCKET)]);
        assert_eq!(said.len(), usize::from(warned), "{mode:o}: {said:?}");
        assert_eq!(others_may_listen(&path), warned, "{mode:o}");
        let is_advised = said.iter().any(|said| said.contains("chmod o-w"));
        assert_eq!(is_advised, mode == 0o777, "{said:?}");
    }
    assert!(warnings(&[named("upstreams.app.servers", &path, Use::SOCKET)]).is_empty());
}
