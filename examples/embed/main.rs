//! A program that looks where it stands before it starts, and acts on it: `cargo run --release --example embed`.
//!
//! The machine is read once. What is broken, and how a container is to be given its GPU, are computed from that.

use std::process::ExitCode;

use nacp_core::Program;
use nacp_core::host::doctor::{Finding, Severity};
use nacp_core::host::{DaemonPlace, GpuPathKind, Survey, diagnose};

fn main() -> ExitCode {
    // This program is also the child that touches the driver: a crash of the driver must not be its own.
    if nacp_core::answer() {
        return ExitCode::SUCCESS;
    }
    let survey = match Program::this() {
        Ok(program) => Survey::builder().isolated(program).read(),
        Err(error) => {
            eprintln!("embed: {error}");
            return ExitCode::from(2);
        }
    };
    println!("{}", survey.host.summary());
    match Start::on(&survey) {
        Start::With { arguments, isolated } => {
            println!("docker run {arguments} …");
            if !isolated {
                println!(
                    "the container can use the other GPUs too: on this machine it is asked not to, and not prevented"
                );
            }
            ExitCode::SUCCESS
        }
        Start::WithoutGpu { why } => {
            println!("on the CPU: {why}");
            ExitCode::SUCCESS
        }
        Start::Refused { because } => {
            for finding in because {
                eprintln!("{} {}: {}", finding.id, finding.title, finding.remedy.summary);
            }
            ExitCode::FAILURE
        }
    }
}

/// How this program starts its service on a machine.
#[derive(Debug, PartialEq)]
enum Start {
    /// With a GPU, by these arguments.
    With { arguments: String, isolated: bool },
    /// Without one.
    WithoutGpu { why: &'static str },
    /// Not before these are mended.
    Refused { because: Vec<Finding> },
}

impl Start {
    fn on(survey: &Survey) -> Self {
        let broken = |finding: &Finding| finding.severity == Severity::Broken && finding.subject.is_none();
        let because: Vec<_> = diagnose(survey).findings.into_iter().filter(broken).collect();
        if !because.is_empty() {
            return Self::Refused { because };
        }
        let Some(gpu) = survey.nvml.gpus.iter().max_by_key(|gpu| gpu.memory_total) else {
            return Self::WithoutGpu { why: "this machine shows no GPU" };
        };
        let Some((daemon, place)) = survey.daemon().and_then(|it| Some((it.answer.found()?, it.place))) else {
            return Self::WithoutGpu { why: "no container daemon answers" };
        };
        if matches!(place, DaemonPlace::DesktopLinux | DaemonPlace::DesktopVm) {
            return Self::WithoutGpu { why: "the daemon is in a virtual machine that has no GPU" };
        }
        let all = "nvidia.com/gpu=all".to_owned();
        let named = format!("nvidia.com/gpu={}", gpu.id);
        let has = |device: &String| survey.cdi.nvidia_devices().contains(device);
        let arguments = if survey.host.gpu.kind == GpuPathKind::Paravirtual && has(&all) {
            // One device stands for all GPUs there, so that the choice is the program's own inside.
            return Self::With {
                arguments: format!("--device {all} --env CUDA_VISIBLE_DEVICES={}", gpu.id),
                isolated: survey.nvml.gpus.len() == 1,
            };
        } else if has(&named) {
            format!("--device {named}")
        } else if daemon.runtimes.iter().any(|runtime| runtime == "nvidia") {
            format!("--gpus device={}", gpu.id)
        } else {
            return Self::WithoutGpu { why: "the daemon has neither CDI devices nor the runtime `nvidia`" };
        };
        Self::With { arguments, isolated: true }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nacp_core::host::survey::NvmlFailure;
    use nacp_core::host::{Root, Seen};

    use super::*;

    fn read(machine: &str) -> Survey {
        let hosts = Path::new(env!("CARGO_MANIFEST_DIR")).join("nacp-core/tests/fixtures/hosts");
        Survey::builder().root(Root::open(hosts.join(machine)).unwrap()).read()
    }

    fn on(machine: &str) -> Start {
        Start::on(&read(machine))
    }

    fn with(arguments: &str, isolated: bool) -> Start {
        Start::With { arguments: arguments.to_owned(), isolated }
    }

    #[test]
    fn a_service_gets_its_gpu_in_the_way_of_the_machine() {
        let (laptop, server) = ("GPU-00000001-0000-4000-8000-000000000001", "GPU-00000002-0000-4000-8000-000000000002");
        let cooperative = format!("--device nvidia.com/gpu=all --env CUDA_VISIBLE_DEVICES={laptop}");
        assert_eq!(on("wsl2-docker"), with(&cooperative, true));
        assert_eq!(on("bare-metal-docker"), with(&format!("--device nvidia.com/gpu={server}"), true));
        assert_eq!(on("bare-metal-docker-legacy"), with(&format!("--gpus device={server}"), true));
        assert_eq!(on("laptop-without-gpu"), Start::WithoutGpu { why: "this machine shows no GPU" });
        let desktop = Start::WithoutGpu { why: "the daemon is in a virtual machine that has no GPU" };
        assert_eq!(on("desktop-linux"), desktop);
    }

    #[test]
    fn nothing_is_started_where_the_driver_does_not_work() {
        let mut survey = read("bare-metal-docker");
        survey.nvml.failure = Some(NvmlFailure { code: Some(18), ..NvmlFailure::default() });
        survey.nvml.driver = Seen::Unreadable("driver/library version mismatch".into());
        let Start::Refused { because } = Start::on(&survey) else { panic!("the driver's parts do not match") };
        assert_eq!(because[0].id.to_string(), "D09");
    }
}
