"""What two GPUs are to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nacp._decode import Record

Ancestor = Literal["internal", "switch", "switches", "host_bridge", "node", "system"]
PeerStatus = Literal[
    "ok",
    "chipset_not_supported",
    "gpu_not_supported",
    "topology_not_supported",
    "disabled_by_registry",
    "not_supported",
    "unknown",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAccess(Record):
    """Whether two GPUs can use each other's memory, each way of use apart."""

    read: PeerStatus | None
    """Reading."""
    write: PeerStatus | None
    """Writing."""
    nvlink: PeerStatus | None
    """Over NVLink."""
    atomics: PeerStatus | None
    """Atomic operations."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Record):
    """What two GPUs of a node are to each other; told once for each pair, the lower index first."""

    a: str
    """The id of one of them."""
    b: str
    """The id of the other."""
    ancestor: Ancestor | None
    """What of the machine lies between them, from `internal` (one board) to `system` (between NUMA nodes)."""
    peer: PeerAccess
    """Whether each can use the other's memory."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why a reading is None: reasons by the name of the attribute."""
