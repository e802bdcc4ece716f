"""How the GPUs of a node reach each other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nacp import _nacp, _table
from nacp._check import gpu_id, known_id
from nacp._decode import Record, decode
from nacp._display import captioned
from nacp._extra import package
from nacp._gpu import Affinity, Gpu
from nacp._pair import Ancestor, PeerAccess
from nacp._types import Origin

TAIL = ("CPU Affinity", "NUMA Affinity", "GPU NUMA ID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Record):
    """Where one GPU sits."""

    gpu: str
    """The id of the GPU."""
    index: int
    """Its position in the driver's list."""
    pci: str | None
    """Its PCI address."""
    affinity: Affinity
    """Which processors and which memory of the machine are near it."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Record):
    """What lies between two GPUs."""

    a: str
    """The id of the one that the driver lists first."""
    b: str
    """The id of the other."""
    text: str
    """As in `nvidia-smi topo -m`: `NV12` for twelve NVLinks, otherwise what of the machine they have in common."""
    ancestor: Ancestor | None
    """What of the machine lies between them."""
    nvlinks: int | None
    """How many NVLinks between them are up. Over a switch: how many links the GPU with fewer has to it."""
    switched: bool
    """Whether those NVLinks lead over a switch."""
    version: int | None
    """The oldest NVLink version among them, as the driver numbers it."""
    bandwidth: int | None
    """What those NVLinks carry together in each direction, in megabytes (10^6) a second."""
    peer: PeerAccess
    """Whether each can use the other's memory."""
    same_numa: bool | None
    """Whether they are near the same memory of the machine."""
    same_clique: bool | None
    """Whether both belong to one clique of an NVLink fabric."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Record):
    """One GPU's row of the matrix."""

    gpu: str
    """The id of the GPU."""
    name: str
    """Its name in the table: `GPU0`."""
    cells: tuple[str, ...]
    """What lies between it and each GPU: `X` for itself, `NV12`, `PIX`, `SYS` …; `?` for what is not known."""
    cpus: str
    """The processors near it, as ranges."""
    numa: str
    """The NUMA nodes near it, as ranges."""
    gpu_numa: str
    """The NUMA node of its own memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf(Record):
    """A GPU on the bus."""

    gpu: str
    """The id of the GPU."""
    index: int
    """Its position in the driver's list."""
    pci: str | None
    """Its PCI address."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch(Record):
    """A part of the machine and the GPUs below it."""

    level: Ancestor
    """What joins what is below; `system` for the machine itself."""
    branches: tuple[Branch, ...]
    """The parts below."""
    gpus: tuple[Leaf, ...]
    """The GPUs that hang on it directly."""


class Topology:
    """What each GPU of a node is to each other one. It comes from `Node.topology()` and shows itself as a matrix.

    >>> node = nacp.simulated_node("h100x8")
    >>> topology = node.topology()
    >>> len(topology.links), topology.best_group(2) == [gpu.id for gpu in node.gpus[:2]]
    (28, True)
    """

    __slots__ = ("_native", "gpus", "groups", "links", "matrix", "origin", "tree")

    gpus: tuple[Place, ...]
    """The GPUs, in the driver's order."""
    links: tuple[Link, ...]
    """What lies between each two GPUs, each two once."""
    matrix: tuple[Row, ...]
    """The same as rows of a table."""
    tree: Branch
    """The PCIe tree, as far as the driver tells of it."""
    groups: tuple[tuple[str, ...], ...]
    """The ids of GPUs that NVLink connects, together."""
    origin: Origin
    """What it was read from."""

    def __init__(self, native: _nacp.Topology, origin: Origin) -> None:
        self._native = native
        self.origin = origin
        data = json.loads(native.json())
        self.gpus = decode(tuple[Place, ...], data["gpus"])
        self.links = decode(tuple[Link, ...], data["links"])
        self.matrix = decode(tuple[Row, ...], data["matrix"])
        self.tree = decode(Branch, data["tree"])
        self.groups = decode(tuple[tuple[str, ...], ...], data["groups"])

    def link(self, a: Gpu | str, b: Gpu | str) -> Link | None:
        """What lies between two GPUs, given themselves or by their ids; None where they are one.

        Raises:
            NotFound: There is no such GPU, with those that there are.
        """
        ids = [place.gpu for place in self.gpus]
        both = {known_id(a, ids, "a"), known_id(b, ids, "b")}
        return next((link for link in self.links if {link.a, link.b} == both), None)

    def nearest(self, gpu: Gpu | str) -> list[str]:
        """The ids of the other GPUs, the nearest to this one first.

        Raises:
            NotFound: There is no such GPU, with those that there are.
        """
        return self._native.nearest(gpu_id(gpu))

    def best_group(self, count: int, among: Iterable[Gpu | str] | None = None) -> list[str]:
        """The ids of the GPUs that work best together.

        Args:
            count: How many.
            among: Those to choose from, or their ids; None for all.

        Raises:
            ResourceExhausted: There are not so many.
        """
        return self._native.best_group(count, None if among is None else [gpu_id(gpu, "among") for gpu in among])

    def tree_text(self) -> str:
        """The PCIe tree as indented lines."""
        return self._native.tree_text()

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists."""
        return {
            "gpus": [place.to_dict() for place in self.gpus],
            "links": [link.to_dict() for link in self.links],
            "groups": [list(group) for group in self.groups],
        }

    def to_networkx(self) -> Any:
        """The same as a `networkx.Graph`: a node for each GPU's id, an edge with the attributes of `Link` for each two.

        Raises:
            ImportError: The package networkx is not installed.
        """
        graph = package("networkx", "Topology.to_networkx").Graph()
        for place in self.gpus:
            graph.add_node(place.gpu, index=place.index, pci=place.pci)
        for link in self.links:
            graph.add_edge(link.a, link.b, **{key: value for key, value in link.to_dict().items() if key not in "ab"})
        return graph

    def _head(self) -> tuple[str, ...]:
        return ("", *(row.name for row in self.matrix), *TAIL)

    def _title(self) -> str:
        return captioned(self.origin, "how the GPUs reach each other")

    def __repr__(self) -> str:
        return f"{self._title()}\n{self._native.text().rstrip(chr(10)) or 'no GPU'}"

    def _repr_html_(self) -> str:
        """The matrix; the more NVLinks, the stronger the colour."""
        most = max((link.nvlinks or 0 for link in self.links), default=0)

        def shade(row: int, column: int) -> str:
            at = column - 1
            if row == at or not 0 <= at < len(self.gpus) or not most:
                return ""
            link = self.link(self.gpus[row].gpu, self.gpus[at].gpu)
            share = (link.nvlinks or 0) / most if link else 0.0
            return f"background:rgba(118,185,0,{0.55 * share:.2f})"

        rows = [(row.name, *row.cells, row.cpus, row.numa, row.gpu_numa) for row in self.matrix]
        return _table.html(self._title(), self._head(), rows, "no GPU", style=shade)
