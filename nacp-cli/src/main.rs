//! The program `nacp`. What it does is in the library of this crate.

use std::io::Write;
use std::process::ExitCode;

use nacp_core::Program;

fn main() -> ExitCode {
    // This program is also the child that touches a driver.
    if nacp_core::answer() {
        return ExitCode::SUCCESS;
    }
    match Program::this() {
        Ok(program) => nacp_cli::run_program(std::env::args_os().skip(1), &program).into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "nacp: {error}");
            nacp_cli::Exit::Failed.into()
        }
    }
}
