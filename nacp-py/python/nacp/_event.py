"""What happens to GPUs, told when it happens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from nacp import _nacp
from nacp._decode import Record, decode
from nacp._sample import Partition
from nacp._stream import Stream

EventKind = Literal[
    "single_bit_ecc",
    "double_bit_ecc",
    "performance_state",
    "xid",
    "clock",
    "power_source",
    "mig_configuration",
    "single_bit_storm",
    "dram_retirement",
    "dram_failure",
    "non_fatal_poison",
    "fatal_poison",
    "unavailable",
    "recovery_action",
    "sxid",
    "fell_off_bus",
    "unknown",
]
Via = Literal["nvml", "kernel_log", "simulated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Record):
    """Something that happened."""

    at: datetime
    """When it was told, in UTC; for the kernel log, when it was written."""
    gpu: str | None
    """The id of the GPU; None where the event is not of one, or of one that the driver does not list."""
    partition: Partition | None = None
    """Which partition of it, where the driver says so."""
    kind: EventKind
    """What happened."""
    code: int | None = None
    """The number of an Xid or SXid."""
    detail: str = ""
    """What the kernel log adds to an Xid or SXid; empty where NVML told it."""
    bits: int | None = None
    """For an unknown kind, the driver's bits."""
    data: int | None = None
    """For an unknown kind, the number that came with the bits."""
    via: Via
    """Who told it."""
    text: str
    """What happened, in words."""

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.gpu or 'node'}: {self.text}"

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        kind = data["kind"]
        name, parts = next(iter(kind.items())) if isinstance(kind, dict) else (kind, {})
        return data | parts | {"kind": name}


class Events(Stream[Event]):
    """What happens to the GPUs of a node, from the moment when this was made. It comes from `Node.events()`.

    Iterate over it with `for` or `async for`, or ask it with `next`. Ctrl-C ends a wait, a coroutine that waits can be
    cancelled, and no event is lost by either. Leaving its `with` block closes it.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _nacp.Events, timeout: float | None) -> None:
        super().__init__(native, timeout)
        self._native = native

    def _take(self) -> Event | None:
        taken = self._native.take()
        return None if taken is None else decode_event(taken)


def decode_event(text: str) -> Event:
    """An event from the core's JSON."""
    return decode(Event, json.loads(text))
