"""How a snapshot looks: as text in a console, as a table in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacp import _table
from nacp._nacp import size
from nacp._types import GpuState, Origin

if TYPE_CHECKING:
    from nacp._snapshot import Snapshot

HEAD = ("", "GPU", "id", "compute", "memory", "busy", "temperature", "power")
BAR = "display:inline-block;width:6em;height:0.7em;border:1px solid currentColor;border-radius:2px;margin-right:0.5em"
FILL = "display:block;height:100%;background:#76b900"


def source(origin: Origin) -> str:
    """What something was read from."""
    parts = [("simulated node " if origin.simulated else "node of ") + origin.name]
    if origin.driver:
        parts.append(f"driver {origin.driver}")
    if origin.cuda:
        parts.append(f"CUDA {origin.cuda}")
    return ", ".join(parts)


def captioned(origin: Origin | None, text: str) -> str:
    """A caption that begins with what was read."""
    return text if origin is None else f"{source(origin)}: {text}"


def title(snapshot: Snapshot) -> str:
    """One line: what was read, from what, when."""
    return f"{source(snapshot.origin)}, {snapshot.at:%Y-%m-%d %H:%M:%S} UTC"


def cells(state: GpuState) -> tuple[str, ...]:
    """One row of the table; what is not known says why."""
    gpu, sample = state.gpu, state.sample
    memory, busy, why = sample.memory, sample.utilization, sample.unknown.get
    return (
        str(gpu.index),
        gpu.name,
        gpu.id,
        _table.value(gpu.compute, gpu.unknown.get("compute")),
        _table.value(memory and f"{size(memory.used)} of {size(memory.total)}", why("memory")),
        _table.value(busy and f"{busy.gpu} %", why("utilization")),
        _table.value(None if sample.temperature is None else f"{sample.temperature} °C", why("temperature")),
        _table.value(None if sample.power is None else f"{sample.power / 1000:.1f} W", why("power")),
    )


def text(snapshot: Snapshot) -> str:
    """A snapshot for a console."""
    return _table.text(title(snapshot), HEAD, [cells(state) for state in snapshot.gpus], "no GPU")


def html(snapshot: Snapshot) -> str:
    """A snapshot for a notebook, with a bar for the memory."""

    def bar(row: int, column: int) -> str:
        memory = snapshot.gpus[row].sample.memory
        if HEAD[column] != "memory" or not memory or not memory.total:
            return ""
        share = 100 * memory.used / memory.total
        return f'<span style="{BAR}"><span style="{FILL};width:{share:.1f}%"></span></span>'

    return _table.html(title(snapshot), HEAD, [cells(state) for state in snapshot.gpus], "no GPU", draw=bar)
