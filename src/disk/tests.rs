use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::{Dir, NotAFile, Trust, Untrusted, read};

/// A user that is neither root nor the one that runs this.
const STRANGER: u32 = 65_534;

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().canonicalize().unwrap();
    (folder, path)
}

/// Makes something the property of somebody whom this is not to trust. Where the test is not
/// root's, it is the test's own user who is not trusted.
fn strange(path: &Path, trust: Trust) -> Trust {
    match geteuid().is_root() {
        true => lchown(path, Some(STRANGER), Some(STRANGER))
            .map(|()| trust)
            .unwrap(),
        false => Trust {
            user: STRANGER,
            ..trust
        },
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

fn why(error: io::Error) -> Untrusted {
    Untrusted::of(error).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn links_of_ours_in_folders_of_ours_are_followed() {
    let (_folder, at) = folder();
    fs::create_dir_all(at.join("real/inner")).unwrap();
    symlink("real", at.join("relative")).unwrap();
    symlink(at.join("real"), at.join("absolute")).unwrap();
    symlink("relative/inner/../inner", at.join("chain")).unwrap();
    for trust in [Trust::links(), Trust::strict()] {
        for path in [
            "real/inner",
            "relative/inner",
            "absolute/inner",
            "chain",
            "real/../real/./inner",
        ] {
            let dir = Dir::open(&at.join(path), &trust).unwrap();
            assert_eq!(dir.path(), at.join("real/inner"), "{path}");
        }
    }
    symlink("loop", at.join("loop")).unwrap();
    assert!(Dir::open(&at.join("loop"), &Trust::links()).is_err());
    symlink("nowhere", at.join("broken")).unwrap();
    let error = Dir::open(&at.join("broken/inner"), &Trust::links()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    fs::write(at.join("file"), "").unwrap();
    let error = Dir::open(&at.join("file/inner"), &Trust::links()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_path_that_is_not_absolute_begins_in_the_folder_of_the_process() {
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    for path in ["", ".", "src/.."] {
        assert_eq!(
            Dir::open(Path::new(path), &Trust::links()).unwrap().path(),
            here,
            "{path:?}"
        );
    }
    let (dir, name) = Dir::of_file(Path::new("Cargo.toml"), &Trust::links()).unwrap();
    assert_eq!((dir.path(), &*name), (&*here, "Cargo.toml".as_ref()));
}

#[test]
fn a_link_that_somebody_else_made_is_not_followed() {
    let (_folder, at) = folder();
    fs::create_dir(at.join("real")).unwrap();
    fs::write(at.join("real/file"), "precious").unwrap();
    symlink("real", at.join("link")).unwrap();
    symlink("real/file", at.join("linked")).unwrap();
    let trust = strange(&at.join("link"), Trust::links());
    let trust = strange(&at.join("linked"), trust);
    let why = why(Dir::open(&at.join("link"), &trust).unwrap_err());
    assert!(
        matches!(&why, Untrusted::Link { path, .. } if *path == at.join("link")),
        "{why}"
    );
    let error = Dir::of_file(&at.join("linked"), &trust).unwrap_err();
    assert!(
        error.to_string().contains("is a symbolic link that"),
        "{error}"
    );
}

/// Where others can give names, a link of ours may stand in a place that we never gave it.
#[test]
fn a_link_in_a_folder_that_others_can_write_is_not_followed() {
    let (_folder, at) = folder();
    fs::create_dir_all(at.join("open/real")).unwrap();
    symlink("real", at.join("open/link")).unwrap();
    set_mode(&at.join("open"), 0o777);
    let why = why(Dir::open(&at.join("open/link"), &Trust::links()).unwrap_err());
    assert!(matches!(why, Untrusted::Link { .. }), "{why}");
    // Nobody can rename what is another's there.
    set_mode(&at.join("open"), 0o1777);
    Dir::open(&at.join("open/link"), &Trust::links()).unwrap();
    set_mode(&at.join("open"), 0o755);
    let trust = strange(&at.join("open"), Trust::links());
    Dir::open(&at.join("open/link"), &trust).unwrap_err();
}

#[test]
fn with_rights_every_folder_on_the_way_has_to_be_ours() {
    let (_folder, at) = folder();
    fs::create_dir_all(at.join("theirs/inner")).unwrap();
    let strict = strange(&at.join("theirs"), Trust::strict());
    for path in ["theirs", "theirs/inner", "theirs/.."] {
        let why = why(Dir::open(&at.join(path), &strict).unwrap_err());
        assert!(matches!(why, Untrusted::Folder { .. }), "{why}");
        Dir::open(
            &at.join(path),
            &Trust {
                folders: false,
                ..strict.clone()
            },
        )
        .unwrap();
    }
    let owner = fs::metadata(at.join("theirs")).unwrap().uid();
    Dir::open(
        &at.join("theirs"),
        &Trust {
            also: Some(owner),
            ..strict
        },
    )
    .unwrap();
}

#[test]
fn with_rights_nobody_else_may_write_in_a_folder() {
    let (_folder, at) = folder();
    let (open, strict) = (at.join("open"), Trust::strict());
    fs::create_dir_all(open.join("inner")).unwrap();
    let is_taken = |path: &Path| match Dir::open(path, &strict) {
        Ok(_) => true,
        Err(error) => matches!(why(error), Untrusted::Writable { .. })
            .then_some(false)
            .unwrap(),
    };
    for (mode, whole, inner) in [
        (0o700, true, true),
        (0o2755, true, true),
        (0o757, false, false),
        (0o777, false, false),
        (0o1777, false, true),
    ] {
        set_mode(&open, mode);
        assert_eq!(
            (is_taken(&open), is_taken(&open.join("inner"))),
            (whole, inner),
            "{mode:o}"
        );
    }
    set_mode(&open, 0o770);
    assert!(is_taken(&open), "our own group is let in");
    if geteuid().is_root() {
        chown(&open, None, Some(STRANGER)).unwrap();
        assert!(!is_taken(&open), "and no other");
    }
}

#[test]
fn what_is_made_read_and_taken_away_is_in_the_folder_that_was_opened() {
    let (_folder, at) = folder();
    let dir = Dir::open_or_make(&at.join("one/two"), &Trust::links(), 0o700).unwrap();
    assert_eq!(fs::metadata(at.join("one")).unwrap().mode() & 0o7777, 0o700);
    fs::rename(at.join("one/two"), at.join("moved")).unwrap();
    fs::create_dir(at.join("one/two")).unwrap();
    io::Write::write_all(&mut dir.create("new", 0o600).unwrap(), b"text").unwrap();
    dir.rename("new", "file").unwrap();
    dir.sync().unwrap();
    assert_eq!(
        (dir.read("file", 4).unwrap(), dir.names().unwrap()),
        (b"text".to_vec(), vec!["file".into()])
    );
    assert_eq!(
        dir.read("file", 3).unwrap_err().kind(),
        io::ErrorKind::FileTooLarge
    );
    assert_eq!(fs::read(at.join("moved/file")).unwrap(), b"text");
    assert_eq!(fs::read_dir(at.join("one/two")).unwrap().count(), 0);
    assert_eq!(
        dir.create("file", 0o600).unwrap_err().kind(),
        io::ErrorKind::AlreadyExists
    );
}

#[test]
fn links_in_an_open_folder_are_neither_read_nor_written_nor_locked() {
    let (_folder, at) = folder();
    fs::create_dir(at.join("inner")).unwrap();
    fs::write(at.join("victim"), "precious").unwrap();
    let dir = Dir::open(&at.join("inner"), &Trust::links()).unwrap();
    for (name, to) in [
        ("link", "../victim"),
        ("broken", "../made"),
        ("folder", ".."),
    ] {
        symlink(to, at.join("inner").join(name)).unwrap();
        assert!(NotAFile::is(&dir.open_file(name).unwrap_err()), "{name}");
        assert!(
            NotAFile::is(&dir.open_lock(name, 0o600).unwrap_err()),
            "{name}"
        );
        assert!(
            dir.create(name, 0o600).is_err() && dir.below(name).is_err(),
            "{name}"
        );
        dir.remove_all(name).unwrap();
    }
    assert_eq!(fs::read(at.join("victim")).unwrap(), b"precious");
    assert!(dir.names().unwrap().is_empty() && !at.join("made").exists());
}

/// Each of them would be waited for, or acted on being opened.
#[test]
fn what_is_no_file_is_not_opened() {
    let (_folder, at) = folder();
    pipe(&at.join("pipe"));
    let _socket = std::os::unix::net::UnixListener::bind(at.join("socket")).unwrap();
    let dir = Dir::open(&at, &Trust::links()).unwrap();
    for name in ["pipe", "socket", "."] {
        assert!(NotAFile::is(&dir.open_file(name).unwrap_err()), "{name}");
        assert!(
            NotAFile::is(&read(&at.join(name), 10).unwrap_err()),
            "{name}"
        );
    }
    assert!(NotAFile::is(&dir.open_lock("pipe", 0o600).unwrap_err()));
    assert!(NotAFile::is(&read(Path::new("/dev/zero"), 10).unwrap_err()));
}

#[test]
fn folders_are_taken_away_whole_and_not_through_links() {
    let (_folder, at) = folder();
    fs::create_dir_all(at.join("gone/a/b")).unwrap();
    fs::create_dir(at.join("kept")).unwrap();
    fs::write(at.join("kept/file"), "").unwrap();
    symlink("../../kept", at.join("gone/a/link")).unwrap();
    fs::write(at.join("gone/a/b/file"), "").unwrap();
    let dir = Dir::open(&at, &Trust::links()).unwrap();
    dir.remove_all("gone").unwrap();
    dir.remove_all("gone").unwrap();
    assert_eq!(
        (dir.names().unwrap(), at.join("kept/file").exists()),
        (vec!["kept".into()], true)
    );
    fs::create_dir_all(at.join("deep").join("d/".repeat(100))).unwrap();
    assert!(
        dir.remove_all("deep").is_err(),
        "no depth that somebody chose is gone down to"
    );
}

/// A gateway that runs as a user of its own has to be able to use what a command that root ran has
/// made.
#[test]
fn what_root_makes_belongs_to_whom_the_folder_belongs() {
    let (_folder, at) = folder();
    let is_root = geteuid().is_root();
    if is_root {
        chown(&at, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let owner = fs::metadata(&at).unwrap().uid();
    let dir = Dir::open_or_make(&at.join("one/two"), &Trust::links(), 0o700).unwrap();
    let (file, is_new) = dir.open_lock("lock", 0o600).unwrap();
    dir.hand_over(&file);
    dir.make("three", 0o700).unwrap();
    assert!(is_new && !dir.open_lock("lock", 0o600).unwrap().1);
    for path in ["one", "one/two", "one/two/lock", "one/two/three"] {
        assert_eq!(fs::metadata(at.join(path)).unwrap().uid(), owner, "{path}");
    }
}
