"""Keeping what a node did in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from nacp import _nacp
from nacp._decode import Record, decode

if TYPE_CHECKING:
    from nacp._telemetry import Telemetry

# How hard zstd tries.
LEVEL = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Record):
    """What was written to a recording."""

    frames: int
    """Readings of the whole node."""
    events: int
    """Events."""
    lost: int
    """Readings that came faster than they could be written."""
    bytes: int
    """The size of the file, in bytes."""


class Recording:
    """A recording under way. It comes from `Node.record()` and `Telemetry.record()`; leaving its `with` block ends it.

    Attributes:
        recorded: What was written; None until it has ended.
    """

    __slots__ = ("_native", "_telemetry", "recorded")

    def __init__(self, native: _nacp.Recording, telemetry: Telemetry | None = None) -> None:
        self._native = native
        self._telemetry = telemetry
        self.recorded: Recorded | None = None

    def close(self) -> Recorded | None:
        """Ends it, and tells what was written. Closing twice is no error.

        Raises:
            NacpError: What the file system refused.
        """
        try:
            written = self._native.finish()
        finally:
            if self._telemetry is not None:
                self._telemetry.close()
        if written is not None:
            self.recorded = decode(Recorded, json.loads(written))
        return self.recorded

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Recording, {'under way' if self.recorded is None else self.recorded}>"
