//! Finding the library: names to try, what the loader's refusal means, and which file was really opened.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "cuda.open";
/// Where WSL2 keeps the library; not every distribution's loader looks there.
const WSL_LIBRARY: &str = "/usr/lib/wsl/lib/libcuda.so.1";

/// The file of the CUDA driver that this process really loaded, and what its place tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The file, with links resolved (from `/proc/self/maps`); the name that was asked for where the system does not
    /// tell.
    pub path: PathBuf,
    /// Whether it lies in a toolkit's folder of stubs: such a file only serves to link programs.
    pub stub: bool,
    /// Whether it comes from a forward-compatibility package (`cuda-compat`) and not from the installed driver.
    pub compat: bool,
    /// Whether it is WSL2's, which speaks to the Windows driver.
    pub wsl: bool,
    /// Whether it is a simulated driver: its devices do not exist.
    pub simulated: bool,
    /// Files of that name that were found before it and could not be loaded, each with the loader's reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<String>,
}

impl Loaded {
    /// What the path of a library tells.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let folders: Vec<&str> =
            path.parent().into_iter().flat_map(Path::components).filter_map(|part| part.as_os_str().to_str()).collect();
        // The package's folder is `compat`, and so may be any folder of a user's further up.
        let near = folders.iter().rev().take(2).any(|name| *name == "compat");
        let (stub, package) = (folders.contains(&"stubs"), folders.iter().any(|name| name.starts_with("cuda-compat")));
        Self {
            stub,
            compat: near || package,
            wsl: path.starts_with("/usr/lib/wsl"),
            simulated: false,
            passed_over: Vec::new(),
            path,
        }
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        let flags = [
            (self.simulated, "simulated"),
            (self.stub, "a toolkit's stub"),
            (self.compat, "forward compatibility"),
            (self.wsl, "WSL2"),
        ];
        let flags: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        if flags.is_empty() { Ok(()) } else { write!(f, " ({})", flags.join(", ")) }
    }
}

/// The names to try, in order. The driver's own name comes before `libcuda.so`, which is often a toolkit's stub.
pub(super) fn candidates() -> Vec<String> {
    let mut names = Vec::new();
    let well_known = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
    let wsl = cfg!(target_os = "linux").then(|| WSL_LIBRARY.into());
    for name in std::iter::once(well_known.into()).chain(of_cudarc()).chain(wsl) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The names that cudarc tries, in its order.
pub(super) fn of_cudarc() -> Vec<String> {
    ["cuda", "nvcuda"].into_iter().flat_map(cudarc::get_lib_name_candidates).collect()
}

/// Why the loader did not open a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such file where the loader looks.
    Absent,
    /// There is one, and it cannot be loaded.
    Broken(String),
}

impl Refusal {
    /// Reads the loader's text about `name`: a missing *dependency* of the file also reads "no such file".
    pub(super) fn read(name: &str, text: &str) -> Self {
        let missing = text.contains("No such file or directory") && !text.contains("needed by");
        let itself =
            text.split_once(": ").is_some_and(|(first, _)| first == name || first.ends_with(&format!(" {name}")));
        if cfg!(windows) || (missing && itself) { Self::Absent } else { Self::Broken(text.into()) }
    }
}

/// Opens the first name that loads; also returns what was passed over because it is broken.
///
/// # Errors
/// Broken beats absent: when nothing loads and a file was there, the error is about that file.
pub(super) fn walk<T>(
    names: &[String],
    mut open: impl FnMut(&str) -> std::result::Result<T, Refusal>,
) -> Result<(T, String, Vec<String>)> {
    let mut broken: Vec<(&str, String)> = Vec::new();
    for name in names {
        match open(name) {
            Ok(library) => {
                let passed_over = broken.into_iter().map(|(_, reason)| reason).collect();
                return Ok((library, name.clone(), passed_over));
            }
            Err(Refusal::Absent) => {}
            Err(Refusal::Broken(reason)) => broken.push((name, reason)),
        }
    }
    Err(match broken.first() {
        Some((name, reason)) => {
            Error::new(ErrorKind::DriverUnavailable, OPERATION, "the CUDA driver library cannot be loaded")
                .with("cause", "broken")
                .with("library", name)
                .with("loader", reason)
                .hint("reinstall the NVIDIA driver, or remove that file from the library path")
        }
        None => Error::new(ErrorKind::DriverUnavailable, OPERATION, "no CUDA driver library on this machine")
            .with("cause", "absent")
            .with("library", names.first().map_or("", String::as_str))
            .with("tried", names.len())
            .hint("install the NVIDIA driver (under WSL2: the Windows driver only; in a container: ask for a GPU)"),
    })
}

/// The file mapped at `address`, from the text of `/proc/self/maps`.
pub(super) fn mapped_file(maps: &str, address: usize) -> Option<PathBuf> {
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let inside = (number(start)?..number(end)?).contains(&address);
        let path = rest.get(rest.find('/')?..)?;
        inside.then(|| PathBuf::from(path.strip_suffix(" (deleted)").unwrap_or(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_own_name_comes_before_the_toolkits() {
        let names = candidates();
        let place = |wanted: &str| names.iter().position(|name| name == wanted).unwrap();
        assert_eq!(place("libcuda.so.1"), 0);
        assert!(place("libcuda.so") > 0 && place("libnvcuda.so") > place("libcuda.so"));
        assert_eq!(place(WSL_LIBRARY), names.len() - 1);
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
    }

    #[test]
    fn a_missing_dependency_is_not_a_missing_driver() {
        let broken = |text: &str| Refusal::Broken(text.into());
        for (text, expected) in [
            ("libcuda.so.1: cannot open shared object file: No such file or directory", Refusal::Absent),
            ("Error loading shared library libcuda.so.1: No such file or directory", Refusal::Absent),
            (
                "libdxcore.so: cannot open shared object file: No such file or directory",
                broken("libdxcore.so: cannot open shared object file: No such file or directory"),
            ),
            (
                "Error loading shared library libdxcore.so: No such file or directory (needed by libcuda.so.1)",
                broken("Error loading shared library libdxcore.so: No such file or directory (needed by libcuda.so.1)"),
            ),
            ("/a/libcuda.so.1: file too short", broken("/a/libcuda.so.1: file too short")),
            (
                "libcuda.so.1: cannot open shared object file: Permission denied",
                broken("libcuda.so.1: cannot open shared object file: Permission denied"),
            ),
        ] {
            assert_eq!(Refusal::read("libcuda.so.1", text), expected);
        }
    }

    fn names() -> Vec<String> {
        ["one", "two", "three"].map(String::from).into()
    }

    #[test]
    fn nothing_found_says_how_many_names_were_tried() {
        let error = walk::<()>(&names(), |_| Err(Refusal::Absent)).unwrap_err();
        assert_eq!((error.kind(), error.get("cause")), (ErrorKind::DriverUnavailable, Some("absent")));
        assert_eq!((error.get("tried"), error.get("library")), (Some("3"), Some("one")));
    }

    #[test]
    fn a_broken_file_is_told_even_when_later_names_are_absent() {
        let refuse = |name: &str| match name {
            "two" => Err(Refusal::Broken("two: file too short".into())),
            _ => Err(Refusal::Absent),
        };
        let error = walk::<()>(&names(), refuse).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the CUDA driver library cannot be loaded: cause=broken library=two loader=two: file too short; reinstall \
             the NVIDIA driver, or remove that file from the library path"
        );
    }

    #[test]
    fn a_good_file_after_a_broken_one_is_taken_and_the_broken_one_told() {
        let open = |name: &str| match name {
            "one" => Err(Refusal::Broken("one: invalid ELF header".into())),
            "two" => Ok(2),
            _ => panic!("the walk goes on after it has found one"),
        };
        let (library, name, passed_over) = walk(&names(), open).unwrap();
        assert_eq!((library, name.as_str(), passed_over), (2, "two", vec!["one: invalid ELF header".to_string()]));
    }

    #[test]
    fn the_file_is_the_one_mapped_at_the_symbols_address() {
        let maps = "\
55d0a0000000-55d0a0001000 r-xp 00000000 fe:00 11 /usr/bin/x
7f0000000000-7f0000001000 r--p 00000000 fe:00 12                         /usr/lib/libcuda.so.580.95.05
7f0000001000-7f0000002000 r-xp 00001000 fe:00 12                         /usr/lib/libcuda.so.580.95.05
7f0000003000-7f0000004000 rw-p 00000000 00:00 0
7f0000005000-7f0000006000 r-xp 00001000 fe:00 13                         /opt/my libs/libcuda.so.1 (deleted)
";
        let at = |address| mapped_file(maps, address).map(|path| path.display().to_string());
        assert_eq!(at(0x7f00_0000_1010).as_deref(), Some("/usr/lib/libcuda.so.580.95.05"));
        assert_eq!(at(0x7f00_0000_5000).as_deref(), Some("/opt/my libs/libcuda.so.1"));
        assert_eq!(at(0x7f00_0000_3010), None);
        assert_eq!(at(0x7f00_0000_2000), None);
        assert_eq!(mapped_file("nonsense\n-\n \n", 1), None);
    }

    #[test]
    fn the_place_of_a_file_tells_what_it_is() {
        for (path, stub, compat, wsl) in [
            ("/usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05", false, false, false),
            ("/usr/local/cuda-12.8/targets/x86_64-linux/lib/stubs/libcuda.so", true, false, false),
            ("/usr/local/cuda/compat/libcuda.so.570.86.10", false, true, false),
            ("/usr/local/cuda-13.0/compat/lib/libcuda.so.1", false, true, false),
            ("/opt/cuda-compat-13-0/lib/x/libcuda.so.1", false, true, false),
            ("/home/me/compat/build/lib/libcuda.so.1", false, false, false),
            ("/usr/lib/wsl/lib/libcuda.so.1", false, false, true),
            ("/home/me/compatible/stubsy/libcuda.so.1", false, false, false),
        ] {
            let loaded = Loaded::at(path);
            assert_eq!((loaded.stub, loaded.compat, loaded.wsl), (stub, compat, wsl), "{path}");
        }
    }
}
