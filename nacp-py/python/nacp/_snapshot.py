"""One reading of a whole node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nacp import _display
from nacp._decode import Record
from nacp._types import GpuState, Origin


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
