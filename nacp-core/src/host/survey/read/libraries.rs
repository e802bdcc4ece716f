//! The driver's libraries as files.

use super::loader_cache;
use super::{Given, Put};
use crate::cuda::Loaded;
use crate::host::Seen;
use crate::host::root::Root;
use crate::host::survey::{Libraries, LibraryFile};

const CUDA: &str = "libcuda.so";
const NVML: &str = "libnvidia-ml.so";
const DXCORE: &str = "libdxcore.so";
/// Where the loader looks by itself, and where distributions and container runtimes put the driver.
const FOLDERS: [&str; 19] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib64",
    "/usr/lib",
    "/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
    "/usr/local/lib",
    "/opt/cuda/compat",
    // A driver in a container of the GPU Operator, and the one of Google's Container-Optimized OS.
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
    "/run/nvidia/driver/usr/lib/aarch64-linux-gnu",
    "/run/nvidia/driver/usr/lib64",
    "/home/kubernetes/bin/nvidia/lib64",
];
/// The most that is read of the loader's cache, in bytes.
const CACHE: u64 = 4 << 20;
/// More files than any machine has of one library.
const MOST: usize = 64;

pub(super) fn read(given: &Given) -> Put {
    let libraries = libraries(&given.root);
    Box::new(move |survey| survey.libraries = libraries)
}

fn libraries(root: &Root) -> Libraries {
    let cache =
        root.bytes("/etc/ld.so.cache", CACHE).then(|bytes| loader_cache::libraries(&bytes, &[CUDA, NVML, DXCORE]));
    let cached = cache.found();
    let path = root.variable("LD_LIBRARY_PATH").unwrap_or_default();
    let preferred: Vec<String> = path.split([':', ';']).filter(|it| it.starts_with('/')).map(str::to_owned).collect();
    let of_cache = cached.into_iter().flatten().filter_map(|(_, path)| Some(path.rsplit_once('/')?.0.to_owned()));
    let folders = preferred.iter().cloned().chain(FOLDERS.map(str::to_owned)).chain(compat(root)).chain(of_cache);
    let mut seen = Vec::new();
    let mut found = Libraries {
        cached: cached.map(|cached| cached.iter().any(|(name, _)| name == "libnvidia-ml.so.1")),
        dxcore: cached.is_some_and(|cached| cached.iter().any(|(name, _)| name == DXCORE)),
        ..Libraries::default()
    };
    for folder in folders {
        let Seen::Found(whole) = root.canonical(&folder) else { continue };
        if seen.contains(&whole) {
            continue;
        }
        let is_preferred = preferred.contains(&folder);
        for name in root.list(&whole).found().into_iter().flatten() {
            found.dxcore |= name == DXCORE;
            let of = if name.starts_with(CUDA) {
                &mut found.cuda
            } else if name.starts_with(NVML) {
                &mut found.nvml
            } else {
                continue;
            };
            if of.len() < MOST {
                of.push(file(root, &whole, name, is_preferred));
            }
        }
        seen.push(whole);
    }
    found
}

/// The folders of forward-compatibility packages.
fn compat(root: &Root) -> Vec<String> {
    let names = root.list("/usr/local").found().cloned().unwrap_or_default();
    names.into_iter().filter(|name| name.starts_with("cuda")).map(|name| format!("/usr/local/{name}/compat")).collect()
}

fn file(root: &Root, folder: &str, name: &str, preferred: bool) -> LibraryFile {
    let path = format!("{folder}/{name}");
    let target = root.link(&path).found().cloned();
    let whole = root.canonical(&path).found().cloned();
    let version = [Some(name), whole.as_deref(), target.as_deref()].into_iter().flatten().find_map(version);
    let compat = Loaded::at(whole.as_deref().unwrap_or(&path)).compat || Loaded::at(&path).compat;
    let bytes = root.stat(&path).found().map(|stat| stat.size);
    LibraryFile { path, target, version, bytes, compat, preferred }
}

/// The driver's version at the end of a library's name: `libcuda.so.580.95.05`. A number of an interface, such as `1` or
/// `1.1`, is none.
pub(super) fn version(path: &str) -> Option<String> {
    let (_, version) = path.rsplit('/').next()?.split_once(".so.")?;
    let mut parts = version.split('.');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let first = parts.next()?;
    (digits(first) && first.len() >= 3 && parts.clone().count() >= 1 && parts.all(digits)).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_driver_s_version_is_told_from_an_interface_s() {
        assert_eq!(version("/usr/lib/libcuda.so.580.95.05").as_deref(), Some("580.95.05"));
        assert_eq!(version("libnvidia-ml.so.470.82").as_deref(), Some("470.82"));
        for none in [
            "libcuda.so",
            "libcuda.so.1",
            "libcuda.so.1.1",
            "libnvidia-container.so.1.18.0",
            "libcuda.so.580.x",
            "libcuda.so.580",
            "",
        ] {
            assert_eq!(version(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_read_without_a_panic(name in "(lib.{0,9}\\.so\\.)?\\PC*") {
            version(&name);
        }
    }
}
