"""The real door to the driver, on the simulated libraries of `tests/sim-nvml` and `tests/sim-cuda`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

import nacp

Script = Callable[..., "CompletedProcess[str]"]


def folder(variable: str, library: str) -> str:
    """The folder of a staged library; without it these tests fail, for there is nothing else to test."""
    path = Path(os.environ.get(variable, ""))
    if not (path / library).is_file():
        pytest.fail(f"no simulated {library}: set {variable} to the folder that `stage` prints", pytrace=False)
    return str(path.resolve())


def otherwise(read: Any, simulated: Any, path: str) -> Iterator[str]:
    """What the driver tells otherwise than the simulated node, of all that the node tells."""
    if simulated == {"unknown": "not read"}:
        return
    if isinstance(simulated, dict) and isinstance(read, dict):
        for key, value in simulated.items():
            yield from otherwise(read[key], value, f"{path}.{key}")
    elif read != simulated:
        yield f"{path}: {read!r} instead of {simulated!r}"


@pytest.mark.parametrize("name", nacp.simulated_nodes())
def test_discovery_reads_the_driver(script: Script, name: str) -> None:
    program = "import json, nacp; node = nacp.discover(); print(json.dumps([node.to_dict(), node.simulated]))"
    library = folder("NACP_SIM_NVML_DIR", "libnvidia-ml.so.1")
    done = script(program, LD_LIBRARY_PATH=library, NACP_SIM_NODE=name)
    assert done.returncode == 0, done.stderr
    read, _ = json.loads(done.stdout)
    expected = nacp.simulated_node(name).to_dict()
    assert len(read["gpus"]) == len(expected["gpus"])
    for one, other in zip(read["gpus"], expected["gpus"], strict=True):
        assert list(otherwise(one["gpu"], other["gpu"], "gpu")) == []
        assert one["sample"]["memory"] == other["sample"]["memory"]
    assert read["origin"]["driver"] == expected["origin"]["driver"]


WHOLE = """
import json, nacp
node = nacp.discover()
print(json.dumps([node.to_dict(), json.loads(node._native.pairs()), json.loads(node._native.support())]))
"""


@pytest.mark.parametrize("name", nacp.simulated_nodes())
def test_no_value_of_the_driver_is_lost(script: Script, lost: Callable[[Any, Any], list[str]], name: str) -> None:
    library = folder("NACP_SIM_NVML_DIR", "libnvidia-ml.so.1")
    done = script(WHOLE, LD_LIBRARY_PATH=library, NACP_SIM_NODE=name)
    assert done.returncode == 0, done.stderr
    snapshot, pairs, support = json.loads(done.stdout)
    assert lost(nacp.Snapshot, snapshot) == []
    assert lost(tuple[nacp.Pair, ...], pairs) == []
    assert support["calls"] and lost(nacp.Support, support) == []


def test_a_child_may_touch_the_driver_first(script: Script) -> None:
    program = "import nacp; print(nacp.discover(guard=True).gpus == nacp.discover(guard=False).gpus)"
    library = folder("NACP_SIM_NVML_DIR", "libnvidia-ml.so.1")
    done = script(program, LD_LIBRARY_PATH=library, NACP_SIM_NODE="h100x8")
    assert (done.stdout, done.returncode) == ("True\n", 0), done


def test_the_probe_reads_the_cuda_driver(script: Script) -> None:
    program = "import json, nacp; print(json.dumps(nacp.probe_cuda().to_dict()))"
    library = folder("NACP_SIM_CUDA_DIR", "libcuda.so.1")
    done = script(program, LD_LIBRARY_PATH=library, NACP_SIM_NODE="h100x8")
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    assert probe["library"]["path"] == f"{library}/libcuda.so.1" and probe["library"]["simulated"]
    assert {device["id"] for device in probe["devices"]} == {gpu.id for gpu in nacp.simulated_node("h100x8").gpus}
    assert probe["driver_version"] == "13.0"


SLOW = """
import threading, time, nacp
node = nacp.discover(guard=False)
sampler = node.sampler("power")
worst, done = 0.0, threading.Event()
readers = [threading.Thread(target=lambda: [sampler.read() for _ in range(3)]) for _ in range(4)]
for reader in readers:
    reader.start()
while any(reader.is_alive() for reader in readers):
    before = time.monotonic()
    time.sleep(0.005)
    worst = max(worst, time.monotonic() - before)
print(worst < 0.25, worst)
"""

RECORDING = """
import threading, time, nacp
live = nacp.discover(guard=False).telemetry(fast=0.05, fields="power", medium=None, slow=None)
live.latest()
recording = threading.Thread(target=lambda: live.record("new.zst").close())
recording.start()
time.sleep(0.1)
before = time.monotonic()
print(recording.is_alive(), live.closed, time.monotonic() - before < 0.25)
recording.join()
"""


@pytest.mark.parametrize(("program", "said"), [(SLOW, "True"), (RECORDING, "True False True")])
def test_a_slow_driver_does_not_stop_other_threads(script: Script, tmp_path: Path, program: str, said: str) -> None:
    """A call that takes half a second holds a lock, and nobody waits for it with the GIL in hand."""
    file = nacp.node_file("rtx3050ti-laptop-wsl2")
    file["latency_us"] = {"nvmlDeviceGetPowerUsage": 500_000}
    path = tmp_path / "slow.json"
    path.write_text(json.dumps(file))
    library = folder("NACP_SIM_NVML_DIR", "libnvidia-ml.so.1")
    done = script(program, LD_LIBRARY_PATH=library, NACP_SIM_NODE=str(path))
    assert done.returncode == 0 and done.stdout.startswith(said), (done.stdout, done.stderr)


def test_the_driver_is_checked_in_a_child_and_not_started_in_this_process(script: Script) -> None:
    library = folder("NACP_SIM_CUDA_DIR", "libcuda.so.1")
    program = """
import nacp
report = nacp.check("quick", limit=20, progress=False)
print(report.verdict, report.simulated, report.checks[-1].id)
"""
    done = script(program, LD_LIBRARY_PATH=library, NACP_SIM_NODE="rtx3050ti-laptop-wsl2")
    assert done.stdout.split() == ["pass", "True", "det.bits"], done
    # A call that ends its process ends the child's.
    done = script(program, LD_LIBRARY_PATH=library, NACP_SIM_CUDA_FAULTS="cuInit=crash")
    assert done.returncode == 0 and done.stdout.split()[:1] == ["fail"], done


def test_a_wrong_bit_of_the_driver_is_named(script: Script) -> None:
    library = folder("NACP_SIM_CUDA_DIR", "libcuda.so.1")
    program = """
import nacp
report = nacp.check("quick", limit=20, progress=False)
first = report.certificates[0].differences[0]
print(report.of("det.bits").status, first.kernel, first.lane)
"""
    flip = "device=0 kernel=nacp_fma lane=71 step=100 bit=5"
    done = script(program, LD_LIBRARY_PATH=library, NACP_SIM_NODE="rtx3050ti-laptop-wsl2", NACP_SIM_CUDA_FLIP=flip)
    assert done.stdout.split() == ["fail", "nacp_fma", "71"], done
