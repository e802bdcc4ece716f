//! What lies beside the driver's library, or in its place.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Loaded;
use crate::error::{Error, ErrorKind};

const OPERATION: &str = "cuda.open";
/// The management library: whoever may only watch GPUs has it without the CUDA driver.
const MANAGEMENT: &str = "libnvidia-ml.so.1";
/// The driver's compiler for PTX, which the driver opens when it needs it.
const COMPILER: &str = "libnvidia-ptxjitcompiler.so";
/// Where distributions, NVIDIA's container tools and WSL2 put the driver's libraries.
const FOLDERS: [&str; 8] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/wsl/lib",
];

/// What is known of the driver's compiler for PTX before it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compiler {
    /// It is this file.
    Found(PathBuf),
    /// It is in none of these folders. Unless the loader knows another one, programs in PTX will fail with 221
    /// (`CUDA_ERROR_JIT_COMPILER_NOT_FOUND`).
    Missing {
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
    },
    /// It cannot be told from files: a simulated driver compiles by itself, WSL2 and Windows keep it elsewhere.
    Unknown,
}

impl Loaded {
    /// Looks for the driver's compiler for PTX: beside the library, in the folders of `LD_LIBRARY_PATH` (its value is
    /// given) and in the system's own.
    pub fn compiler(&self, library_path: Option<&OsStr>) -> Compiler {
        if self.simulated || self.wsl || !cfg!(target_os = "linux") {
            return Compiler::Unknown;
        }
        let mut folders: Vec<PathBuf> = self.path.parent().map(PathBuf::from).into_iter().collect();
        folders.extend(of_path(library_path));
        folders.extend(FOLDERS.map(PathBuf::from));
        compiler_in(folders)
    }
}

fn compiler_in(folders: Vec<PathBuf>) -> Compiler {
    match folders.iter().find_map(|folder| begins_with(folder, COMPILER)) {
        Some(file) => Compiler::Found(file),
        None => Compiler::Missing { looked_in: folders },
    }
}

/// The first file of a folder whose name begins so, by name.
fn begins_with(folder: &Path, prefix: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.flatten();
    files.filter(|file| file.file_name().to_string_lossy().starts_with(prefix)).map(|file| file.path()).min()
}

fn of_path(library_path: Option<&OsStr>) -> Vec<PathBuf> {
    let folders = library_path.into_iter().flat_map(std::env::split_paths);
    folders.filter(|folder| !folder.as_os_str().is_empty()).collect()
}

/// The files of `LD_LIBRARY_PATH` (its value is given) that the loader takes before the system's own driver.
pub(crate) fn hits(library_path: Option<&OsStr>) -> Vec<PathBuf> {
    let names = |folder: PathBuf| ["libcuda.so.1", "libcuda.so"].map(|name| folder.join(name));
    of_path(library_path).into_iter().flat_map(names).filter(|file| file.exists()).collect()
}

/// Tells an absent driver from one that was kept from a container: there the management library is without it.
pub(super) fn explained(error: Error, library_path: Option<&OsStr>, capabilities: Option<&OsStr>) -> Error {
    if error.get("cause") != Some("absent") || !cfg!(target_os = "linux") {
        return error;
    }
    let folders = of_path(library_path).into_iter().chain(FOLDERS.map(PathBuf::from));
    let Some(management) = folders.map(|folder| folder.join(MANAGEMENT)).find(|file| file.exists()) else {
        return error;
    };
    let tried = error.get("tried").unwrap_or_default().to_owned();
    let set = capabilities.map_or("not set".into(), OsStr::to_string_lossy);
    Error::new(ErrorKind::DriverUnavailable, OPERATION, "the NVIDIA driver's CUDA library is not here, its others are")
        .with("cause", "compute capability missing")
        .with("library", "libcuda.so.1")
        .with("tried", tried)
        .with("management", management.display())
        .with("NVIDIA_DRIVER_CAPABILITIES", set)
        .hint(
            "give the container NVIDIA_DRIVER_CAPABILITIES=compute,utility; outside one, install libcuda of the driver",
        )
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_is_looked_for_beside_the_driver_and_where_the_loader_looks() {
        let [beside, other] = [(); 2].map(|()| tempfile::TempDir::new().unwrap());
        let driver = beside.path().join("libcuda.so.580.95.05");
        let loaded = Loaded::at(&driver);
        let path = Some(other.path().as_os_str());
        match loaded.compiler(path) {
            Compiler::Missing { looked_in } => {
                assert_eq!(looked_in[..2], [beside.path().to_owned(), other.path().to_owned()]);
            }
            Compiler::Found(system) => assert!(FOLDERS.iter().any(|folder| system.starts_with(folder))),
            Compiler::Unknown => panic!("a driver on Linux"),
        }
        let second = other.path().join("libnvidia-ptxjitcompiler.so.1");
        std::fs::write(&second, "").unwrap();
        assert_eq!(loaded.compiler(path), Compiler::Found(second));
        let first = beside.path().join("libnvidia-ptxjitcompiler.so.580.95.05");
        std::fs::write(&first, "").unwrap();
        assert_eq!(loaded.compiler(path), Compiler::Found(first));
        assert_eq!(Loaded { simulated: true, ..loaded }.compiler(path), Compiler::Unknown);
        assert_eq!(Loaded::at("/usr/lib/wsl/lib/libcuda.so.1").compiler(None), Compiler::Unknown);
    }

    #[test]
    fn the_library_path_is_read_folder_by_folder() {
        let [empty, full] = [(); 2].map(|()| tempfile::TempDir::new().unwrap());
        let file = full.path().join("libcuda.so");
        std::fs::write(&file, "").unwrap();
        let joined = std::env::join_paths([empty.path(), Path::new(""), full.path()]).unwrap();
        assert_eq!(hits(Some(&joined)), [file]);
        assert!(hits(None).is_empty());
    }

    #[test]
    fn only_an_absent_driver_is_explained() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join(MANAGEMENT), "").unwrap();
        let path = Some(folder.path().as_os_str());
        let error =
            |cause| Error::new(ErrorKind::DriverUnavailable, OPERATION, "x").with("cause", cause).with("tried", 9);
        assert_eq!(explained(error("broken"), path, None).get("cause"), Some("broken"));
        let absent = explained(error("absent"), path, Some(OsStr::new("utility")));
        assert_eq!(absent.get("cause"), Some("compute capability missing"));
        assert_eq!((absent.get("tried"), absent.get("NVIDIA_DRIVER_CAPABILITIES")), (Some("9"), Some("utility")));
    }
}
