"""Programs that others wrote, unchanged from PyPI, on the simulated `libnvidia-ml.so.1` of `tests/sim-nvml`.

Needs the packages `nvidia-ml-py`, `gpustat` and `pytest`, and the library in the folder NACP_SIM_NVML_DIR:

    NACP_SIM_NVML_DIR=$(tests/sim-nvml/stage target/sim-nvml) python -m pytest tests/python/test_nvml_clients.py
"""

from __future__ import annotations

import json
import os
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

def ask(function, *arguments):
    try:
        return function(*arguments)
    except pynvml.NVMLError_NotSupported:
        return None

def processes(function, device):
    return [[process.pid == os.getpid() or process.pid, process.usedGpuMemory] for process in function(device)]

pynvml.nvmlInit()
gpus = []
for index in range(pynvml.nvmlDeviceGetCount()):
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    uuid = pynvml.nvmlDeviceGetUUID(device)
    again = pynvml.nvmlDeviceGetHandleByUUID(uuid)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device, version=pynvml.nvmlMemory_v2)
    rates = pynvml.nvmlDeviceGetUtilizationRates(device)
    clock = lambda kind: pynvml.nvmlDeviceGetClockInfo(device, kind)
    gpus.append({
        "index": [pynvml.nvmlDeviceGetIndex(device), pynvml.nvmlDeviceGetIndex(again)],
        "uuid": uuid,
        "name": pynvml.nvmlDeviceGetName(device),
        "compute": pynvml.nvmlDeviceGetCudaComputeCapability(device),
        "pci": pynvml.nvmlDeviceGetPciInfo(device).busId,
        "memory": {"total": memory.total, "used": memory.used, "reserved": memory.reserved},
        "free": [memory.free, pynvml.nvmlDeviceGetMemoryInfo(device).free],
        "utilization": {"gpu": rates.gpu, "memory": rates.memory},
        "temperature": [
            pynvml.nvmlDeviceGetTemperature(device, pynvml.NVML_TEMPERATURE_GPU),
            pynvml.nvmlDeviceGetTemperatureV(device, pynvml.NVML_TEMPERATURE_GPU),
        ],
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


def run(arguments: list[str], node: str | Path, faults: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a client on a simulated node, in a process of its own."""
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(library_folder()),
        "NACP_SIM_NODE": str(node),
        "NACP_SIM_NVML_FAULTS": faults,
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


def node_file(name: str) -> dict[str, Any]:
    """A node file, with its sizes in bytes."""
    node: dict[str, Any] = json.loads((NODES / f"{name}.json").read_text())
    for gpu in node["gpus"]:
        gpu["memory"] = {key: size(text) for key, text in gpu["memory"].items()}
        for process in gpu["processes"]:
            process["memory"] = size(process.get("memory", "0MiB"))
    return node


def told(node: dict[str, Any], gpu: dict[str, Any], field: str, function: str) -> Any:
    """A field of a GPU, unless the node does not answer the function that tells it."""
    if any(function.startswith(prefix) for prefix in node["unsupported"]):
        return None
    return gpu.get(field)


def processes(node: dict[str, Any], gpu: dict[str, Any], kind: str) -> list[list[Any]]:
    """The processes of one kind: whose they are and their memory, unknown where the node does not tell it."""
    listed = [process for process in gpu["processes"] if process["kind"] in (kind, "both")]
    return [
        [process["pid"] == "self" or process["pid"], process["memory"] if node["process_memory"] else None]
        for process in listed
    ]


every_node = pytest.mark.parametrize("name", sorted(path.stem for path in NODES.glob("*.json")))


@every_node
def test_nvidia_ml_py_reads_the_node_file(name: str) -> None:
    node = node_file(name)
    major, minor = (int(part) for part in node["cuda"].split("."))
    gpus = []
    for index, gpu in enumerate(node["gpus"]):
        memory = gpu["memory"]
        free = memory["total"] - memory["used"] - memory["reserved"]
        gpus.append(
            {
                "index": [index, index],
                "uuid": gpu["uuid"],
                "name": gpu["name"],
                "compute": [int(part) for part in gpu["compute"].split(".")],
                "pci": gpu["pci"],
                "memory": memory,
                "free": [free, free],
                "utilization": gpu["utilization"],
                "temperature": [gpu["temperature"], gpu["temperature"]],
                "power": gpu["power"],
                "power_limit": told(node, gpu, "power_limit", "nvmlDeviceGetEnforcedPowerLimit"),
                "fan": told(node, gpu, "fan", "nvmlDeviceGetFanSpeed"),
                "clocks": gpu["clocks"],
                "performance": told(node, gpu, "performance", "nvmlDeviceGetPerformanceState"),
                "compute_processes": processes(node, gpu, "compute"),
                "graphics_processes": processes(node, gpu, "graphics"),
            }
        )
    expected = {
        "driver": node["driver"],
        "nvml": node["nvml"] + "+simulated",
        "cuda": major * 1000 + minor * 10,
        "gpus": gpus,
    }
    assert answer(["-c", PYNVML], name) == expected


def gpustat_entry(node: dict[str, Any], index: int, gpu: dict[str, Any]) -> dict[str, Any]:
    """What gpustat should say about a GPU: memory in MiB, power in watts."""
    limit = told(node, gpu, "power_limit", "nvmlDeviceGetEnforcedPowerLimit")
    both = processes(node, gpu, "compute") + processes(node, gpu, "graphics")
    return {
        "index": index,
        "uuid": gpu["uuid"],
        "name": gpu["name"],
        "temperature.gpu": gpu["temperature"],
        "fan.speed": told(node, gpu, "fan", "nvmlDeviceGetFanSpeed"),
        "utilization.gpu": gpu["utilization"]["gpu"],
        "utilization.enc": told(node, gpu, "encoder", "nvmlDeviceGetEncoderUtilization"),
        "utilization.dec": told(node, gpu, "decoder", "nvmlDeviceGetDecoderUtilization"),
        "power.draw": gpu["power"] // 1000,
        "enforced.power.limit": None if limit is None else limit // 1000,
        "memory.used": gpu["memory"]["used"] // 2**20,
        "memory.total": gpu["memory"]["total"] // 2**20,
        "processes": [memory // 2**20 if memory else None for _, memory in both],
    }


def gpustat(node: str | Path) -> Any:
    """What gpustat prints, with of each process only its memory on the GPU."""
    told_by_gpustat = answer(["-m", "gpustat", "--json"], node)
    for gpu in told_by_gpustat["gpus"]:
        gpu["processes"] = [process["gpu_memory_usage"] for process in gpu["processes"]]
    return told_by_gpustat


@every_node
def test_gpustat_lists_the_node_file(name: str) -> None:
    node = node_file(name)
    listed = gpustat(name)
    assert listed["driver_version"] == node["driver"]
    assert listed["gpus"] == [gpustat_entry(node, index, gpu) for index, gpu in enumerate(node["gpus"])]


def test_gpustat_lists_a_node_of_ones_own(tmp_path: Path) -> None:
    node = json.loads((NODES / "rtx3050ti-laptop-wsl2.json").read_text())
    node["name"], node["unsupported"] = "desktop", []
    node["gpus"][0] |= {"fan": 42, "encoder": 5, "decoder": 6, "power_limit": 60000}
    path = tmp_path / "desktop.json"
    path.write_text(json.dumps(node))
    (gpu,) = gpustat(path)["gpus"]
    fields = ("fan.speed", "utilization.enc", "utilization.dec", "enforced.power.limit")
    assert [gpu[field] for field in fields] == [42, 5, 6, 60]


def test_a_fault_reaches_the_client_as_the_library_s_own_error() -> None:
    done = run(["-c", PYNVML], "h100x8", "nvmlInitWithFlags=9")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("NVMLError_DriverNotLoaded: Driver Not Loaded")


def test_a_node_that_is_not_there_is_named() -> None:
    done = run(["-c", PYNVML], "h100x9")
    assert done.returncode == 1
    assert done.stderr.startswith("simulated NVML: NACP_SIM_NODE=h100x9: no simulated node of this name: name=h100x9 ")
