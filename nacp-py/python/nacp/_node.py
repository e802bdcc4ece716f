"""A machine with its GPUs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from nacp import _nacp
from nacp._check import gpu_id, is_path, seconds
from nacp._decode import decode
from nacp._event import Events
from nacp._gpu import Gpu
from nacp._guard import probe
from nacp._health import Health, HealthMonitor, Thresholds, text_of
from nacp._owner import Processes
from nacp._pair import Pair
from nacp._record import LEVEL, Recording
from nacp._snapshot import Snapshot
from nacp._support import Support
from nacp._telemetry import Telemetry
from nacp._topology import Topology
from nacp._types import Origin
from nacp.exceptions import NacpError


class Node:
    """One machine: its GPUs, read once, and the driver that can be asked again.

    It comes from `discover()` or `simulated_node()`. In a notebook it shows itself as a table.

    >>> node = nacp.simulated_node()
    >>> node.simulated, node.driver, node.gpus[0].name
    (True, '591.44', 'NVIDIA GeForce RTX 3050 Ti Laptop GPU')
    >>> sample = node.snapshot().gpus[0].sample
    >>> sample.temperature, sample.power_limit, sample.unknown["power_limit"]
    (51, None, 'not supported')
    """

    __slots__ = ("_native", "_origin", "gpus")

    gpus: tuple[Gpu, ...]
    """The GPUs, in the driver's order; empty when the machine has none."""

    def __init__(self, native: _nacp.Node) -> None:
        self._native = native
        self._origin = decode(Origin, json.loads(native.origin()))
        self.gpus = decode(tuple[Gpu, ...], json.loads(native.gpus()))

    @property
    def origin(self) -> Origin:
        """What the node is read from."""
        return self._origin

    @property
    def simulated(self) -> bool:
        """Whether its GPUs are made up."""
        return self._origin.simulated

    @property
    def driver(self) -> str | None:
        """The driver's version, if it is known."""
        return self._origin.driver

    def gpu(self, id: Gpu | str) -> Gpu:
        """The GPU with this id; `gpus` has them by position.

        Raises:
            NotFound: There is none, with the ids that there are.
            InvalidArgument: It is no id.
        """
        return decode(Gpu, json.loads(self._native.gpu(gpu_id(id, "id"))))

    def snapshot(self) -> Snapshot:
        """One consistent reading of every GPU.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
        return decode(Snapshot, json.loads(self._native.snapshot()))

    def sampler(self, fields: str | Iterable[str] = "all") -> _nacp.Sampler:
        """Something that reads the same numbers of every GPU again and again, as fast as the driver answers.

        Args:
            fields: Which readings, by the names of `nacp.fields()`, also as text with commas between them. `fast`,
                `medium` and `slow` stand for what is worth reading ten times a second, once a second and seldom;
                `all` is all of it.

        Raises:
            InvalidArgument: There is no such reading, or no number is in it.
        """
        return self._native.sampler(_names(fields))

    def telemetry(
        self,
        *,
        fast: float | None = 0.1,
        medium: float | None = 1.0,
        slow: float | None = 10.0,
        fast_fields: str | Iterable[str] | None = None,
        medium_fields: str | Iterable[str] | None = None,
        slow_fields: str | Iterable[str] | None = None,
        history: float = 3600.0,
        fields: str | Iterable[str] = "all",
        memory: int = 64 << 20,
        buffer: int = 64,
    ) -> Telemetry:
        """Reads the GPUs at a steady pace from now on, on a thread of its own, and keeps what it reads.

        Args:
            fast: Seconds between two readings of utilisation and power; None to leave them out.
            medium: The same for memory, temperatures, clocks and what holds them back, energy.
            slow: The same for all the rest: fans, PCIe, errors, processes.
            fast_fields: Which readings are read so fast, as for `sampler`; None for those that `fast` stands for there.
            medium_fields: The same for `medium`.
            slow_fields: The same for `slow`.
            history: For how many seconds readings are kept.
            fields: Which readings at all, as for `sampler`.
            memory: How much memory they may take, in bytes.
            buffer: How many updates wait for a slow subscriber before it loses the oldest.

        Raises:
            InvalidArgument: An option is out of range, or the history needs more memory than it may take.
        """
        own = (_own(fast_fields), _own(medium_fields), _own(slow_fields))
        native = self._native.telemetry(fast, medium, slow, own, history, _names(fields), memory, buffer)
        return Telemetry(native, self._origin)

    def reread(self) -> Node:
        """The same node with its GPUs read anew: after partitions were made, a mode was set, or a GPU was replaced.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
        return Node(self._native.reread())

    def pairs(self) -> tuple[Pair, ...]:
        """What each two GPUs are to each other; empty where nothing is known about it.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
        return decode(tuple[Pair, ...], json.loads(self._native.pairs()))

    def topology(self) -> Topology:
        """How the GPUs reach each other: PCIe, NVLink, NUMA, and who is nearest to whom.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
        return Topology(self._native.topology(), self._origin)

    def processes(self, engine: str | None = None) -> Processes:
        """The processes on the GPUs, each with who is behind it: command, user, container and pod.

        Args:
            engine: `"docker"` to ask Docker Engine for the names of containers; without it they have their ids.

        Raises:
            DriverUnavailable: The driver has stopped answering.
            EngineUnavailable: There is no such engine.
        """
        processes = decode(Processes, json.loads(self._native.processes(engine)))
        return replace(processes, origin=self._origin)

    def support(self) -> Support:
        """Makes every call that NACP knows once, and tells what was answered: the evidence behind each unknown.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
        return replace(decode(Support, json.loads(self._native.support())), origin=self._origin)

    def events(self, timeout: float | None = None) -> Events:
        """Begins to listen for what happens to the GPUs: `for event in node.events()`, or `async for`.

        Args:
            timeout: The iteration ends when nothing has happened for so many seconds; None for never.

        Raises:
            Unsupported: The driver tells nothing of the kind, as under WSL2 and Windows.
        """
        return Events(self._native.events(), timeout)

    def to_json(self) -> str:
        """A new snapshot as the core's JSON; a reading that is not known is `{"unknown": reason}`."""
        return self._native.snapshot()

    def to_dict(self) -> dict[str, Any]:
        """A new snapshot as nested dictionaries, in the form of `to_json()`."""
        return dict(json.loads(self.to_json()))

    def health(self, thresholds: Thresholds | None = None) -> Health:
        """How healthy the GPUs are at this moment: conditions with evidence, verdicts, and advice for placement.

        What only shows over time is unchecked; a `HealthMonitor` watches.

        Args:
            thresholds: From where on something counts: what differs from `nacp.thresholds()`, as a mapping, as text in
                YAML or JSON, or as the path of a file with such text. A text is a path where such a file exists, or
                where it is one line without a colon.

        Raises:
            InvalidArgument: A threshold is wrong, with the field and what would do.
            DriverUnavailable: The driver has stopped answering.
        """
        return decode(Health, json.loads(self._native.health(text_of(thresholds))))

    def record(
        self,
        path: str | os.PathLike[str],
        *,
        scrub: bool = True,
        fast: float | None = 0.1,
        medium: float | None = 1.0,
        slow: float | None = 10.0,
    ) -> Recording:
        """Records every reading and every event to a new file, until it is closed: `with node.record(path): …`.

        `nacp.replay(path)` makes a node of it again.

        Args:
            path: The file; JSON lines compressed with zstd.
            scrub: Whether to replace ids and leave out what identifies the machine, so that it can be given away.
            fast: Seconds between two readings, as for `telemetry`.
            medium: The same.
            slow: The same.

        Raises:
            Conflict: There is such a file.
        """
        live = self.telemetry(fast=fast, medium=medium, slow=slow, history=0)
        try:
            return Recording(live._native.record(os.fspath(path), scrub, LEVEL), live)
        except BaseException:
            live.close()
            raise

    def metrics(
        self,
        hostname: str | None = None,
        label: Literal["hostname", "Hostname", "both", "none"] = "hostname",
        *,
        health: bool | HealthMonitor = False,
        processes: bool = False,
    ) -> str:
        """A new snapshot as Prometheus text, with the names of NVIDIA's dcgm-exporter.

        Args:
            hostname: The name of the machine, where it should stand at each metric.
            label: Under which label: dcgm-exporter wrote `Hostname` until 4.5.3 and `hostname` since.
            health: Whether to look how healthy the GPUs are and tell it too; or a monitor, to tell its last look.
            processes: Whether to tell whose the processes on the GPUs are.
        """
        monitor = health._native if isinstance(health, HealthMonitor) else None
        return self._native.metrics(hostname, label, health is True, monitor, processes)

    def __repr__(self) -> str:
        try:
            return repr(self.snapshot())
        except NacpError as error:
            return f"<Node of {self._origin.name}, not readable: {error}>"

    def _repr_html_(self) -> str | None:
        try:
            return self.snapshot()._repr_html_()
        except NacpError:
            return None

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Both forms of one and the same snapshot; notebooks ask for this first."""
        try:
            snapshot = self.snapshot()
        except NacpError:
            return {"text/plain": repr(self)}
        return {"text/plain": repr(snapshot), "text/html": snapshot._repr_html_()}


def _names(fields: str | Iterable[str]) -> str:
    return fields if isinstance(fields, str) else ",".join(fields)


def _own(fields: str | Iterable[str] | None) -> str | None:
    return None if fields is None else _names(fields)


def discover(guard: Literal["auto"] | bool = "auto", limit: float = 30.0) -> Node:
    """Finds the GPUs of this machine through the NVIDIA driver.

    A driver without a GPU is no error: the node is empty.

    Args:
        guard: Whether a child process touches the driver first, because its library can crash or hang the program that
            opens it. `"auto"` does so where that was seen: under WSL2.
        limit: How many seconds the child may take.

    Raises:
        DriverUnavailable: There is no NVIDIA driver, or it is broken, or it has crashed the child.
        Timeout: The child has hung.
        InvalidArgument: There is no such guard, or the limit is no time.
    """
    seconds("limit", limit)
    child = probe(guard)
    return Node(_nacp.Node.discover() if child is None else _nacp.Node.discover_guarded(*child, limit))


def simulated_node(name: str | os.PathLike[str] | Mapping[str, Any] = "rtx3050ti-laptop-wsl2") -> Node:
    """A made-up machine, labelled simulated in everything that it says.

    >>> len(nacp.simulated_node("h100x8").gpus)
    8

    Args:
        name: One that comes with NACP, by its name; or a node file of your own, as its path or as a mapping. Text is a
            path where it has a `/` in it, or ends in `.json`, `.yaml` or `.yml`.

    Raises:
        NotFound: There is none of this name; `simulated_nodes()` lists them.
        InvalidArgument: The node file is wrong.
    """
    match name:
        case str() if not is_path(name):
            return Node(_nacp.Node.simulated(name))
        case Mapping():
            return Node(_nacp.Node.simulated_from(json.dumps(dict(name))))
        case _:
            return Node(_nacp.Node.simulated_from(Path(name).read_text(encoding="utf-8")))


def node_file(name: str) -> dict[str, Any]:
    """The node file of a simulated machine, to begin one of your own with.

    >>> file = nacp.node_file("h100x8")
    >>> file["script"] = [{"tick": 0, "gpu": 3, "set": {"temperature": 97}}]
    >>> nacp.simulated_node(file).snapshot().gpus[3].sample.temperature
    97

    Raises:
        NotFound: There is none of this name; `simulated_nodes()` lists them.
    """
    return dict(json.loads(_nacp.Node.node_file(name)))


def simulated_nodes() -> tuple[str, ...]:
    """The names of the simulated machines.

    >>> {"h100x8", "rtx3050ti-laptop-wsl2"} <= set(nacp.simulated_nodes())
    True
    """
    return tuple(_nacp.Node.simulated_names())
