"""What happens to GPUs, told when it happens."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal

from nacp import _nacp
from nacp._decode import Record, decode
from nacp._sample import Partition

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

# One turn of a wait off the event loop: a thread that nobody waits for any more ends within this many seconds.
TURN = 0.2
FOREVER = 86_400.0


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


class Events:
    """A wait for what happens to the GPUs of a node, from the moment when it was made.

    It comes from `Node.events()`. Iterate over it with `for` or `async for`, or ask it with `next`. Ctrl-C ends a
    wait; leaving its `with` block closes it.
    """

    __slots__ = ("_native", "_timeout")

    def __init__(self, native: _nacp.Events, timeout: float | None) -> None:
        self._native = native
        self._timeout = timeout

    def next(self, timeout: float | None = None) -> Event | None:
        """Waits for the next event.

        Args:
            timeout: How many seconds to wait at most; None for as long as it takes.

        Returns:
            The event, or None when the time has passed or this is closed.

        Raises:
            DriverUnavailable: The driver has stopped answering.
        """
        end = _end(timeout)
        while (event := self._take()) is None and not self.closed:
            if not self._native.wait(_left(end)) and time.monotonic() >= end:
                return None
        return event

    async def next_async(self, timeout: float | None = None) -> Event | None:
        """The same for a coroutine: the wait is done off the event loop, and no event is lost when it is cancelled."""
        import asyncio  # here, because who does not use it should not pay for it at the import

        loop, end = asyncio.get_running_loop(), _end(timeout)
        while (event := self._take()) is None and not self.closed:
            here = await loop.run_in_executor(None, self._native.wait, min(_left(end), TURN))
            if not here and time.monotonic() >= end:
                return None
        return event

    def _take(self) -> Event | None:
        taken = self._native.take()
        return None if taken is None else decode(Event, json.loads(taken))

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = self.next(self._timeout)
        if event is None:
            raise StopIteration
        return event

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        event = await self.next_async(self._timeout)
        if event is None:
            raise StopAsyncIteration
        return event

    @property
    def closed(self) -> bool:
        """Whether it has been closed. In a forked child it always is."""
        return self._native.closed

    def close(self) -> None:
        """Stops listening. Closing twice is no error."""
        self._native.close()

    def __enter__(self) -> Events:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Events{', closed' if self.closed else ''}>"


def _end(timeout: float | None) -> float:
    return float("inf") if timeout is None else time.monotonic() + timeout


def _left(end: float) -> float:
    return min(max(0.0, end - time.monotonic()), FOREVER)
