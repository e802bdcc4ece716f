//! The driver's library: which file it is, and what it lacks.

use std::ffi::OsStr;

use crate::cuda::check::{Bench, Outcome, Stop};
use crate::cuda::{CheckId, Compiler, Manifest, Need, hits};

/// `lib.open`.
pub(super) fn open(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let loaded = bench.driver.loaded();
    outcome.read("library", loaded.path.display(), "dlopen");
    if let Ok(real) = loaded.path.canonicalize()
        && real != loaded.path
    {
        outcome.read("real path", real.display(), "realpath");
    }
    for (flag, what) in [
        (loaded.simulated, "simulated"),
        (loaded.stub, "a toolkit's stub"),
        (loaded.compat, "forward compatibility"),
        (loaded.wsl, "WSL2"),
    ] {
        if flag {
            outcome.read("kind", what, loaded.path.display().to_string());
        }
    }
    let library_path = bench.facts.environment.get("LD_LIBRARY_PATH").map(OsStr::new);
    for hit in hits(library_path) {
        outcome.read("before the system's own", hit.display(), "LD_LIBRARY_PATH");
    }
    for reason in &loaded.passed_over {
        outcome.read("passed over", reason, "dlopen");
        outcome
            .warn(format!("a file that was found first cannot be loaded: {reason}; remove it from the library path"));
    }
    if loaded.stub {
        outcome.fail(format!(
            "{} is a CUDA toolkit's stub and no driver; remove the folder `stubs` from LD_LIBRARY_PATH",
            loaded.path.display()
        ));
    }
    match loaded.compiler(library_path) {
        Compiler::Found(file) => outcome.read("compiler for PTX", file.display(), "files"),
        Compiler::Missing { looked_in } => {
            outcome.read("compiler for PTX", "not found", looked_in.len().to_string() + " folders");
            outcome.warn(
                "libnvidia-ptxjitcompiler is not beside the driver: programs in PTX will fail with 221; install it in \
                 the driver's version, or give the container the capability `compute`",
            );
        }
        Compiler::Unknown => {}
    }
    Ok(outcome)
}

/// `lib.symbols`.
pub(super) fn symbols(bench: &Bench<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::pass();
    let manifest = Manifest::of(bench.driver);
    let known = manifest.symbols().len();
    let absent = manifest.absent().count();
    outcome.read("functions", format!("{} of {known}", known - absent), "dlsym");
    for need in Need::ALL {
        let missing: Vec<_> = manifest.missing(need).collect();
        if missing.is_empty() {
            continue;
        }
        outcome.read(format!("missing for {need}"), missing.join(","), "dlsym");
        if need == Need::Probe {
            outcome.fail(format!(
                "the driver lacks {}: it is a stub, or older than CUDA 11; install the NVIDIA driver",
                missing.join(",")
            ));
        }
    }
    let lacking: Vec<_> = manifest.lacking().into_iter().map(|(check, _)| CheckId::name(check)).collect();
    if !lacking.is_empty() {
        outcome.warn(format!("functions are missing for {}; install a newer NVIDIA driver", lacking.join(",")));
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Script, Scripted};
    use super::*;
    use crate::cuda::check::Facts;

    fn ends(script: Script, body: super::super::Body) -> String {
        Scripted::new(script).ends(body)
    }

    /// A driver at this path that says it is simulated: no file of this machine has a part in the answer.
    fn at(library: &'static str) -> Script {
        Script { library, simulated: true, ..Script::default() }
    }

    #[test]
    fn a_driver_passes_and_a_stub_does_not() {
        assert_eq!(ends(at("/usr/lib/libcuda.so.1"), open), "pass");
        assert_eq!(
            ends(at("/usr/local/cuda/lib64/stubs/libcuda.so"), open),
            "fail: /usr/local/cuda/lib64/stubs/libcuda.so is a CUDA toolkit's stub and no driver; remove the folder \
             `stubs` from LD_LIBRARY_PATH"
        );
    }

    #[test]
    fn the_files_that_come_before_the_systems_own_are_told() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("libcuda.so");
        std::fs::write(&file, "").unwrap();
        let mut facts = Facts::default();
        facts.environment.insert("LD_LIBRARY_PATH".into(), folder.path().display().to_string());
        let outcome = Scripted::new(Script { facts, ..at("/usr/lib/wsl/lib/libcuda.so.1") }).check(open).unwrap();
        let read: Vec<_> = outcome.evidence.iter().map(|it| (it.what.as_str(), it.value.as_str())).collect();
        assert_eq!(
            read,
            [
                ("library", "/usr/lib/wsl/lib/libcuda.so.1"),
                ("kind", "simulated"),
                ("kind", "WSL2"),
                ("before the system's own", file.to_str().unwrap()),
            ]
        );
    }

    #[test]
    fn a_driver_without_its_compiler_is_a_warning_before_a_program_fails() {
        let folder = Box::leak(Box::new(tempfile::TempDir::new().unwrap()));
        let library = Box::leak(folder.path().join("libcuda.so.1").display().to_string().into_boxed_str());
        let script = || Script { library, ..Script::default() };
        let installed = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/lib64"]
            .iter()
            .any(|place| std::path::Path::new(place).join("libnvidia-ptxjitcompiler.so.1").exists());
        if cfg!(target_os = "linux") && !installed {
            assert_eq!(
                ends(script(), open),
                "warn: libnvidia-ptxjitcompiler is not beside the driver: programs in PTX will fail with 221; install it \
                 in the driver's version, or give the container the capability `compute`"
            );
        }
        std::fs::write(folder.path().join("libnvidia-ptxjitcompiler.so.1"), "").unwrap();
        assert_eq!(ends(script(), open), "pass");
    }

    #[test]
    fn what_is_missing_is_told_with_the_checks_that_it_costs() {
        assert_eq!(ends(Script::default(), symbols), "pass");
        let lacks = vec!["cuGraphInstantiateWithFlags", "cuEventElapsedTime"];
        let graphs = Scripted::new(Script { lacks: lacks[..1].to_vec(), ..Script::default() });
        assert_eq!(
            graphs.ends(symbols),
            "warn: functions are missing for graph.capture; install a newer NVIDIA driver"
        );
        let told = graphs.check(symbols).unwrap().evidence;
        assert!(told.iter().any(|it| it.what == "missing for graph" && it.value == lacks[0]), "{told:?}");
        let timed = ends(Script { lacks, ..Script::default() }, symbols);
        assert!(timed.contains("bw.h2d,") && timed.contains("thr.fma,"), "{timed}");
        let missing = vec!["cuDeviceGet", "cuDeviceGetName"];
        assert_eq!(
            ends(Script { missing, ..Script::default() }, symbols),
            "fail: the driver lacks cuDeviceGet,cuDeviceGetName: it is a stub, or older than CUDA 11; install the NVIDIA \
             driver"
        );
    }
}
