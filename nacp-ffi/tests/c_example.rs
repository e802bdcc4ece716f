//! The C examples, as a user compiles and runs them.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Compiler, ROOT, compile, run, shared_library};

fn quickstart(folder: &Path) -> PathBuf {
    compile(&Path::new(ROOT).join("examples/c/quickstart.c"), folder, &["-pthread"])
}

#[test]
fn the_quickstart_does_the_whole_job_on_a_simulated_laptop() {
    let folder = shared_library();
    let program = quickstart(folder.path());
    let output = run(Command::new(&program).args(["--simulated", "--requests", "40"]));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(err, "", "{out}");
    for part in [
        "simulated, as asked",
        "simulated: rtx3050ti-laptop-wsl2, driver 591.44, CUDA 13.1",
        "GPU-3050a701-0000-4000-8000-000000000001  NVIDIA GeForce RTX 3050 Ti Laptop GPU",
        "simulated services, ready after ",
        "nacp.quickstart-c.llm.1",
        " ns per decision (200000 decisions, one thread)",
        "gateway: http://127.0.0.1:",
        "3 replicas removed",
    ] {
        assert!(out.contains(part), "`{part}` is missing in\n{out}");
    }
    let rows: Vec<Vec<&str>> = out
        .lines()
        .filter(|line| line.starts_with("router, straight") || line.starts_with("gateway  "))
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows.len(), 2, "{out}");
    for row in rows {
        assert_eq!(row[1..3], ["40", "0"], "{out}");
        let number = |text: &str| text.parse::<f64>().unwrap();
        assert!(number(row[3]) > 0.0 && number(row[3]) <= number(row[4]) && number(row[5]) > 0.0, "{out}");
    }

    let usage = run(Command::new(&program).arg("--colour"));
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&usage.stderr).starts_with("usage: "));
}

#[test]
fn without_docker_the_quickstart_says_so_and_goes_on_simulated() {
    let folder = shared_library();
    let mut program = Command::new(quickstart(folder.path()));
    let output = run(program.args(["--requests", "16"]).env("DOCKER_HOST", "unix:///nowhere/docker.sock"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let reason = "simulated, because there is no Docker: no container engine's socket is there: \
                  host=unix:///nowhere/docker.sock; install and start Docker Engine or Podman, or set DOCKER_HOST";
    assert!(out.contains(reason), "{out}");
    assert!(out.contains("simulated services, ready after ") && out.contains("3 replicas removed"), "{out}");
}

#[test]
fn with_a_driver_the_quickstart_lists_its_gpus() {
    let Ok(libraries) = std::env::var("NACP_SIM_NVML_DIR") else {
        println!("SKIP: NACP_SIM_NVML_DIR is not set; tests/run sets it");
        return;
    };
    let folder = shared_library();
    let mut program = Command::new(quickstart(folder.path()));
    program.env("LD_LIBRARY_PATH", libraries).env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let output = run(program.args(["--requests", "16"]));
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("\nsimulated: ") && out.contains("libnvidia-ml.so.1, driver 591.44"), "{out}");
    assert!(out.contains("GPU-3050a701-0000-4000-8000-000000000001"), "{out}");
}

#[test]
fn with_docker_the_quickstart_runs_containers_and_leaves_none() {
    if std::env::var("NACP_NO_DOCKER").is_ok_and(|value| value == "1") {
        println!("SKIP: no Docker daemon answers");
        return;
    }
    let folder = shared_library();
    let output = run(Command::new(quickstart(folder.path())).args(["--requests", "40"]));
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("\nreal: ") && out.contains("real services, ready after "), "{out}");
    assert!(out.contains("3 replicas removed"), "{out}");
    let mut list = Command::new("docker");
    let left = run(list.args(["ps", "--all", "--quiet", "--filter", "label=nacp.app=quickstart-c"]));
    assert!(left.status.success() && left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
}

fn gpus(folder: &Path) -> PathBuf {
    compile(&Path::new(ROOT).join("examples/c/gpus.c"), folder, &[])
}

#[test]
fn the_example_that_keeps_an_app_grows_and_takes_a_bad_update_back() {
    let folder = shared_library();
    let program = compile(&Path::new(ROOT).join("examples/c/keep.c"), folder.path(), &[]);
    let output = run(&mut Command::new(&program));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("rolled back") && out.ends_with("removed: 1\n"), "{out}");
}

#[test]
fn the_example_about_gpus_shows_a_simulated_server_and_how_healthy_it_is() {
    let folder = shared_library();
    let program = gpus(folder.path());
    let output = run(Command::new(&program).arg("simulated:broken"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(err, "", "{out}");
    for part in [
        "simulated: broken, driver 580.95.05\n",
        "0  GPU-0bad0a01-0000-4000-8000-000000000001  NVIDIA H100 80GB HBM3  79.6 GiB",
        "GPU0",
        "three seconds   mean W    p99 W   hottest\n",
        "GPU 0             71.0      71.0     33 °C\n",
        "simulated: drain: ",
        "GPU-0bad0a01-0000-4000-8000-000000000001  recovery_asked: ",
        "; reset the GPU\n",
    ] {
        assert!(out.contains(part), "`{part}` is missing in\n{out}");
    }
    let usage = run(Command::new(&program).arg("h100x8"));
    assert_eq!(usage.status.code(), Some(2));
    let unknown = run(Command::new(&program).arg("simulated:h100x9"));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean h100x8?"));
}

/// What the book shows in C compiles, in a function that has a context, a node and an error.
#[test]
fn the_c_of_the_book_compiles() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for chapter in std::fs::read_dir(Path::new(ROOT).join("docs")).unwrap().map(|entry| entry.unwrap().path()) {
        let text = std::fs::read_to_string(&chapter).unwrap_or_default();
        for (number, block) in text.split("```c\n").skip(1).enumerate() {
            let body = block.split("```").next().unwrap();
            let name = format!("{}_{number}", chapter.file_stem().unwrap().to_str().unwrap().replace('-', "_"));
            let signature = format!("void {name}(nacp_ctx *ctx, nacp_node *node, nacp_error error)");
            let unit = folder.path().join(format!("{name}.c"));
            let unused = "(void)ctx;\n(void)node;\n(void)error;\n";
            // A block that begins with a function of its own is a whole unit.
            let (declared, body) = match body.strip_prefix("static ") {
                Some(_) => (String::new(), body.to_owned()),
                None => (format!("{signature};\n\n"), format!("{signature} {{\n{unused}{body}}}\n")),
            };
            let program = format!("#include <nacp.h>\n#include <stdio.h>\n\n{declared}{body}");
            std::fs::write(&unit, program).unwrap();
            Compiler::C11.run(["-fsyntax-only".as_ref(), unit.as_os_str()]);
            count += 1;
        }
    }
    assert!(count >= 3, "{count}");
}

#[test]
fn the_checks_of_cuda_are_shown_on_a_simulated_server_and_refused_where_they_are_asked_for_wrongly() {
    let folder = shared_library();
    let program = compile(&Path::new(ROOT).join("examples/c/check.c"), folder.path(), &["-lm"]);
    let output = run(Command::new(&program).args(["quick", "rtx3050ti-laptop-wsl2"]));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for part in
        ["pass     lib.open", "pass     det.bits", "SIMULATED: nothing is said of any real GPU", "CUDA works here"]
    {
        assert!(out.contains(part), "`{part}` is missing in\n{out}");
    }
    let usage = run(Command::new(&program).arg("fast"));
    assert_eq!(usage.status.code(), Some(2));
    let none = run(Command::new(&program).args(["quick", "nowhere"]));
    assert_eq!(none.status.code(), Some(2), "{}", String::from_utf8_lossy(&none.stderr));
}

#[test]
fn a_machine_in_a_folder_is_examined_and_pinned_and_one_that_is_not_there_is_told() {
    let folder = shared_library();
    let program = compile(&Path::new(ROOT).join("examples/c/doctor.c"), folder.path(), &[]);
    let machine = Path::new(ROOT).join("nacp-core/tests/fixtures/hosts/wsl2-docker");
    let output = run(Command::new(&program).arg(&machine).arg("CUDA error 803"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for part in ["WSL2", "nothing found", "\"id\":\"D18\"", "format: 1"] {
        assert!(out.contains(part), "`{part}` is missing in\n{out}");
    }
    let none = run(Command::new(&program).arg("/no/such/folder"));
    assert_eq!(none.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&none.stderr).contains("/no/such/folder"));
}
