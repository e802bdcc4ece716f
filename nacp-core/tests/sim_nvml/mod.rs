//! The simulated `libnvidia-ml.so.1` of `tests/sim-nvml` in a process of its own.
//!
//! The library's state belongs to a process, and its node and faults come from the environment. So a test that wants its
//! own runs itself again, alone in a child process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nacp_core::gpu::Nvml;

/// Set in the child: the library.
const LIBRARY: &str = "NACP_TEST_NVML_LIBRARY";

/// In the child, the source over the simulated library. In the parent nothing, after the child has passed: the test
/// `name` runs there with this environment.
pub(crate) fn alone(name: &str, environment: &[(&str, &str)]) -> Option<Nvml> {
    if let Some(library) = std::env::var_os(LIBRARY) {
        return Some(Nvml::open_at(Path::new(&library)).expect("the simulated library opens"));
    }
    let output = Command::new("timeout")
        .arg("60")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(LIBRARY, library())
        .env_remove("NACP_SIM_NODE")
        .env_remove("NACP_SIM_NVML_FAULTS")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{environment:?}: {}\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "the child ran no test {name}: {out}");
    None
}

/// The simulated library, built and placed once per process, where the next run finds it again.
fn library() -> PathBuf {
    static STAGED: OnceLock<PathBuf> = OnceLock::new();
    let staged = STAGED.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sim-nvml/stage");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sim-nvml");
        let output = Command::new("timeout").arg("600").arg(script).arg(&folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder.join("libnvidia-ml.so.1")
    });
    staged.clone()
}
