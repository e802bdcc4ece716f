//! The file: whole or not at all, whoever writes, reads or dies meanwhile.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nacp_core::ErrorKind;
use nacp_core::host::lock::{Lock, Pin, Written};

use crate::{at, lock};

/// Where the writer that is to be killed writes.
const WRITER: &str = "NACP_TEST_LOCK_WRITER";

fn other() -> Lock {
    let mut lock = lock("bare-metal-docker");
    lock.toolkit = Pin::Known("1.20.0".into());
    lock
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_is_created_left_alone_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock");
    let lock = lock("bare-metal-docker");
    assert_eq!(lock.write(&path).unwrap(), Written::Created);
    assert_eq!(Lock::read(&path).unwrap(), lock);
    let mut later = lock.clone();
    later.made.at = at(60);
    assert_eq!(later.write(&path).unwrap(), Written::Unchanged);
    assert_eq!(
        Lock::read(&path).unwrap().made.at,
        at(0),
        "a time that changes without need makes a change of the file"
    );
    later.toolkit = Pin::Known("1.20.0".into());
    assert_eq!(later.write(&path).unwrap(), Written::Replaced);
    assert_eq!(Lock::read(&path).unwrap(), later);
    assert_eq!(names(folder.path()), ["nacp.lock"], "nothing is left beside it");
}

#[test]
fn what_is_no_lock_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.yaml");
    for text in ["name: assistant\nservices: {}\n", "", "format: 2\n...\n"] {
        fs::write(&path, text).unwrap();
        let error = lock("bare-metal-docker").write(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert_eq!(error.hint_text(), Some("move it away to write a new one"));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    let error = lock("bare-metal-docker").write(folder.path()).unwrap_err();
    assert!(error.to_string().contains("it is no regular file"), "{error}");
}

#[test]
fn errors_name_the_path_and_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock");
    let error = Lock::read(&path).unwrap_err();
    assert_eq!((error.kind(), error.hint_text()), (ErrorKind::NotFound, Some("write one with `nacp lock`")));
    let text = lock("bare-metal-docker").to_yaml().replace("toolkit:", "tolkit:");
    fs::write(&path, text).unwrap();
    let error = Lock::read(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("unknown field: path={} line=", path.display())), "{error}");
    assert!(error.ends_with("field=tolkit; did you mean toolkit?"), "{error}");
    fs::write(&path, [0xff, 0xfe, 0]).unwrap();
    assert!(Lock::read(&path).unwrap_err().to_string().contains("not text in UTF-8"));
    let error = other().write(folder.path().join("missing/nacp.lock")).unwrap_err();
    assert_eq!((error.kind(), error.hint_text()), (ErrorKind::NotFound, Some("make its folder first")));
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_permissions_stay_as_they_were() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (kept, link) = (folder.path().join("kept"), folder.path().join("nacp.lock"));
    fs::create_dir(&kept).unwrap();
    let file = kept.join("machine.lock");
    lock("bare-metal-docker").write(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();
    assert_eq!(other().write(&link).unwrap(), Written::Replaced);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(Lock::read(&file).unwrap(), other());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

/// Root may write anywhere, so that this runs as somebody else where it can.
#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_to_keeps_its_lock() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    if let Some(path) = std::env::var_os(WRITER) {
        let error = other().write(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.to_string().contains("the file and its folder must be open to this user"), "{error}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock");
    lock("bare-metal-docker").write(&path).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // The program itself may lie where nobody else can reach it.
    let program = tempfile::tempdir().unwrap();
    fs::set_permissions(program.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = program.path().join("writer");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let mut writer = Command::new(&copy);
    writer.args(["--exact", "files::a_folder_that_may_not_be_written_to_keeps_its_lock"]).env(WRITER, &path);
    let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if root {
        writer.uid(65534).gid(65534);
    }
    let output = writer.output().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(Lock::read(&path).unwrap(), lock("bare-metal-docker"));
    assert_eq!(names(folder.path()), ["nacp.lock"]);
}

#[test]
fn many_writers_and_readers_see_one_whole_lock_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock");
    let locks = [lock("bare-metal-docker"), other()];
    locks[0].write(&path).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let (path, locks) = (&path, &locks);
            scope.spawn(move || {
                for turn in 0..50 {
                    locks[(writer + turn) % 2].write(path).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| (0..200).for_each(|_| assert!(locks.contains(&Lock::read(&path).unwrap()))));
        }
    });
    assert_eq!(names(folder.path()), ["nacp.lock"]);
}

#[test]
fn whenever_a_writer_is_killed_the_file_is_a_whole_lock() {
    if let Some(path) = std::env::var_os(WRITER) {
        let locks = [lock("bare-metal-docker"), other()];
        println!("begun");
        loop {
            for lock in &locks {
                lock.write(&path).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nacp.lock");
    let locks = [lock("bare-metal-docker"), other()];
    locks[0].write(&path).unwrap();
    for turn in 0..20 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "files::whenever_a_writer_is_killed_the_file_is_a_whole_lock", "--nocapture"])
            .env(WRITER, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let limit = Instant::now() + Duration::from_secs(20);
        while fs::metadata(&path).unwrap().modified().unwrap() == before && Instant::now() < limit {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(Instant::now() < limit, "the writer wrote nothing");
        thread::sleep(Duration::from_micros(137 * turn));
        writer.kill().unwrap();
        writer.wait().unwrap();
        assert!(locks.contains(&Lock::read(&path).unwrap()), "turn {turn}");
    }
    // What the killed ones left is in nobody's way.
    assert_ne!(locks[0].write(&path).unwrap(), Written::Created);
}
