//! The C quickstart, as a user compiles and runs it.

mod common;

use std::path::Path;
use std::process::Command;

use common::{ROOT, compile, run, shared_library};

#[test]
fn the_quickstart_does_the_whole_job_on_a_simulated_laptop() {
    let folder = shared_library();
    let program = compile(&Path::new(ROOT).join("examples/c/quickstart.c"), folder.path(), &["-pthread"]);
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
