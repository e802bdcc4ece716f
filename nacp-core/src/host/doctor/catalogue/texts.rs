//! The texts as users see them, and the entry that each of them means.

use crate::host::Seen;
use crate::host::doctor::catalogue::bench;
use crate::host::doctor::explain;
use crate::host::survey::{Survey, ToolkitConfig};

/// How runc, containerd and Docker wrap what a hook says.
const WRAPPED: &str = "docker: Error response from daemon: failed to create task for container: failed to create shim task: \
                       OCI runtime create failed: runc create failed: unable to start container process: error during \
                       container init: ";

/// Texts, each alone or as the end of what Docker says, and what they mean on a machine where all is well.
const TEXTS: &[(&str, &str)] = &[
    ("D01", "could not select device driver \"\" with capabilities: [[gpu]]"),
    ("D01", "could not select device driver \"\" with capabilities: [[gpu compute utility]]."),
    ("D01", "{\"message\":\"could not select device driver \\\"\\\" with capabilities: [[gpu]]\"}"),
    ("D01", "Cannot start service llm: could not select device driver \"\" with capabilities: [[compute utility gpu]]"),
    ("D02", "could not select device driver \"nvidia\" with capabilities: [[gpu]]"),
    ("D02", "could not select device driver \"nvidia.com/gpu\" with capabilities: [[gpu]]"),
    ("D02", "{\"message\":\"could not select device driver \\\"nvidia\\\" with capabilities: [[gpu]]\"}"),
    ("D03", "could not select device driver \"cdi\" with capabilities: []"),
    ("D03", "{\"message\":\"could not select device driver \\\"cdi\\\" with capabilities: []\"}"),
    ("D04", "CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=0"),
    ("D04", "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all"),
    ("D04", "failed to inject CDI devices: unresolvable CDI devices management.nvidia.com/gpu=all: unknown"),
    (
        "D05",
        "CDI device injection failed: failed to inject devices: failed to stat CDI host device \"/dev/dri/renderD129\": no \
             such file or directory",
    ),
    (
        "D05",
        "error mounting \"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.575.57.08\" to rootfs at \"/usr/lib/x86_64-linux-gnu/\
             libnvidia-ml.so.575.57.08\": open /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.575.57.08: no such file or directory",
    ),
    (
        "D05",
        "Error: crun: cannot stat `/lib64/libEGL_nvidia.so.565.77`: No such file or directory: OCI runtime attempted to \
             invoke a command that was not found",
    ),
    ("D06", "failed to generate CDI spec: failed to create device CDI specs: invalid device, empty device edits"),
    ("D06", "nvidia-cdi-refresh.service: Main process exited, code=exited; Failed with result 'exit-code'. failed"),
    ("D07", "failed to discover GPU vendor from CDI: no known GPU vendor found"),
    ("D08", "Failed to initialize NVML: Unknown Error"),
    ("D08", "pynvml.NVMLError_Unknown: Unknown Error"),
    ("D09", "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95"),
    ("D09", "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown"),
    (
        "D09",
        "NVRM: API mismatch: the client has the version 580.95.05, but this kernel module has the version 575.57.08.",
    ),
    (
        "D10",
        "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object \
             file: no such file or directory: unknown",
    ),
    (
        "D10",
        "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver \
             is properly installed and present in your system.",
    ),
    ("D10", "pynvml.NVMLError_LibraryNotFound: NVML Shared Library Not Found"),
    (
        "D22",
        "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env \
             variable CUDA_VISIBLE_DEVICES after program start.",
    ),
    ("D22", "cuda driver library init failure: 999"),
    ("D22", "cuInit(0) returned CUDA_ERROR_UNKNOWN"),
    (
        "D23",
        "nvidia-container-cli: mount error: failed to add device rules: unable to find any existing device filters \
             attached to the cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted: unknown",
    ),
    ("D25", "Failed to initialize NVML: Insufficient Permissions"),
    ("D25", "avc:  denied  { read write } for comm=\"nvidia-smi\" name=\"nvidiactl\" tclass=chr_file permissive=0"),
    ("D26", "Unable to retrieve MIG memory: error getting parent memory info: Insufficient Permissions"),
    (
        "D27",
        "nvidia-container-cli: device error: unknown device MIG-GPU-b8ea3855-276c-c9cb-b366-c6fa655957c5/1/0: unknown",
    ),
    ("D28", "No MIG devices found"),
    ("D29", "exec: \"nvidia-container-runtime-hook\": stat /snap/docker/2932/bin: no such file or directory"),
    (
        "D32",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA \
             driver is installed and running.",
    ),
    ("D32", "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service"),
    ("D32", "nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown"),
    ("D33", "unknown or invalid runtime name: nvidia"),
    ("D33", "Unknown runtime specified nvidia."),
    (
        "D42",
        "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer \
             version",
    ),
    ("D42", "client version 1.53 is too new. Maximum supported API version is 1.45"),
    (
        "D43",
        "Error: crun: executable file `nvidia-smi` not found in $PATH: No such file or directory: OCI runtime attempted \
             to invoke a command that was not found",
    ),
    ("D46", "NVIDIA Container Toolkit before 1.17.8 is affected by CVE-2025-23266"),
    ("D47", "CUDA initialization fails after upgrading to nvidia-container-toolkit 1.19.1-1"),
    ("D48", "error setting rlimits for ready process: error setting rlimit type 8: operation not permitted: unknown"),
    ("D48", "crun: setrlimit `RLIMIT_MEMLOCK`: Operation not permitted: OCI permission denied"),
    ("D49", "insufficient privileges to read device list from NVIDIA_VISIBLE_DEVICES envvar"),
];

fn meanings(text: &str, survey: &Survey) -> Vec<String> {
    explain(text, survey).matches.iter().map(|one| one.id.to_string()).collect()
}

/// D08 and D24 have one text; so may be an entry and one whose words it also has.
fn shares(text: &str, first: &str, other: &str) -> bool {
    let nvml = text.contains("NVML: Unknown Error");
    nvml && [first, other].iter().all(|id| ["D08", "D24"].contains(id))
}

#[test]
fn each_text_means_its_entry_first_and_no_neighbour() {
    let survey = bench::machine();
    let mut wrong = Vec::new();
    for (id, text) in TEXTS {
        for text in [(*text).to_owned(), format!("{WRAPPED}{text}\n\nRun 'docker run --help' for more information")] {
            let found = meanings(&text, &survey);
            let others = found.iter().skip(1).filter(|other| !shares(&text, id, other));
            if found.first().map(String::as_str) != Some(*id) || others.count() > 0 {
                wrong.push(format!("{id} is told as {found:?}: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_machine_with_no_cgroups_reads_the_shared_text_as_its_own_setting() {
    let mut survey = bench::machine();
    let text = "Failed to initialize NVML: Unknown Error";
    assert_eq!(meanings(text, &survey), ["D08", "D24"]);
    survey.toolkit.config = Seen::Found(ToolkitConfig { no_cgroups: Some(true), ..ToolkitConfig::default() });
    assert_eq!(meanings(text, &survey), ["D24", "D08"]);
}

#[test]
fn a_variable_that_takes_all_gpus_is_known_where_it_is_no_part_of_an_error() {
    let survey = bench::machine();
    assert_eq!(meanings("environment: NVIDIA_VISIBLE_DEVICES=all", &survey), ["D49"]);
    assert_eq!(meanings("failed to start with NVIDIA_VISIBLE_DEVICES=all", &survey), Vec::<String>::new());
}

#[test]
fn texts_of_other_troubles_mean_none_of_them() {
    let survey = bench::machine();
    for text in [
        "could not select device driver",
        "error mounting \"/data\" to rootfs: no such file or directory",
        "error setting rlimit type 7: operation not permitted",
        "client version 1.41",
        "unknown or invalid runtime name: kata",
        "Failed to initialize NVML: Not Found",
        "exec: \"python\": executable file not found in $PATH",
        "",
    ] {
        assert_eq!(meanings(text, &survey), Vec::<String>::new(), "{text}");
    }
}
