"""A machine with its GPUs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nacp import _display, _nacp
from nacp._decode import Record, decode
from nacp._types import Gpu, GpuState, Origin
from nacp.exceptions import NacpError


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Snapshot(Record):
    """One reading of a whole node: what each GPU is and what it was doing at that moment."""

    at: datetime
    """When it was read, in UTC."""
    origin: Origin
    """What it was read from."""
    gpus: tuple[GpuState, ...]
    """The GPUs, in the driver's order."""

    def __repr__(self) -> str:
        return _display.text(self)

    def _repr_html_(self) -> str:
        return _display.html(self)


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

    def gpu(self, id: str) -> Gpu:
        """The GPU with this id.

        Raises:
            NotFound: There is none, with the ids that there are.
        """
        return decode(Gpu, json.loads(self._native.gpu(id)))

    def snapshot(self) -> Snapshot:
        """One consistent reading of every GPU.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
        return decode(Snapshot, json.loads(self._native.snapshot()))

    def to_json(self) -> str:
        """A new snapshot as the core's JSON; a reading that is not known is `{"unknown": reason}`."""
        return self._native.snapshot()

    def to_dict(self) -> dict[str, Any]:
        """A new snapshot as nested dictionaries, in the form of `to_json()`."""
        return dict(json.loads(self.to_json()))

    def metrics(self) -> str:
        """A new snapshot as Prometheus text, with the names of NVIDIA's dcgm-exporter."""
        return self._native.metrics()

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


def discover() -> Node:
    """Finds the GPUs of this machine through the NVIDIA driver.

    A driver without a GPU is no error: the node is empty.

    Raises:
        DriverUnavailable: There is no NVIDIA driver, or it is broken.
    """
    return Node(_nacp.Node.discover())


def simulated_node(name: str = "rtx3050ti-laptop-wsl2") -> Node:
    """A made-up machine, labelled simulated in everything that it says.

    >>> len(nacp.simulated_node("h100x8").gpus)
    8

    Raises:
        NotFound: There is none of this name; `simulated_nodes()` lists them.
    """
    return Node(_nacp.Node.simulated(name))


def simulated_nodes() -> tuple[str, ...]:
    """The names of the simulated machines.

    >>> nacp.simulated_nodes()
    ('h100x8', 'rtx3050ti-laptop-wsl2')
    """
    return tuple(_nacp.Node.simulated_names())
