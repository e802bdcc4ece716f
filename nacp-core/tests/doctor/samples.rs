//! Texts as users paste them, and the failure that each tells of.

/// By entry: at least two texts each, in the wordings of different programs.
pub(crate) const SAMPLES: &[(&str, &str)] = &[
    ("D01", "docker: Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]]."),
    (
        "D01",
        "Error response from daemon: could not select device driver \"\" with capabilities: [[gpu compute utility]]\n\
         ERRO[0000] error waiting for container: context canceled",
    ),
    ("D02", "Error response from daemon: could not select device driver \"nvidia\" with capabilities: [[gpu]]"),
    (
        "D02",
        "Error response from daemon: could not select device driver \"nvidia.com/gpu\" with capabilities: [[gpu]]\n\
         make: *** [Makefile:12: up] Error 1",
    ),
    ("D03", "docker: Error response from daemon: could not select device driver \"cdi\" with capabilities: []."),
    ("D03", "Error: could not select device driver \"cdi\" with capabilities: [[gpu]]"),
    (
        "D04",
        "docker: Error response from daemon: CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=0",
    ),
    (
        "D04",
        "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=GPU-4cf8db2d-06c0-7d70-1a51-e59b25b2c16c",
    ),
    (
        "D05",
        "Error response from daemon: failed to create task for container: CDI device injection failed: failed to stat CDI \
         host device \"/dev/dri/renderD129\": no such file or directory",
    ),
    (
        "D05",
        "OCI runtime create failed: runc create failed: unable to start container process: error during container init: \
         error mounting \"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15\" to rootfs: stat \
         /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15: no such file or directory",
    ),
    (
        "D06",
        "level=error msg=\"failed to generate CDI spec: failed to create device CDI specs: invalid device, empty device \
         edits\"",
    ),
    ("D06", "ERRO[0000] failed to save CDI spec: invalid device, empty device edits"),
    ("D07", "docker: Error response from daemon: failed to discover GPU vendor from CDI: no known GPU vendor found"),
    (
        "D07",
        "failed to discover GPU vendor from CDI: no known GPU vendor found\nRun 'docker run --help' for more information",
    ),
    ("D08", "$ docker exec llm nvidia-smi\nFailed to initialize NVML: Unknown Error"),
    ("D08", "RuntimeError: Failed to initialize NVML: Unknown Error\nthe GPU was there yesterday"),
    ("D09", "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95"),
    ("D09", "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown"),
    (
        "D09",
        "NVRM: API mismatch: the client has the version 580.95.05, but\nNVRM: this kernel module has the version 580.82.07.",
    ),
    (
        "D10",
        "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: \
         no such file or directory: unknown",
    ),
    (
        "D10",
        "NVMLError_LibraryNotFound: NVML Shared Library Not Found: libnvidia-ml.so.1: cannot open shared object file",
    ),
    (
        "D11",
        "Auto-detected mode as 'legacy'\nnvidia-container-cli: initialization error: WSL environment detected but no adapters \
         were found: unknown",
    ),
    ("D11", "error running hook #0: exit status 1, stderr: WSL environment detected but no adapters were found"),
    (
        "D12",
        "nvidia-container-cli: mount error: file creation failed: \
         /var/lib/docker/overlay2/1f/merged/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1: file exists: unknown.",
    ),
    (
        "D12",
        "nvidia-container-cli: mount error: file creation failed: \
         /var/lib/docker/overlay2/9c/merged/usr/lib/x86_64-linux-gnu/libcuda.so.1: file exists: unknown",
    ),
    ("D13", "/sbin/ldconfig.real: /usr/lib/wsl/lib/libcuda.so.1 is not a symbolic link"),
    (
        "D13",
        "Processing triggers for libc-bin (2.35-0ubuntu3.8) ...\n/sbin/ldconfig.real: /usr/lib/wsl/lib/libcuda.so.1 is not a \
         symbolic link\n",
    ),
    (
        "D14",
        "Failed to initialize NVML: GPU access blocked by the operating system\nFailed to properly shut down NVML: GPU access \
         blocked by the operating system",
    ),
    ("D14", "nvidia-container-cli: initialization error: nvml error: gpu access blocked by the operating system"),
    ("D14", "pynvml.NVMLError: NVML_ERROR_OPERATING_SYSTEM"),
    ("D15", "nvidia-container-cli: initialization error: driver error: failed to process request: unknown."),
    ("D15", "nvidia-container-cli: initialization error: driver rpc error: failed to process request"),
    (
        "D16",
        "nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.8, please update your driver to a newer \
         version, or use an earlier cuda container: unknown",
    ),
    ("D16", "stderr: nvidia-container-cli: requirement error: unsatisfied condition: cuda >= 11.6\n\"\": unknown"),
    ("D17", "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version"),
    (
        "D17",
        "UserWarning: CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update \
         your GPU driver",
    ),
    (
        "D17",
        "cudaGetDeviceCount returned 35\n-> CUDA driver version is insufficient for CUDA runtime version\nResult = FAIL",
    ),
    (
        "D18",
        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling \
         NumCudaDevices() that might have already set an error? Error 803: system has unsupported display driver / cuda \
         driver combination",
    ),
    ("D18", "E tensorflow: failed call to cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
    ("D18", "cuInit failed: CUDA error 803"),
    ("D19", "RuntimeError: Error 804: forward compatibility was attempted on non supported HW"),
    ("D19", "failed call to cuInit: CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE: forward compatibility was attempted"),
    ("D20", "RuntimeError: CUDA error: no kernel image is available for execution on the device"),
    (
        "D20",
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch installation.\n\
         The current PyTorch install supports CUDA capabilities sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90.",
    ),
    (
        "D20",
        "ggml_cuda_compute_forward: RMS_NORM failed\nCUDA error: no kernel image is available for execution on the device",
    ),
    ("D21", "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized"),
    ("D21", "cudaErrorSystemNotReady"),
    (
        "D21",
        "nv-fabricmanager[2211]: fabric manager NVIDIA GPU driver interface version 580.82.07 don't match with driver version \
         580.95.05. Please update with matching NVIDIA driver package.",
    ),
    ("D22", "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment"),
    ("D22", "failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error"),
    (
        "D23",
        "nvidia-container-cli: mount error: failed to add device rules: unable to find any existing device filters attached \
         to the cgroup: bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted",
    ),
    ("D23", "bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted: unknown"),
    ("D24", "/etc/nvidia-container-runtime/config.toml:14:no-cgroups = true"),
    ("D24", "[nvidia-container-cli]\nno-cgroups = true\nload-kmods = true"),
    ("D25", "Failed to initialize NVML: Insufficient Permissions"),
    ("D25", "nvidia-container-cli: initialization error: nvml error: insufficient permissions: unknown"),
    ("D26", "error getting parent memory info: Insufficient Permissions"),
    (
        "D26",
        "E1012 plugin.go: failed to construct NVML resource managers: error getting parent memory info: Insufficient \
         Permissions",
    ),
    (
        "D27",
        "nvidia-container-cli: device error: unknown device id: MIG-GPU-b4a5ca5b-9f3a-4e3c-8a1b-6f7d8e9f0a1b/1/0: unknown",
    ),
    ("D27", "unknown device MIG-GPU-b4a5ca5b-9f3a-4e3c-8a1b-6f7d8e9f0a1b/3/0"),
    ("D28", "$ docker exec trainer nvidia-smi mig -lgi\nNo MIG devices found."),
    ("D28", "mig-parted made 7 instances on the node, the running container says: No MIG devices found"),
    ("D29", "nvidia-container-cli.real: ldcache error: open failed: /snap/docker/2932/sbin/ldconfig.real: nvidia"),
    ("D29", "snap.docker.dockerd.service: exec: \"nvidia-container-runtime\": executable file not found in $PATH"),
    ("D30", "Current context: desktop-linux\nError response from daemon: could not select device driver \"\""),
    ("D30", "I use Docker Desktop for Linux 4.48 and torch finds no GPU, nvidia-smi works on the host"),
    ("D31", " Kernel Version: 6.10.14-linuxkit\n Operating System: Docker Desktop\n OSType: linux\n"),
    ("D31", "Docker Desktop with the Hyper-V backend shows no GPU in the container"),
    (
        "D32",
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
    ),
    ("D32", "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service"),
    ("D33", "docker: Error response from daemon: unknown or invalid runtime name: nvidia."),
    (
        "D33",
        "OCI runtime create failed: unable to retrieve OCI runtime error (open /run/containerd/…/log.json: no such file or \
         directory): fork/exec /usr/bin/nvidia-container-runtime: no such file or directory: unknown",
    ),
    ("D33", "Error response from daemon: Unknown runtime specified nvidia."),
    (
        "D34",
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \
         \"nvidia\" is configured",
    ),
    ("D34", "Warning  FailedCreatePodSandBox  kubelet  RuntimeHandler \"nvidia\" not supported"),
    ("D35", "0/3 nodes are available: 1 node(s) had untolerated taint, 2 Insufficient nvidia.com/gpu."),
    (
        "D35",
        "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, \
         Available: 0, which is unexpected",
    ),
    ("D36", "NCCL WARN Error while creating shared memory segment /dev/shm/nccl-Gb3yXw (size 9637888)"),
    (
        "D36",
        "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory (shm).",
    ),
    ("D36", "NCCL WARN Call to posix_fallocate failed : No space left on device"),
    ("D37", "NVRM: Xid (PCI:0000:65:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus."),
    (
        "D37",
        "Unable to determine the device handle for GPU0000:65:00.0: GPU is lost.  Reboot the system to recover this GPU",
    ),
    (
        "D37",
        "[ 1022.1] NVRM: GPU at PCI:0000:65:00: GPU-0\n[ 1022.1] NVRM: GPU 0000:65:00.0: GPU has fallen off the bus.",
    ),
    ("D38", "RuntimeError: CUDA error: uncorrectable ECC error encountered"),
    ("D38", "NVRM: Xid (PCI:0000:3b:00): 48, pid=911, name=python3, DBE (double bit error) on partition 2"),
    ("D38", "[3.1] NVRM: Xid (PCI:0000:3b:00): 63, pid=911, name=python3, Row Remapper: New row marked for remapping"),
    ("D39", "RuntimeError: CUDA error: all CUDA-capable devices are busy or unavailable"),
    ("D39", "CUDA error: CUDA-capable device(s) is/are busy or unavailable (cudaErrorDevicesUnavailable)"),
    (
        "D40",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 3.63 GiB",
    ),
    (
        "D40",
        "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: out of memory",
    ),
    (
        "D40",
        "ValueError: Free memory on device (3.1/4.0 GiB) on startup is less than desired GPU memory utilization (0.9, 3.6 \
         GiB).",
    ),
    ("D41", "W gpu_host_allocator.h:44] could not allocate pinned host memory of size: 2147483648"),
    ("D41", "E cuda_driver.cc:802] failed to alloc 1073741824 bytes on host: CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
    (
        "D42",
        "Error response from daemon: client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version",
    ),
    ("D42", "client version 1.53 is too new. Maximum supported API version is 1.45"),
    ("D43", "$ podman run --gpus all app\ntorch: no CUDA-capable device is detected"),
    ("D43", "Error: crun: executable file `nvidia-smi` not found in $PATH: No such file or directory"),
    ("D44", "$ nvidia-smi\nSegmentation fault"),
    ("D44", "/usr/lib/wsl/lib/nvidia-smi: line 1:  4711 Segmentation fault      (core dumped) nvidia-smi"),
    (
        "D45",
        "request returned 500 Internal Server Error for API route and version \
         http://%2F%2F.%2Fpipe%2FdockerDesktopLinuxEngine/v1.48/version, check if the server supports the requested API \
         version",
    ),
    ("D45", "starting WSL engine: error spotted in wslbootstrap log: \"[wsl-bootstrap][F] exit status 32\""),
    ("D46", "CVE-2025-23266 nvidia-container-toolkit 1.17.7 CRITICAL fixed in 1.17.8"),
    ("D46", "trivy: CVE-2024-0132 container escape in nvidia-container-toolkit"),
    ("D47", "CUDA fails in every container since the upgrade to nvidia-container-toolkit 1.19.1"),
    ("D47", "Setting up nvidia-container-toolkit (1.19.1-1) ...\nSetting up libnvidia-container1 1.19.1"),
    ("D48", "error setting rlimit type 8: operation not permitted"),
    (
        "D48",
        "runc run failed: unable to start container process: error during container init: error setting rlimits for ready process: error setting rlimit type 8: operation not permitted",
    ),
    ("D49", "docker run -e NVIDIA_VISIBLE_DEVICES=all image  # sees every GPU of the machine"),
    ("D49", "insufficient privileges to read device list from NVIDIA_VISIBLE_DEVICES envvar"),
];
