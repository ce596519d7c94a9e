use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::*;

fn at(path: &Path) -> AuditTarget {
    AuditTarget::File(path.to_owned())
}

fn apply(log: &AuditLog, target: &AuditTarget) {
    log.apply(log.open(target).unwrap());
}

#[test]
fn a_file_is_created_for_owner_and_group_and_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = AuditLog::new();
    assert!(!log.is_enabled());
    log.log("{\"lost\":true}");
    for line in ["{\"n\":1}", "{\"n\":\"\u{202e}\u{7f}\"}"] {
        apply(&log, &at(&path));
        assert!(log.is_enabled());
        log.log(line);
        log.stop();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "{\"n\":1}\n{\"n\":\"\\u202e\\u007f\"}\n");
    // As far as the umask of the process allows.
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
    assert_eq!(log.lost(), [("queue_full", 0), ("write_failed", 0)]);
}

#[test]
fn a_renamed_file_is_followed_by_a_new_one_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, rotated) = (folder.path().join("a"), folder.path().join("a.1"));
    let log = AuditLog::new();
    apply(&log, &at(&path));
    fs::rename(&path, &rotated).unwrap();
    log.log("1");
    log.reopen();
    log.log("2");
    log.stop();
    assert_eq!(fs::read_to_string(&path).unwrap(), "2\n");
    // The thread of the first file may still be writing.
    while fs::read_to_string(&rotated).unwrap() != "1\n" {
        thread::yield_now();
    }
}

#[test]
fn a_file_that_cannot_be_opened_again_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, moved) = (folder.path().join("inner"), folder.path().join("moved"));
    fs::create_dir(&inner).unwrap();
    let log = AuditLog::new();
    apply(&log, &at(&inner.join("a")));
    fs::rename(&inner, &moved).unwrap();
    log.reopen();
    log.log("1");
    log.stop();
    assert_eq!(fs::read_to_string(moved.join("a")).unwrap(), "1\n");
}

#[test]
fn what_is_no_file_is_an_error_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let log = AuditLog::new();
    for (path, advice) in [
        (
            folder.path().to_owned(),
            "is a folder; write the path of a file",
        ),
        (folder.path().join("no/a"), "does not exist; create it"),
        (socket, "or \"stdout\" for standard output"),
        (pipe, "or \"stdout\" for standard output"),
    ] {
        let opened = log.open(&at(&path)).unwrap_err().to_string();
        assert!(
            opened.starts_with("log.audit: ") && opened.contains(advice),
            "{opened}"
        );
        assert_eq!(at(&path).look().unwrap_err().to_string(), opened);
    }
    for fine in [
        at(Path::new("/dev/null")),
        AuditTarget::Stdout,
        AuditTarget::Off,
    ] {
        fine.look().unwrap();
        log.open(&fine).unwrap();
    }
}

/// Waits for leave to write, or fails without it.
struct Slow(Receiver<()>, SyncSender<Vec<u8>>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let leave = self.0.recv();
        leave.map_err(|_| io::Error::from(io::ErrorKind::StorageFull))?;
        // In two parts.
        let written = bytes.len().div_ceil(2);
        let _ = self.1.send(bytes[..written].to_vec());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn slow(log: &AuditLog) -> (SyncSender<()>, Receiver<Vec<u8>>) {
    let (leave, waiting) = sync_channel(16);
    let (sender, written) = sync_channel(16);
    let output = Output::to(Slow(waiting, sender));
    let writer = Writer::start(&AuditTarget::Stdout, output, Arc::clone(&log.lost)).unwrap();
    log.apply(AuditChange(Some(Some(Arc::new(writer)))));
    (leave, written)
}

#[test]
fn lines_that_come_faster_than_they_are_written_are_counted_and_lost() {
    let log = AuditLog::new();
    let (leave, _written) = slow(&log);
    // One more may have been taken out of the queue.
    for _ in 0..QUEUE + 3 {
        log.log("x");
    }
    let [(reason, lost), _] = log.lost();
    assert!(reason == "queue_full" && (2..=3).contains(&lost), "{lost}");
    drop(leave);
}

#[test]
fn a_line_that_was_written_in_part_does_not_run_into_the_next() {
    let (sender, waiting) = sync_channel(16);
    let (out, written) = sync_channel(16);
    let mut output = Output::to(Slow(waiting, out));
    sender.send(()).unwrap();
    drop(sender);
    output.write(b"abcd\n").unwrap_err();
    assert_eq!(written.recv().unwrap(), b"abc");
    let (sender, waiting) = sync_channel(16);
    let (out, written) = sync_channel(16);
    output.sink = Box::new(Slow(waiting, out));
    for _ in 0..8 {
        sender.send(()).unwrap();
    }
    output.write(b"ef\n").unwrap();
    drop(output);
    assert_eq!(written.iter().flatten().collect::<Vec<_>>(), b"\nef\n");
}

#[test]
fn what_cannot_be_written_is_counted() {
    let log = AuditLog::new();
    let (leave, _written) = slow(&log);
    drop(leave);
    log.log("1");
    log.log("2");
    log.stop();
    assert_eq!(log.lost()[1], ("write_failed", 2));
}
