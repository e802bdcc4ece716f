//! Files, folders and links of a machine.

use std::fs::{self, File, Metadata};
use std::io::{Error as IoError, ErrorKind as IoErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Place, Root, below};
use crate::host::Seen;

/// More than any text needs that is read here.
const TEXT: u64 = 1 << 20;
/// The most that is read of one recorded answer, in bytes.
const ANSWER: u64 = 8 << 20;
/// How a colon is written in the names of a folder that stands for a machine: not every system can hold one.
pub(super) const COLON: &str = "%3A";
/// So many links one after another are a circle.
const LINKS: u32 = 40;

/// What the file system says of a file, its links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Its permissions, as in `0o666`; none where the system has none like that, or a folder does not say.
    pub(crate) mode: Option<u32>,
    /// Its owner's number.
    pub(crate) uid: Option<u32>,
    /// Its group's number.
    pub(crate) gid: Option<u32>,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// When it was last changed, in seconds since 1970.
    pub(crate) modified: Option<i64>,
    /// Whether it is a folder.
    pub(crate) folder: bool,
}

impl Root {
    /// A text file as it is written. What is no UTF-8 is replaced; one that is larger than 1 MiB is unreadable, for half
    /// of a text may say the opposite of the whole.
    pub(crate) fn text(&self, path: &str) -> Seen<String> {
        self.text_within(path, TEXT)
    }

    /// The same with another limit, in bytes.
    pub(crate) fn text_within(&self, path: &str, most: u64) -> Seen<String> {
        self.bytes(path, most).map(as_text)
    }

    /// The beginning of a text file, `most` bytes of it.
    pub(crate) fn beginning(&self, path: &str, most: u64) -> Seen<String> {
        seen(self.followed(path).and_then(|place| up_to(&place, most))).map(as_text)
    }

    /// A file of `most` bytes at most. Only regular files are read: a pipe would never end.
    pub(crate) fn bytes(&self, path: &str, most: u64) -> Seen<Vec<u8>> {
        seen(self.followed(path).and_then(|place| whole(&place, most)))
    }

    /// The end of a text file, `most` bytes of it, from the beginning of a line on.
    #[cfg_attr(not(feature = "doctor"), allow(dead_code, reason = "a survey reads more than detection"))]
    pub(crate) fn tail(&self, path: &str, most: u64) -> Seen<String> {
        let read = || {
            let place = self.followed(path)?;
            if !fs::metadata(&place)?.is_file() {
                return Err(IoError::other("it is no regular file"));
            }
            let mut file = File::open(&place)?;
            let cut = file.metadata()?.len().saturating_sub(most);
            file.seek(SeekFrom::Start(cut))?;
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // The first line is half of one.
            Ok(if cut == 0 { text } else { text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default() })
        };
        seen(read())
    }

    /// The names in a folder, in order.
    pub(crate) fn list(&self, path: &str) -> Seen<Vec<String>> {
        let read = || {
            let entries = fs::read_dir(self.followed(path)?)?;
            let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
            let mut names: Vec<_> = match &self.place {
                Place::This => names.collect(),
                Place::Folder { .. } => names.map(|name| name.replace(COLON, ":")).collect(),
            };
            names.sort();
            Ok(names)
        };
        seen(read())
    }

    /// Whether something is there, also a link that leads nowhere.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.presence(path).found().is_some()
    }

    /// The same with the reason where it cannot be told.
    pub(crate) fn presence(&self, path: &str) -> Seen<()> {
        seen(self.link_itself(path).and_then(fs::symlink_metadata).map(drop))
    }

    /// Where a link leads, as it is written; absent where there is nothing or no link.
    pub(crate) fn link(&self, path: &str) -> Seen<String> {
        let read = || {
            let place = self.link_itself(path)?;
            if !fs::symlink_metadata(&place)?.is_symlink() {
                return Ok(None);
            }
            Ok(Some(fs::read_link(place)?.to_string_lossy().into_owned()))
        };
        match seen(read()) {
            Seen::Found(target) => target.map_or(Seen::Absent, Seen::Found),
            other => other.map(|_| String::new()),
        }
    }

    /// The path with every link followed; absent where it leads nowhere.
    pub(crate) fn canonical(&self, path: &str) -> Seen<String> {
        let read = || match &self.place {
            Place::This => Ok(fs::canonicalize(path)?.to_string_lossy().into_owned()),
            Place::Folder { folder, .. } => {
                let place = followed(folder, path, true)?;
                fs::symlink_metadata(&place)?;
                let parts = place.strip_prefix(folder).unwrap_or(&place).components();
                Ok(parts.fold(String::new(), |text, part| text + "/" + &part.as_os_str().to_string_lossy()))
            }
        };
        seen(read())
    }

    /// What the file system says of a file. A folder that stands for a machine says its size only, and in `answers/stat`
    /// the rest, one file a line: `PATH MODE UID GID`, the mode octal, and where it matters when it was changed, in
    /// seconds since 1970; `-` is unknown.
    pub(crate) fn stat(&self, path: &str) -> Seen<Stat> {
        let read = || {
            let metadata = fs::metadata(self.followed(path)?)?;
            let own = Stat {
                mode: None,
                uid: None,
                gid: None,
                size: metadata.len(),
                modified: None,
                folder: metadata.is_dir(),
            };
            Ok(match &self.place {
                Place::This => of_system(own, &metadata),
                Place::Folder { folder, .. } => {
                    // Without the table nothing is known of owners.
                    let table = within(folder, &["answers", "stat"]).unwrap_or_default();
                    recorded(own, &as_text(table), path)
                }
            })
        };
        seen(read())
    }

    /// Where this path is on this machine, links within a folder followed as that machine would.
    fn followed(&self, path: &str) -> Result<PathBuf, IoError> {
        match &self.place {
            Place::This => Ok(self.place_of(path)),
            Place::Folder { folder, .. } => followed(folder, path, true),
        }
    }

    /// The same but for the last part.
    fn link_itself(&self, path: &str) -> Result<PathBuf, IoError> {
        match &self.place {
            Place::This => Ok(self.place_of(path)),
            Place::Folder { folder, .. } => followed(folder, path, false),
        }
    }
}

/// A file below a folder that may be a stranger's: each part is the name of one entry, links stay within the folder, and
/// only a regular file of 8 MiB at most is read.
pub(super) fn within(folder: &Path, parts: &[&str]) -> Result<Vec<u8>, IoError> {
    whole(&entry(folder, parts)?, ANSWER)
}

/// The names in a folder below one that may be a stranger's, in order.
pub(super) fn names_within(folder: &Path, parts: &[&str]) -> Result<Vec<String>, IoError> {
    let entries = fs::read_dir(entry(folder, parts)?)?;
    let mut names: Vec<_> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn entry(folder: &Path, parts: &[&str]) -> Result<PathBuf, IoError> {
    use std::path::Component;
    let is_one = |part: &&str| {
        let mut found = Path::new(part).components();
        matches!((found.next(), found.next()), (Some(Component::Normal(name)), None) if name == *part)
    };
    if !parts.iter().all(is_one) {
        return Err(IoError::other("its name leads elsewhere"));
    }
    let parts = parts.iter().map(|part| (*part).to_owned()).collect();
    follow(folder, parts, true)
}

fn whole(place: &Path, most: u64) -> Result<Vec<u8>, IoError> {
    let bytes = up_to(place, most.saturating_add(1))?;
    if bytes.len() as u64 > most {
        return Err(IoError::other(format!("it is larger than {}", size(most))));
    }
    Ok(bytes)
}

/// A limit as people write it.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} bytes"),
    }
}

fn up_to(place: &Path, most: u64) -> Result<Vec<u8>, IoError> {
    let kind = fs::metadata(place)?;
    if !kind.is_file() {
        return Err(IoError::other(if kind.is_dir() { "it is a folder" } else { "it is no regular file" }));
    }
    let mut bytes = Vec::new();
    File::open(place)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is no UTF-8 is replaced.
pub(super) fn as_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What came of reading: found, absent, or unreadable for a reason.
pub(super) fn seen<T>(read: Result<T, IoError>) -> Seen<T> {
    match read {
        Ok(value) => Seen::Found(value),
        Err(error) => match error.kind() {
            IoErrorKind::NotFound | IoErrorKind::NotADirectory => Seen::Absent,
            IoErrorKind::PermissionDenied => Seen::Unreadable("permission denied".into()),
            _ => Seen::Unreadable(error.to_string()),
        },
    }
}

/// The place of a path below `folder`, links followed as if `folder` were the root; `last` says whether the last part is
/// followed too.
fn followed(folder: &Path, path: &str, last: bool) -> Result<PathBuf, IoError> {
    let whole = below(folder, path);
    follow(folder, parts(whole.strip_prefix(folder).unwrap_or(&whole)), last)
}

fn follow(folder: &Path, mut left: Vec<String>, last: bool) -> Result<PathBuf, IoError> {
    left.reverse();
    let mut place: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            place.pop();
            continue;
        }
        place.push(part);
        let here = place.iter().fold(folder.to_owned(), |path, part| path.join(part));
        if (left.is_empty() && !last) || !fs::symlink_metadata(&here).is_ok_and(|kind| kind.is_symlink()) {
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(IoError::other("its links lead in a circle"));
        }
        let target = fs::read_link(&here)?;
        place.pop();
        if target.has_root() {
            place.clear();
        }
        left.extend(parts(&target).into_iter().rev());
    }
    Ok(place.iter().fold(folder.to_owned(), |path, part| path.join(part)))
}

fn parts(path: &Path) -> Vec<String> {
    use std::path::Component;
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
}

#[cfg(unix)]
fn of_system(own: Stat, metadata: &Metadata) -> Stat {
    use std::os::unix::fs::MetadataExt;
    let (mode, uid, gid) = (Some(metadata.mode() & 0o7777), Some(metadata.uid()), Some(metadata.gid()));
    Stat { mode, uid, gid, modified: Some(metadata.mtime()), ..own }
}

#[cfg(not(unix))]
fn of_system(own: Stat, metadata: &Metadata) -> Stat {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    Stat { modified: since.and_then(|since| i64::try_from(since.as_secs()).ok()), ..own }
}

/// The same with what a line of the table says of this path.
fn recorded(own: Stat, table: &str, path: &str) -> Stat {
    let line = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let Some(fields) = line.into_iter().find(|fields| fields.first() == Some(&path)) else { return own };
    let field = |index: usize| fields.get(index).copied().unwrap_or("-");
    Stat {
        mode: u32::from_str_radix(field(1), 8).ok(),
        uid: field(2).parse().ok(),
        gid: field(3).parse().ok(),
        modified: field(4).parse().ok(),
        ..own
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::at(folder.path(), BTreeMap::new());
        (folder, root)
    }

    #[test]
    fn what_is_read_is_found_absent_or_unreadable() {
        let (_folder, root) = machine(&[("etc/os", "one\ntwo"), ("C/Windows/System32/nvml.dll", "MZ")]);
        assert_eq!(root.text("/etc/os"), Seen::Found("one\ntwo".into()));
        assert_eq!(root.beginning("/etc/os", 3), Seen::Found("one".into()));
        assert_eq!(root.text_within("/etc/os", 7), Seen::Found("one\ntwo".into()));
        assert_eq!(root.text_within("/etc/os", 6), Seen::Unreadable("it is larger than 6 bytes".into()));
        assert_eq!(root.text("/etc/none"), Seen::Absent);
        assert_eq!(root.text("/etc/os/below"), Seen::Absent);
        assert_eq!(root.text("/etc"), Seen::Unreadable("it is a folder".into()));
        assert_eq!(root.list("/etc"), Seen::Found(vec!["os".into()]));
        assert_eq!(root.list("/none"), Seen::Absent);
        assert!(root.exists(r"C:\Windows\System32\nvml.dll"));
        assert!(!root.exists("/etc/none"));
    }

    #[test]
    fn the_end_of_a_file_begins_with_a_line() {
        let (_folder, root) = machine(&[("var/log", "one\ntwo\nthree\n")]);
        assert_eq!(root.tail("/var/log", 100), Seen::Found("one\ntwo\nthree\n".into()));
        assert_eq!(root.tail("/var/log", 8), Seen::Found("three\n".into()));
        assert_eq!((root.tail("/var/none", 8), root.tail("/var", 8).open().is_some()), (Seen::Absent, true));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for() {
        let (folder, root) = machine(&[]);
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
        assert!(made.success());
        assert_eq!(root.text("/pipe"), Seen::Unreadable("it is no regular file".into()));
    }

    #[test]
    fn a_text_that_is_too_long_is_not_cut() {
        let (folder, root) = machine(&[("etc/long", "x")]);
        File::options().write(true).open(folder.path().join("etc/long")).unwrap().set_len(TEXT + 1).unwrap();
        assert_eq!(root.text("/etc/long"), Seen::Unreadable("it is larger than 1 MiB".into()));
        assert_eq!((size(8 << 20), size(4 << 10), size(1500)), ("8 MiB".into(), "4 KiB".into(), "1500 bytes".into()));
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_within_the_folder() {
        use std::os::unix::fs::symlink;
        let (folder, root) = machine(&[("usr/lib/libcuda.so.580", "ELF"), ("secret", "inside")]);
        let at = |path: &str| folder.path().join(path);
        symlink("libcuda.so.580", at("usr/lib/libcuda.so.1")).unwrap();
        symlink("/usr/lib/libcuda.so.1", at("usr/lib/libcuda.so")).unwrap();
        symlink("../../../../../secret", at("usr/lib/out")).unwrap();
        symlink("/usr/lib", at("lib")).unwrap();
        symlink("round", at("round")).unwrap();
        symlink("/nowhere", at("dangling")).unwrap();
        assert_eq!(root.text("/lib/libcuda.so"), Seen::Found("ELF".into()));
        assert_eq!(root.canonical("/lib/libcuda.so"), Seen::Found("/usr/lib/libcuda.so.580".into()));
        assert_eq!(root.text("/usr/lib/out"), Seen::Found("inside".into()));
        assert_eq!(root.link("/usr/lib/libcuda.so"), Seen::Found("/usr/lib/libcuda.so.1".into()));
        assert_eq!(root.link("/usr/lib/libcuda.so.580"), Seen::Absent);
        assert_eq!(root.text("/round"), Seen::Unreadable("its links lead in a circle".into()));
        assert_eq!((root.text("/dangling"), root.canonical("/dangling")), (Seen::Absent, Seen::Absent));
        assert!(root.exists("/dangling"));
    }

    #[test]
    fn a_folder_says_owners_only_where_they_were_written_down() {
        let table = "/dev/nvidia0 660 0 44\n/usr/bin/nvidia-ctk 755 0 0 1760000000\n/dev/dxg - - -\n";
        let (_folder, root) = machine(&[
            ("answers/stat", table),
            ("dev/nvidia0", ""),
            ("dev/dxg", ""),
            ("usr/bin/nvidia-ctk", "#!"),
            ("etc/os", "1"),
        ]);
        let stat = |path| root.stat(path).found().copied().unwrap();
        let device = stat("/dev/nvidia0");
        assert_eq!((device.mode, device.uid, device.gid, device.modified), (Some(0o660), Some(0), Some(44), None));
        let program = stat("/usr/bin/nvidia-ctk");
        assert_eq!((program.mode, program.modified, program.size), (Some(0o755), Some(1_760_000_000), 2));
        for path in ["/etc/os", "/dev/dxg"] {
            let unknown = stat(path);
            assert_eq!((unknown.mode, unknown.uid, unknown.gid), (None, None, None), "{path}");
        }
        assert!(stat("/etc").folder);
        assert_eq!(root.stat("/dev/nvidia1"), Seen::Absent);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_all_of_it() {
        let stat = *Root::system().stat("/proc/self/status").found().unwrap();
        assert_eq!((stat.mode, stat.folder), (Some(0o444), false));
        assert!(stat.uid.is_some() && stat.gid.is_some() && stat.modified.is_some());
    }
}
