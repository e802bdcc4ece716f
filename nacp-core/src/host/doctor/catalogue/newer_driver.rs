//! A newer driver, by the layers of a machine: who installs it there, and in which branch.

use super::ground::{Ground, Packages, also};
use super::versions::Here;
use crate::cuda::Version;
use crate::cuda::compat::tables::{self, BRANCHES};
use crate::cuda::compat::{self, Platform};
use crate::host::doctor::Remedy;
use crate::host::{GpuPathKind, Survey};

/// How a driver of a branch is chosen where no command is certain.
const GUIDE: &str = "https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/";
const OPERATOR: &str = "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/latest/gpu-driver-upgrades.html";

/// A newer driver; the version that a toolkit wants where it is known.
pub(super) fn newer_driver(survey: &Survey, wanted: Option<Version>) -> Remedy {
    let platform = Here::of(survey).driver.platform;
    let least = wanted.and_then(|toolkit| compat::minimum_driver(toolkit, platform));
    let which = match least {
        Some(least) => format!("driver {} or newer", least.version),
        None => "a newer driver".into(),
    };
    if platform != Platform::Linux {
        return Remedy::new(format!("install {which} on Windows, and none inside WSL")).on_windows("nvidia-smi.exe");
    }
    let ground = Ground::of(survey);
    if survey.host.gpu.kind == GpuPathKind::Tegra {
        let remedy = Remedy::new(format!("bring JetPack up to date, whose part the driver is on Jetson, to {which}"));
        let remedy = ground.machine(remedy, "cat /etc/nv_tegra_release");
        return ground
            .machine(remedy, "sudo apt-get update && sudo apt-get install nvidia-jetpack")
            .note("a newer major version of JetPack is flashed, or comes with `sudo apt-get dist-upgrade` from its repository");
    }
    let branch = match wanted.map(|wanted| branch_for(survey, wanted)) {
        Some(Branch::Of(branch)) => Some(branch),
        Some(Branch::Beyond(last)) => {
            return older_image(survey).note(format!("{last} is the last driver of this GPU"));
        }
        None => None,
    };
    let packages = by_packages(survey, &which, branch);
    if survey.kubernetes.node || survey.kubernetes.pod {
        let version = least.map_or("<VERSION>".into(), |least| least.version.to_string());
        return Remedy::new(format!("let the GPU Operator of the cluster install {which}"))
            .run("kubectl get clusterpolicies.nvidia.com -o jsonpath='{.items[*].spec.driver.version}'")
            .run(format!(
                "kubectl patch clusterpolicies.nvidia.com/cluster-policy --type=merge -p \
                 '{{\"spec\":{{\"driver\":{{\"version\":\"{version}\"}}}}}}'"
            ))
            .note(format!(
                "the operator drains each node while it changes the driver. Which versions it has: {OPERATOR}"
            ))
            .or(packages);
    }
    packages
}

/// The same, or an image that was built with what the driver serves.
pub(super) fn newer_driver_or_older_image(survey: &Survey, wanted: Option<Version>) -> Remedy {
    let (newer, older) = (newer_driver(survey, wanted), older_image(survey));
    if newer.summary == older.summary { newer } else { newer.or(older) }
}

fn older_image(survey: &Survey) -> Remedy {
    let summary = match compat::newest_toolkit(&Here::of(survey).driver) {
        Some(served) => format!("take an image that was built with CUDA {served} or older"),
        None => "take an image that was built with an older CUDA".into(),
    };
    Remedy::new(summary).run("docker pull <IMAGE>:<TAG>")
}

/// By the packages of the machine's distribution, and a restart.
fn by_packages(survey: &Survey, which: &str, branch: Option<u32>) -> Remedy {
    let ground = Ground::of(survey);
    let remedy = match branch {
        Some(branch) => {
            Remedy::new(format!("install {which}, such as one of branch {branch}, and start the machine anew"))
        }
        None => Remedy::new(format!("install {which}, and start the machine anew")),
    };
    let remedy = match (ground.machine_packages(), branch) {
        (Packages::Apt, Some(branch)) if ground.is_ubuntu() => {
            let line = format!("sudo apt-get update && sudo apt-get install nvidia-driver-{branch}{}", flavour(survey));
            ground.machine(remedy, line)
        }
        (Packages::Apt, None) if ground.is_ubuntu() => {
            let remedy = ground.machine(remedy, "ubuntu-drivers list");
            ground.machine(remedy, "sudo ubuntu-drivers install nvidia:<BRANCH>")
        }
        (Packages::Apt, _) => also(
            ground.machine(remedy, "sudo apt-get update && sudo apt-get install nvidia-driver"),
            &format!(
                "A release of Debian keeps one branch; a newer one is in its backports, or in NVIDIA's repository: {GUIDE}"
            ),
        ),
        (Packages::Dnf, _) => also(
            ground.machine(remedy, "sudo dnf upgrade 'nvidia-driver*' 'kmod-nvidia*'"),
            &format!("Where the packages are held in one branch, choose another: {GUIDE}"),
        ),
        (Packages::Zypper, _) => also(
            ground.machine(remedy, "sudo zypper update 'nvidia-*'"),
            &format!("Where the packages are held in one branch, choose another: {GUIDE}"),
        ),
        (Packages::Pacman, _) => ground.machine(remedy, "sudo pacman -Syu"),
        (Packages::Unknown, _) => also(
            ground.machine(remedy, "nvidia-smi --query-gpu=name,driver_version --format=csv"),
            &format!("How a driver is installed: {GUIDE}"),
        ),
    };
    ground.machine(remedy, "sudo reboot")
}

/// What a branch can do for a toolkit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    /// This one serves it.
    Of(u32),
    /// None that drives the GPU does; this is the last.
    Beyond(u32),
}

/// The branch to name: of those that serve the toolkit and drive the GPU the one that is kept the longest.
fn branch_for(survey: &Survey, wanted: Version) -> Branch {
    let capability = survey.nvml.gpus.iter().find_map(|gpu| tables::capability(gpu.compute.as_ref()?.parse().ok()?));
    let last = capability.and_then(|row| row.last_branch);
    let fits = |branch: u32| last.is_none_or(|last| branch <= last);
    let serving = || BRANCHES.iter().filter(|row| row.cuda >= wanted && fits(row.branch));
    let kept = serving().filter(|row| row.kind != Some("new feature") && row.end.is_some()).max_by_key(|row| row.end);
    match kept.or_else(|| serving().next()) {
        Some(row) => Branch::Of(row.branch),
        None => Branch::Beyond(last.or(BRANCHES.last().map(|row| row.branch)).unwrap_or_default()),
    }
}

/// What stands behind the branch in the name of Ubuntu's package: as in the one that is installed, or as the GPU has it.
fn flavour(survey: &Survey) -> String {
    let installed = survey.packages.found().into_iter().flat_map(|packages| packages.keys()).find_map(|name| {
        let rest = name.strip_prefix("nvidia-driver-")?.trim_start_matches(|letter: char| letter.is_ascii_digit());
        matches!(rest, "" | "-open" | "-server" | "-server-open").then(|| rest.to_owned())
    });
    let data_centre = || Here::of(survey).gpu.is_some_and(|gpu| gpu.product.has_forward_compat() == Some(true));
    installed.unwrap_or_else(|| if data_centre() { "-server".into() } else { String::new() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::host::Seen;
    use crate::host::doctor::catalogue::bench;

    fn wanted(text: &str) -> Option<Version> {
        text.parse().ok()
    }

    fn lines(remedy: &Remedy) -> Vec<&str> {
        remedy.commands.iter().map(|command| command.line.as_str()).collect()
    }

    #[test]
    fn the_wanted_branch_is_installed_and_not_the_one_that_is_there_upgraded() {
        let mut survey = bench::machine();
        survey.nvml.gpus[0].compute = Some("8.9".into());
        let install = |survey: &Survey, cuda| lines(&newer_driver(survey, wanted(cuda)))[0].to_owned();
        let apt = "sudo apt-get update && sudo apt-get install nvidia-driver";
        assert_eq!(install(&survey, "12.8"), format!("{apt}-580-server"));
        assert_eq!(install(&survey, "13.1"), format!("{apt}-595-server"));
        survey.nvml.gpus[0].name = "NVIDIA GeForce RTX 4090".into();
        assert_eq!(install(&survey, "12.8"), format!("{apt}-580"));
        survey.packages = Seen::Found(BTreeMap::from([("nvidia-driver-550-open".into(), "550.1".into())]));
        assert_eq!(install(&survey, "12.8"), format!("{apt}-580-open"));
        survey.system.distribution = Seen::Found("debian".into());
        survey.system.like.clear();
        assert_eq!(install(&survey, "12.8"), apt);
    }

    #[test]
    fn no_driver_is_named_that_does_not_drive_the_gpu() {
        let mut survey = bench::machine();
        survey.nvml.gpus[0].compute = Some("3.5".into());
        let remedy = newer_driver_or_older_image(&survey, wanted("12.8"));
        assert!(remedy.note.contains("470 is the last driver"), "{remedy}");
        assert!(!remedy.to_string().contains("reboot") && remedy.alternatives.is_empty(), "{remedy}");
    }

    #[test]
    fn a_cluster_and_a_jetson_have_ways_of_their_own() {
        let mut survey = bench::machine();
        survey.kubernetes.node = true;
        let remedy = newer_driver(&survey, wanted("12.8"));
        assert!(lines(&remedy).iter().all(|line| line.starts_with("kubectl ")), "{remedy}");
        assert_eq!(remedy.alternatives.len(), 1);
        survey.kubernetes.node = false;
        survey.host.gpu.kind = GpuPathKind::Tegra;
        let remedy = newer_driver(&survey, wanted("12.8"));
        assert!(
            remedy.to_string().contains("nvidia-jetpack") && !remedy.to_string().contains("nvidia-driver"),
            "{remedy}"
        );
    }
}
