//! A test that runs in a child process, where the simulated `libcuda.so.1` is the driver.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nacp_core::cuda::{Driver, Execute, Library};
use tempfile::TempDir;

const LIBRARY: &str = "NACP_TEST_CUDA_LIBRARY";

/// A folder with the simulated driver: the one that the environment names, or one that is built by the script that users
/// of it run.
fn staged() -> PathBuf {
    if let Some(folder) = std::env::var_os("NACP_SIM_CUDA_DIR") {
        return folder.into();
    }
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let stage = || {
        let folder = TempDir::new().unwrap();
        let stage = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sim-cuda/stage");
        let output = Command::new(stage).arg(folder.path()).env_remove("LD_LIBRARY_PATH").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    };
    FOLDER.get_or_init(stage).path().to_owned()
}

/// Runs the case in a child process with this environment; in the child, gives the opened and started library.
pub(crate) fn child(case: &str, environment: &[(&str, &str)]) -> Option<Library> {
    if let Some(path) = std::env::var_os(LIBRARY) {
        let library = Library::open_at(&PathBuf::from(path)).unwrap();
        assert_eq!((library.missing().len(), library.lacks().len()), (0, 0), "{library:?}");
        assert_eq!(library.init(), 0);
        return Some(library);
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", case, "--nocapture", "--test-threads=1"]);
    child.env_remove("NACP_SIM_CUDA_FAULTS").env("NACP_SIM_NODE", "h100x8");
    child.env(LIBRARY, staged().join("libcuda.so.1")).envs(environment.iter().copied());
    let output = child.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("1 passed"), "{case}\n{stdout}\n{stderr}");
    None
}
