"""Where we run, and whether CUDA answers."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, Literal

from nacp import _nacp
from nacp._decode import Record, decode

Confidence = Literal["possible", "likely", "certain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Record):
    """One thing that was read."""

    source: str
    """The file's path, or `env NAME`."""
    value: str
    """What it says; `present` where only its presence counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(Record):
    """One thing that this process stands on."""

    kind: str
    """What it is: `container`, `pod`, `wsl2`, `native_linux`, `hypervisor`, `bare_metal`, `cloud` …"""
    of: str | None
    """Which container runtime, hypervisor or cloud, where it is one."""
    detail: str = ""
    """What a user should know about it, in one line; may be empty."""
    evidence: tuple[Evidence, ...]
    """What was read, and where."""
    confidence: Confidence
    """How much the evidence proves."""
    text: str
    """All of it in one line."""

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        kind = data["kind"]
        name, of = next(iter(kind.items())) if isinstance(kind, dict) else (kind, None)
        return data | {"kind": name, "of": of}


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPath(Record):
    """By which path programs reach GPUs."""

    kind: Literal["paravirtual", "native", "tegra", "none", "unknown"]
    """Which path."""
    detail: str = ""
    """What a user should know about it, in one line; why, where there is no path or none is known."""
    evidence: tuple[Evidence, ...]
    """What was read, and where."""
    confidence: Confidence
    """How much the evidence proves."""
    text: str
    """All of it in one line."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided(Record):
    """A question that what was read does not answer."""

    question: Literal["container", "system", "machine", "cloud"]
    """The question."""
    reason: str
    """Why there is no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonInfo(Record):
    """What a container daemon says of itself."""

    name: str
    """`Docker Engine`, `Docker Desktop` or `Podman`."""
    version: str
    """Its version, such as `26.1.5`."""
    platform: str | None
    """What its platform calls itself, such as `Docker Desktop 4.38.0`."""
    api: str | None
    """The newest API version that it speaks."""
    min_api: str | None
    """The oldest API version that it speaks."""
    podman: bool
    """Whether it is Podman behind its Docker-compatible socket."""
    operating_system: str | None
    """What it calls its operating system."""
    kernel: str | None
    """The release of the kernel that it runs on."""
    os_type: str | None
    """`linux` or `windows`: what its containers are."""
    hostname: str | None
    """Its machine's name; kept only where it is Docker Desktop's own."""
    cgroup_driver: str | None
    """`systemd`, `cgroupfs` or `none`."""
    cgroup_version: str | None
    """`1` or `2`."""
    security: tuple[str, ...]
    """Its security options."""
    runtimes: tuple[str, ...]
    """The names of its runtimes."""
    default_runtime: str | None
    """The runtime that it uses unless it is told."""
    cdi_spec_dirs: tuple[str, ...] | None
    """Where it looks for CDI specifications; None where it does not say, empty where CDI is off."""
    cdi_devices: tuple[str, ...] | None
    """The CDI devices that it has found; None where it does not say."""
    root_dir: str | None
    """Where it keeps its files."""
    live_restore: bool | None = None
    """Whether its containers go on while it restarts; None where it does not say."""
    incomplete: str | None = None
    """Why a part of its answers is missing; None where all is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon(Record):
    """A container daemon: where it was looked for, and what it answered."""

    endpoint: str
    """Its address, such as `unix:///var/run/docker.sock`."""
    found_by: str
    """What named the address."""
    chosen: bool
    """Whether the command `docker` would use this one."""
    answer: DaemonInfo | None
    """What it says of itself; None where it does not answer."""
    problem: str | None
    """Why it does not answer; None where it does."""
    place: Literal["this_kernel", "desktop_wsl2", "desktop_vm", "desktop_linux", "other_vm", "remote", "unknown"]
    """Where it runs."""
    evidence: tuple[Evidence, ...]
    """What the place was concluded from."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        answer = data["answer"]
        if isinstance(answer, dict) and "found" in answer:
            return data | {"answer": answer["found"], "problem": None}
        problem = answer["unreadable"] if isinstance(answer, dict) else answer.replace("_", " ")
        return data | {"answer": None, "problem": problem}


RuntimeOption = Literal[
    "a_process", "a_container", "b_process", "b_container", "native_linux", "kubernetes_node", "cloud_vm"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing(Record):
    """On which options of the founding decision a machine stands."""

    process: RuntimeOption | None
    """What a process is here; None where it is none of them, or cannot be told."""
    containers: RuntimeOption | None
    """What the containers are that are started from here; None where no daemon answers."""
    why: str
    """What that was concluded from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host(Record):
    """Where a process runs."""

    os: str | None
    """The operating system, if it is known."""
    kernel: str | None
    """The kernel's release, if it is known."""
    summary: str
    """The whole stack in one line."""
    layers: tuple[Layer, ...]
    """What was found, from the process outwards: container, pod, system, machine, cloud."""
    gpu: GpuPath
    """By which path programs here reach GPUs."""
    daemons: tuple[Daemon, ...] = ()
    """The container daemons that were looked for, the one that `docker` would use first."""
    standing: Standing
    """On which options of the founding decision it stands."""
    undecided: tuple[Undecided, ...]
    """Questions without an answer. One that is neither here nor among the layers was answered with "no"."""

    def __str__(self) -> str:
        return self.summary


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaLibrary(Record):
    """The file of the CUDA driver that this process really loaded, and what its place tells."""

    path: str
    """The file."""
    stub: bool
    """Whether it lies in a toolkit's folder of stubs."""
    compat: bool
    """Whether it comes from a forward-compatibility package and not from the installed driver."""
    wsl: bool
    """Whether it is WSL2's, which speaks to the Windows driver."""
    simulated: bool
    """Whether it is a simulated driver: its devices do not exist."""
    passed_over: tuple[str, ...] = ()
    """Files of that name that could not be loaded, each with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaDevice(Record):
    """A device that CUDA programs of this process can use."""

    ordinal: int
    """The position in CUDA's list."""
    id: str
    """The UUID, spelled as NVML does."""
    name: str
    """The product's name."""
    compute: str
    """The compute capability, as `8.6`."""
    memory: int
    """The memory that programs can use, in bytes."""
    pci: str
    """The PCI address."""
    multiprocessors: int
    """How many streaming multiprocessors it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaFault(Record):
    """A call that the CUDA driver refused."""

    code: int
    """The driver's number (`CUresult`)."""
    kind: str
    """What it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentDevice(Record):
    """A device that did not answer one of the probe's questions."""

    ordinal: int
    """The position in CUDA's list."""
    call: str
    """The call that failed."""
    fault: CudaFault
    """How it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaProbe(Record):
    """What the CUDA driver says about this machine."""

    library: CudaLibrary
    """The file that answered."""
    driver_version: str
    """The newest CUDA version that the driver serves, as `13.0`."""
    devices: tuple[CudaDevice, ...]
    """The devices that this process may use, in CUDA's order."""
    silent: tuple[SilentDevice, ...] = ()
    """Devices that the driver counts and that did not answer."""
    no_device: str | None = None
    """Why there is no device, when the driver said so."""


def detect(*, root: str | os.PathLike[str] | None = None, daemons: bool = True) -> Host:
    """Where this process runs, each layer with its evidence. Nothing is executed.

    >>> nacp.detect().os
    'linux'

    Args:
        root: A folder laid out like the root of another machine; None for this one.
        daemons: Whether the machine's container daemons are asked what they are: half a second at most.

    Raises:
        NotFound: There is no such folder.
    """
    return decode(Host, json.loads(_nacp.detect(None if root is None else os.fspath(root), daemons)))


def probe_cuda() -> CudaProbe:
    """Asks the CUDA driver for its version and devices.

    Raises:
        DriverUnavailable: There is no CUDA driver, or it does not work, with the reason.
    """
    return decode(CudaProbe, json.loads(_nacp.probe_cuda()))
