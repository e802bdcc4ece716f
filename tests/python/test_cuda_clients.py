"""NVIDIA's own Python bindings of the CUDA driver, unchanged from PyPI, on the simulated driver of `tests/sim-cuda`.

Needs the packages `cuda-bindings` and `pytest`, and the library in the folder NACP_SIM_CUDA_DIR:

    NACP_SIM_CUDA_DIR=$(tests/sim-cuda/stage target/sim/cuda) python -m pytest tests/python/test_cuda_clients.py

The bindings ask the driver for each function by name and version (`cuGetProcAddress_v2`) and take what there is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "tests" / "sim-cuda" / "tests" / "common" / "kernels.ptx"

# What a user of the bindings would write. It prints one line of JSON.
PROGRAM = """
import ctypes, json, pathlib, sys
from cuda.bindings import driver as cuda

def ask(answer):
    number, *values = answer
    if number != cuda.CUresult.CUDA_SUCCESS:
        raise RuntimeError(number.name)
    return values[0] if len(values) == 1 else values

def refused(answer):
    return answer[0].name

told = {}
ask(cuda.cuInit(0))
told["version"] = ask(cuda.cuDriverGetVersion())
told["count"] = ask(cuda.cuDeviceGetCount())
device = ask(cuda.cuDeviceGet(1))
told["name"] = ask(cuda.cuDeviceGetName(64, device)).rstrip(b"\\0 ").decode()
told["uuid"] = bytes(ask(cuda.cuDeviceGetUuid(device)).bytes).hex()
attributes = cuda.CUdevice_attribute
told["silent"] = [
    attribute.name
    for attribute in attributes
    if int(attribute) < 134 and refused(cuda.cuDeviceGetAttribute(attribute, device)) != "CUDA_SUCCESS"
]
told["capability"] = [
    ask(cuda.cuDeviceGetAttribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)),
    ask(cuda.cuDeviceGetAttribute(attributes.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)),
]
told["no such device"] = refused(cuda.cuDeviceGet(99))

context = ask(cuda.cuDevicePrimaryCtxRetain(device))
ask(cuda.cuCtxSetCurrent(context))
before = ask(cuda.cuMemGetInfo())
module = ask(cuda.cuModuleLoadData(pathlib.Path(sys.argv[1]).read_bytes() + b"\\0"))
count = ask(cuda.cuModuleGetFunction(module, b"count"))
increment = ask(cuda.cuModuleGetFunction(module, b"increment"))
stream = ask(cuda.cuStreamCreate(cuda.CUstream_flags.CU_STREAM_NON_BLOCKING))
memory = ask(cuda.cuMemAlloc(400))
given = ((int(memory), 100), (ctypes.c_uint64, ctypes.c_uint32))
ask(cuda.cuLaunchKernel(count, 1, 1, 1, 128, 1, 1, 0, stream, given, 0))
ask(cuda.cuStreamBeginCapture(stream, cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL))
ask(cuda.cuLaunchKernel(increment, 1, 1, 1, 128, 1, 1, 0, stream, given, 0))
graph = ask(cuda.cuStreamEndCapture(stream))
executable = ask(cuda.cuGraphInstantiate(graph, 0))
for _ in range(5):
    ask(cuda.cuGraphLaunch(executable, stream))
ask(cuda.cuStreamSynchronize(stream))
words = (ctypes.c_uint32 * 100)()
ask(cuda.cuMemcpyDtoH(words, memory, 400))
told["words"] = list(words)
told["no such kernel"] = refused(cuda.cuModuleGetFunction(module, b"missing"))
ask(cuda.cuGraphExecDestroy(executable))
ask(cuda.cuGraphDestroy(graph))
ask(cuda.cuStreamDestroy(stream))
ask(cuda.cuMemFree(memory))
told["leak"] = before != ask(cuda.cuMemGetInfo())
ask(cuda.cuDevicePrimaryCtxRelease(device))
print(json.dumps(told))
"""


def run(**environment: str) -> dict[str, Any]:
    folder = Path(os.environ["NACP_SIM_CUDA_DIR"]).resolve()
    assert (folder / "libcuda.so.1").is_file(), f"no simulated driver in {folder}"
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CUDA_", "NACP_SIM_"))}
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(KERNELS)],
        env=own | {"LD_LIBRARY_PATH": str(folder)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    told: dict[str, Any] = json.loads(child.stdout)
    return told


def test_nvidias_bindings_run_unchanged() -> None:
    told = run(NACP_SIM_NODE="h100x8")
    assert (told["version"], told["count"], told["name"]) == (13000, 8, "NVIDIA H100 80GB HBM3")
    node = json.loads((ROOT / "nacp-core" / "nodes" / "h100x8.json").read_text())
    assert told["uuid"] == node["gpus"][1]["uuid"].removeprefix("GPU-").replace("-", "")
    assert told["capability"] == [9, 0]
    assert told["silent"] == []
    assert told["words"] == [3 * lane + 6 for lane in range(100)]
    assert told["no such device"] == "CUDA_ERROR_INVALID_DEVICE"
    assert told["no such kernel"] == "CUDA_ERROR_NOT_FOUND"
    assert not told["leak"]


def test_a_driver_may_be_older_than_the_bindings() -> None:
    assert run(NACP_SIM_NODE="h100x8", NACP_SIM_CUDA_VERSION="12000")["words"][99] == 303


def test_a_wrong_bit_is_one_for_them_too() -> None:
    flip = "device=1 kernel=count lane=40 step=13 bit=5"
    told = run(NACP_SIM_NODE="h100x8", NACP_SIM_CUDA_FLIP=flip)
    wrong = [lane for lane, word in enumerate(told["words"]) if word != 3 * lane + 6]
    assert wrong == [40]
