"""Programs that others wrote, unchanged from PyPI, on the simulated `libnvidia-ml.so.1` of `tests/sim-nvml`.

Needs the packages `nvidia-ml-py`, `gpustat`, `nvitop` and `pytest`, and the library in the folder NACP_SIM_NVML_DIR:

    NACP_SIM_NVML_DIR=$(tests/sim-nvml/stage target/sim-nvml) python -m pytest tests/python/test_nvml_clients.py
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NODES = Path(__file__).resolve().parents[2] / "nacp-core" / "nodes"
UNITS = {"MiB": 2**20, "GiB": 2**30}

# What a user of nvidia-ml-py would write; every value that the machine does not tell is null.
PYNVML = """
import json, os, pynvml

def ask(function, *arguments, **named):
    try:
        return function(*arguments, **named)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound, pynvml.NVMLLibraryMismatchError):
        return None

def processes(function, device):
    listed = ask(function, device)
    return listed and [[process.pid == os.getpid(), process.usedGpuMemory] for process in listed]

def parts(device):
    names = []
    for nth in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(device)):
        try:
            part = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(device, nth)
        except pynvml.NVMLError_NotFound:
            continue
        names.append(pynvml.nvmlDeviceGetUUID(part))
    return names

pynvml.nvmlInit()
gpus = []
for index in range(pynvml.nvmlDeviceGetCount()):
    try:
        device = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError_GpuIsLost:
        gpus.append(None)
        continue
    uuid = pynvml.nvmlDeviceGetUUID(device)
    again = pynvml.nvmlDeviceGetHandleByUUID(uuid)
    memory = ask(pynvml.nvmlDeviceGetMemoryInfo, device, version=pynvml.nvmlMemory_v2)
    old = pynvml.nvmlDeviceGetMemoryInfo(device)
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates, device)
    clock = lambda kind: pynvml.nvmlDeviceGetClockInfo(device, kind)
    gpus.append({
        "index": [pynvml.nvmlDeviceGetIndex(device), pynvml.nvmlDeviceGetIndex(again)],
        "uuid": uuid,
        "name": pynvml.nvmlDeviceGetName(device),
        "compute": pynvml.nvmlDeviceGetCudaComputeCapability(device),
        "pci": pynvml.nvmlDeviceGetPciInfo(device).busId,
        "memory": memory and {"total": memory.total, "used": memory.used, "reserved": memory.reserved},
        "old_memory": [old.total, old.used, old.free],
        "utilization": rates and {"gpu": rates.gpu, "memory": rates.memory},
        "temperature": [
            pynvml.nvmlDeviceGetTemperature(device, pynvml.NVML_TEMPERATURE_GPU),
            ask(pynvml.nvmlDeviceGetTemperatureV, device, pynvml.NVML_TEMPERATURE_GPU),
        ],
        "serial": ask(pynvml.nvmlDeviceGetSerial, device),
        "vbios": ask(pynvml.nvmlDeviceGetVbiosVersion, device),
        "cores": ask(pynvml.nvmlDeviceGetNumGpuCores, device),
        "energy": ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, device),
        "pcie": [
            ask(pynvml.nvmlDeviceGetCurrPcieLinkGeneration, device),
            ask(pynvml.nvmlDeviceGetCurrPcieLinkWidth, device),
            ask(pynvml.nvmlDeviceGetPcieReplayCounter, device),
        ],
        "persistence": ask(pynvml.nvmlDeviceGetPersistenceMode, device),
        "links": [ask(pynvml.nvmlDeviceGetNvLinkState, device, link) for link in range(2)],
        "parts": parts(device),
        "power": pynvml.nvmlDeviceGetPowerUsage(device),
        "power_limit": ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, device),
        "fan": ask(pynvml.nvmlDeviceGetFanSpeed, device),
        "clocks": {
            "graphics": clock(pynvml.NVML_CLOCK_GRAPHICS),
            "sm": clock(pynvml.NVML_CLOCK_SM),
            "memory": clock(pynvml.NVML_CLOCK_MEM),
        },
        "performance": ask(pynvml.nvmlDeviceGetPerformanceState, device),
        "compute_processes": processes(pynvml.nvmlDeviceGetComputeRunningProcesses, device),
        "graphics_processes": processes(pynvml.nvmlDeviceGetGraphicsRunningProcesses, device),
    })
print(json.dumps({
    "driver": pynvml.nvmlSystemGetDriverVersion(),
    "nvml": pynvml.nvmlSystemGetNVMLVersion(),
    "cuda": pynvml.nvmlSystemGetCudaDriverVersion(),
    "gpus": gpus,
}))
pynvml.nvmlShutdown()
"""


def library_folder() -> Path:
    """The folder of the staged library; without it the tests fail, for there is nothing else to test."""
    folder = os.environ.get("NACP_SIM_NVML_DIR")
    if not folder or not (Path(folder) / "libnvidia-ml.so.1").is_file():
        pytest.fail(
            "no simulated library: set NACP_SIM_NVML_DIR to the folder that `tests/sim-nvml/stage DIR` prints",
            pytrace=False,
        )
    return Path(folder).resolve()


def run(
    arguments: list[str], node: str | Path, faults: str = "", trace: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a client on a simulated node, in a process of its own."""
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(library_folder()),
        "NACP_SIM_NODE": str(node),
        "NACP_SIM_NVML_FAULTS": faults,
        "NACP_SIM_NVML_TRACE": str(trace or ""),
        "TERM": "xterm",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def answer(arguments: list[str], node: str | Path) -> Any:
    """What a client prints as JSON."""
    done = run(arguments, node)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def size(text: str) -> int:
    """The bytes of a size of a node file."""
    unit = text[-3:]
    return int(text[:-3]) * UNITS[unit]


def merged(each: Any, own: Any) -> Any:
    """What is said of each GPU, with what is said of one laid over it."""
    if not isinstance(each, dict) or not isinstance(own, dict):
        return own
    return each | {key: merged(each.get(key), value) for key, value in own.items()}


def node_file(name: str) -> dict[str, Any]:
    """A node file, each GPU whole and with its sizes in bytes."""
    node: dict[str, Any] = {"unsupported": [], "missing": []} | json.loads((NODES / f"{name}.json").read_text())
    node["gpus"] = [merged(node.get("each", {}), gpu) for gpu in node["gpus"]]
    for gpu in node["gpus"]:
        gpu["memory"] = {key: size(text) for key, text in gpu["memory"].items()}
        instances = gpu.get("mig", {}).get("instances", []) if divided(gpu) else []
        gpu["parts"] = [compute for instance in instances for compute in instance["compute"]]
        gpu["processes"] = gpu.get("processes", []) + [
            process for part in gpu["parts"] for process in part.get("processes", [])
        ]
        for process in gpu["processes"]:
            process["memory"] = size(process.get("memory", "0MiB"))
    lost = {step["gpu"] for step in node.get("script", []) if step["tick"] == 0 and step.get("lost")}
    node["gpus"] = [None if index in lost else gpu for index, gpu in enumerate(node["gpus"])]
    return node


def divided(gpu: dict[str, Any]) -> bool:
    """Whether a GPU is divided into partitions, or ready for it: it then does not tell how busy it is."""
    return bool(gpu.get("mig", {}).get("enabled"))


def answers(node: dict[str, Any], function: str) -> bool:
    """Whether the node answers a function."""
    return not any(function.startswith(prefix) for prefix in node["unsupported"] + node["missing"])


def told(node: dict[str, Any], gpu: dict[str, Any], field: str, function: str) -> Any:
    """A field of a GPU, as `field` or `group.field`, unless the node does not answer the function that tells it."""
    if not answers(node, function):
        return None
    value: Any = gpu
    for key in field.split("."):
        value = (value or {}).get(key)
    return value


def processes(node: dict[str, Any], gpu: dict[str, Any], kind: str) -> list[list[Any]] | None:
    """The processes of one kind: whether each is the client and its memory, unknown where the node does not tell it."""
    if not answers(node, f"nvmlDeviceGet{kind.title()}RunningProcesses_v3"):
        return None
    listed = [process for process in gpu["processes"] if process["kind"] in (kind, "both")]
    return [[process["pid"] == "self", process["memory"] if node["process_memory"] else None] for process in listed]


every_node = pytest.mark.parametrize("name", sorted(path.stem for path in NODES.glob("*.json")))


def nvidia_ml_py_entry(node: dict[str, Any], index: int, gpu: dict[str, Any] | None) -> dict[str, Any] | None:
    """What nvidia-ml-py should say about a GPU; nothing about one that is lost."""
    if gpu is None:
        return None
    memory = gpu["memory"]
    utilization = None if divided(gpu) else gpu["utilization"]
    temperature_v = told(node, gpu, "temperature", "nvmlDeviceGetTemperatureV")
    active = None if "nvlink" not in gpu else [1, 1]
    persistence = told(node, gpu, "modes.persistence", "nvmlDeviceGetPersistenceMode")
    return {
        "index": [index, index],
        "uuid": gpu["uuid"],
        "name": gpu["name"],
        "compute": [int(part) for part in gpu["compute"].split(".")],
        "pci": gpu["pci"],
        "memory": memory if answers(node, "nvmlDeviceGetMemoryInfo_v2") else None,
        "old_memory": [
            memory["total"],
            memory["used"] + memory["reserved"],
            memory["total"] - memory["used"] - memory["reserved"],
        ],
        "utilization": utilization,
        "temperature": [gpu["temperature"], temperature_v],
        "serial": told(node, gpu, "identity.serial", "nvmlDeviceGetSerial"),
        "vbios": told(node, gpu, "identity.vbios", "nvmlDeviceGetVbiosVersion"),
        "cores": told(node, gpu, "identity.cores", "nvmlDeviceGetNumGpuCores"),
        "energy": told(node, gpu, "energy", "nvmlDeviceGetTotalEnergyConsumption"),
        "pcie": [
            told(node, gpu, "pcie.generation", "nvmlDeviceGetCurrPcieLinkGeneration"),
            told(node, gpu, "pcie.width", "nvmlDeviceGetCurrPcieLinkWidth"),
            told(node, gpu, "pcie.replays", "nvmlDeviceGetPcieReplayCounter"),
        ],
        "persistence": None if persistence is None else int(persistence),
        "links": active or [None, None],
        "parts": [part["uuid"] for part in gpu["parts"]],
        "power": gpu["power"],
        "power_limit": told(node, gpu, "power_limit", "nvmlDeviceGetEnforcedPowerLimit"),
        "fan": told(node, gpu, "fan", "nvmlDeviceGetFanSpeed"),
        "clocks": {domain: gpu["clocks"][domain] for domain in ("graphics", "sm", "memory")},
        "performance": told(node, gpu, "performance", "nvmlDeviceGetPerformanceState"),
        "compute_processes": processes(node, gpu, "compute"),
        "graphics_processes": processes(node, gpu, "graphics"),
    }


@every_node
def test_nvidia_ml_py_reads_the_node_file(name: str) -> None:
    node = node_file(name)
    major, minor = (int(part) for part in node["cuda"].split("."))
    gpus = [nvidia_ml_py_entry(node, index, gpu) for index, gpu in enumerate(node["gpus"])]
    expected = {
        "driver": node["driver"],
        "nvml": node["nvml"] + "+simulated",
        "cuda": major * 1000 + minor * 10,
        "gpus": gpus,
    }
    assert answer(["-c", PYNVML], name) == expected


def gpustat_entry(node: dict[str, Any], index: int, gpu: dict[str, Any] | None) -> dict[str, Any] | None:
    """What gpustat should say about a GPU: memory in MiB, power in watts; nothing about one that is lost."""
    if gpu is None:
        return None
    whole = not divided(gpu)
    limit = told(node, gpu, "power_limit", "nvmlDeviceGetEnforcedPowerLimit")
    # gpustat tells a process once that is in both lists.
    told_memory = [process["memory"] // 2**20 if node["process_memory"] else None for process in gpu["processes"]]
    return {
        "index": index,
        "uuid": gpu["uuid"],
        "name": gpu["name"],
        "temperature.gpu": gpu["temperature"],
        "fan.speed": told(node, gpu, "fan", "nvmlDeviceGetFanSpeed"),
        "utilization.gpu": gpu["utilization"]["gpu"] if whole else None,
        "utilization.enc": told(node, gpu, "encoder", "nvmlDeviceGetEncoderUtilization") if whole else None,
        "utilization.dec": told(node, gpu, "decoder", "nvmlDeviceGetDecoderUtilization") if whole else None,
        "power.draw": gpu["power"] // 1000,
        "enforced.power.limit": None if limit is None else limit // 1000,
        "memory.used": gpu["memory"]["used"] // 2**20,
        "memory.total": gpu["memory"]["total"] // 2**20,
        "processes": sorted(told_memory, key=lambda memory: memory or 0),
    }


def gpustat(node: str | Path) -> Any:
    """What gpustat prints, with of each process only its memory on the GPU."""
    told_by_gpustat = answer(["-m", "gpustat", "--json"], node)
    for gpu in told_by_gpustat["gpus"]:
        used = [process["gpu_memory_usage"] for process in gpu["processes"] or []]
        gpu["processes"] = sorted(used, key=lambda memory: memory or 0)
    return told_by_gpustat


@every_node
def test_gpustat_lists_the_node_file(name: str) -> None:
    node = node_file(name)
    if not answers(node, "nvmlDeviceGetComputeRunningProcesses_v3"):
        # gpustat asks through nvidia-ml-py, which refuses a library that is so much older.
        done = run(["-m", "gpustat", "--json"], name)
        assert (done.returncode, "does not match the NVML lib version" in done.stderr) == (1, True)
        return
    listed = gpustat(name)
    assert listed["driver_version"] == node["driver"]
    expected = [gpustat_entry(node, index, gpu) for index, gpu in enumerate(node["gpus"])]
    lost = [index for index, gpu in enumerate(expected) if gpu is None]
    assert [gpu["name"] for gpu in listed["gpus"] if gpu["index"] in lost] == ["((GPU is lost))"] * len(lost)
    assert [gpu for gpu in listed["gpus"] if gpu["index"] not in lost] == [gpu for gpu in expected if gpu]


def test_gpustat_lists_a_node_of_ones_own(tmp_path: Path) -> None:
    node = json.loads((NODES / "rtx3050ti-laptop-wsl2.json").read_text())
    node["name"], node["unsupported"] = "desktop", []
    node["gpus"][0] |= {"fan": 42, "encoder": 5, "decoder": 6, "power_limit": 60000}
    path = tmp_path / "desktop.json"
    path.write_text(json.dumps(node))
    (gpu,) = gpustat(path)["gpus"]
    fields = ("fan.speed", "utilization.enc", "utilization.dec", "enforced.power.limit")
    assert [gpu[field] for field in fields] == [42, 5, 6, 60]


# What nvitop's library says; None where it says "N/A".
NVITOP = """
import json, nvitop

def known(value):
    return None if value is nvitop.NA else value

gpus = []
for device in nvitop.Device.all():
    gpus.append({
        "name": known(device.name()),
        "total": known(device.memory_total()),
        "power": known(device.power_usage()),
        "temperature": known(device.temperature()),
        "busy": known(device.gpu_utilization()),
        "parts": [part.uuid() for part in device.mig_devices()],
    })
    device.as_snapshot()
print(json.dumps(gpus))
"""


@every_node
def test_nvitop_reads_the_node_file(name: str) -> None:
    node = node_file(name)
    memory = answers(node, "nvmlDeviceGetMemoryInfo_v2")
    listed = answer(["-c", NVITOP], name)
    assert len(listed) == len(node["gpus"])
    for told_by_nvitop, gpu in zip(listed, node["gpus"], strict=True):
        if gpu is None:
            assert told_by_nvitop["power"] is None
            continue
        assert told_by_nvitop == {
            "name": gpu["name"],
            "total": gpu["memory"]["total"] if memory else told_by_nvitop["total"],
            "power": gpu["power"],
            "temperature": told(node, gpu, "temperature", "nvmlDeviceGetTemperatureV"),
            "busy": None if divided(gpu) else gpu["utilization"]["gpu"],
            "parts": [part["uuid"] for part in gpu["parts"]],
        }


@every_node
def test_nvitop_draws_the_node_file(name: str) -> None:
    done = run(["-m", "nvitop", "--once", "--ascii"], name)
    assert done.returncode == 0, done.stderr
    assert node_file(name)["driver"] in done.stdout


def test_the_library_has_every_function_that_nvidia_ml_py_knows() -> None:
    library = ctypes.CDLL(str(library_folder() / "libnvidia-ml.so.1"))
    specification = importlib.util.find_spec("pynvml")
    assert specification is not None and specification.origin is not None
    source = Path(specification.origin).read_text()
    names = set(re.findall(r'_nvmlGetFunctionPointer\("(nvml\w+)"', source))
    assert len(names) > 400
    assert [name for name in sorted(names) if not hasattr(library, name)] == []


def test_processes_that_were_started_end_with_the_client() -> None:
    pids = answer(
        [
            "-c",
            "import json, pynvml as n; n.nvmlInit(); d = n.nvmlDeviceGetHandleByIndex(0);"
            "print(json.dumps([p.pid for p in n.nvmlDeviceGetGraphicsRunningProcesses(d)]))",
        ],
        "rtx4090",
    )
    assert len(pids) == 2
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_a_crash_and_a_trace(tmp_path: Path) -> None:
    done = run(["-c", PYNVML], "h100x8", "nvmlDeviceGetName=crash")
    assert done.returncode == -signal.SIGSEGV
    trace = tmp_path / "trace"
    done = run(["-m", "gpustat"], "h100x8", trace=trace)
    assert done.returncode == 0, done.stderr
    counts = dict(line.split() for line in trace.read_text().splitlines())
    assert counts["nvmlDeviceGetHandleByIndex_v2"] == "8"


def test_a_fault_reaches_the_client_as_the_library_s_own_error() -> None:
    done = run(["-c", PYNVML], "h100x8", "nvmlInitWithFlags=9")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("NVMLError_DriverNotLoaded: Driver Not Loaded")


def test_a_node_that_is_not_there_is_named() -> None:
    done = run(["-c", PYNVML], "h100x9")
    assert done.returncode == 1
    assert done.stderr.startswith("simulated NVML: NACP_SIM_NODE=h100x9: no simulated node of this name: name=h100x9 ")
