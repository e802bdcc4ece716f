"""Who is behind the processes on the GPUs: program, user, container and pod."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from nacp import _table
from nacp._decode import Record
from nacp._display import captioned
from nacp._nacp import size
from nacp._sample import Process
from nacp._types import Origin

Runtime = Literal["docker", "containerd", "crio", "podman", "lxc", "nspawn", "unknown"]
PodKind = Literal["kubernetes", "podman"]

HEAD = ("GPU", "pid", "kind", "memory", "command", "user", "container", "pod")


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Record):
    """The user of a process."""

    uid: int
    """The effective user id."""
    name: str | None
    """The name that `/etc/passwd` gives to it; None where it gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Record):
    """When a process was started."""

    ticks: int
    """Hundredths of a second from the start of the machine: with the process id it names one process."""
    at: datetime | None
    """The time of day in UTC, to a second or so."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRef(Record):
    """The container of a process."""

    id: str
    """Its id: 64 hexadecimal digits as a rule. Under LXC and systemd-nspawn, which have no ids, its name."""
    runtime: Runtime
    """What runs it, as far as the control group tells."""
    cgroup: str
    """The line of `/proc/PID/cgroup` that says so."""
    name: str | None
    """The name that its engine has given to it, where one was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRef(Record):
    """The pod of a process."""

    kind: PodKind
    """Whose pod it is."""
    uid: str
    """Its UID in Kubernetes, or its id in Podman."""
    name: str | None
    """Its name."""
    namespace: str | None
    """Its namespace."""
    container_name: str | None
    """What the pod calls the container; only an engine knows."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner(Record):
    """Who is behind a process id."""

    pid: int
    """The process id that was asked for."""
    command: str | None
    """The name of the program, at most 15 bytes long, as the kernel keeps it."""
    command_line: tuple[str, ...] | None
    """The program and its arguments. It may hold secrets that were given as arguments."""
    user: User | None
    """The user for whom it runs, as the machine numbers it."""
    started: Started | None
    """When it was started."""
    container: ContainerRef | None
    """The innermost container that it is in; None, and not in `unknown`, where it is in none."""
    pod: PodRef | None
    """The pod that it is in; None, and not in `unknown`, where it is in none."""
    state: str | None
    """What its first thread was doing: `running`, `sleeping`, `disk_sleep`, `zombie` …"""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        state = data["state"]
        return data | {"state": state["other"]} if isinstance(state, dict) and "other" in state else data


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess(Record):
    """One process on one GPU, and who is behind it."""

    gpu: str
    """The id of the GPU."""
    process: Process
    """What the driver tells about it."""
    owner: Owner
    """Who is behind it."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Processes(Record):
    """The processes on the GPUs of a node: a sequence that shows itself as a table."""

    processes: tuple[GpuProcess, ...]
    """One for each process on each GPU."""
    silent: dict[str, str] = field(hash=False)
    """The GPUs that tell no processes, by id, and why."""
    origin: Origin | None = None
    """What was read."""

    def __iter__(self) -> Iterator[GpuProcess]:
        return iter(self.processes)

    def __len__(self) -> int:
        return len(self.processes)

    def __getitem__(self, at: int) -> GpuProcess:
        return self.processes[at]

    def _title(self) -> str:
        silent = "".join(f", {gpu} tells none ({reason})" for gpu, reason in self.silent.items())
        return captioned(self.origin, f"{_table.count(len(self), 'process', 'processes')} on the GPUs{silent}")

    def __repr__(self) -> str:
        return _table.text(self._title(), HEAD, [_cells(one) for one in self], "no process")

    def _repr_html_(self) -> str:
        return _table.html(self._title(), HEAD, [_cells(one) for one in self], "no process")


def _cells(one: GpuProcess) -> tuple[str, ...]:
    process, owner = one.process, one.owner
    memory = None if process.memory is None else size(process.memory)
    user = owner.user and (owner.user.name or str(owner.user.uid))
    container = (owner.container.name or owner.container.id[:12]) if owner.container else None
    pod = _pod(owner.pod) if owner.pod else None
    return (
        one.gpu,
        str(process.pid),
        process.kind,
        _table.value(memory, process.unknown.get("memory")),
        _table.value(owner.command, owner.unknown.get("command")),
        _table.value(user, owner.unknown.get("user")),
        _none_or(container, owner.unknown.get("container")),
        _none_or(pod, owner.unknown.get("pod")),
    )


def _none_or(known: str | None, reason: str | None) -> str:
    """What may be known not to be there."""
    return known or ("none" if reason is None else _table.value(None, reason))


def _pod(pod: PodRef) -> str:
    name = pod.name or pod.uid
    return f"{pod.namespace}/{name}" if pod.namespace else name
