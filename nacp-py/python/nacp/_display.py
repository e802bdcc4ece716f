"""How a snapshot looks: as text in a console, as a table in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from nacp._nacp import size
from nacp._types import GpuState

if TYPE_CHECKING:
    from nacp._node import Snapshot

HEAD = ("", "GPU", "id", "compute", "memory", "busy", "temperature", "power")
# Colours are the reader's own, so that the table can be read on white and on black.
CELL = "padding:0.2em 0.8em;text-align:left;white-space:nowrap;color:inherit;background:transparent"
BAR = "display:inline-block;width:6em;height:0.7em;border:1px solid currentColor;border-radius:2px;margin-right:0.5em"
FILL = "display:block;height:100%;background:#76b900"


def title(snapshot: Snapshot) -> str:
    """One line: what was read, from what, when."""
    origin = snapshot.origin
    parts = [("simulated node " if origin.simulated else "node of ") + origin.name]
    if origin.driver:
        parts.append(f"driver {origin.driver}")
    if origin.cuda:
        parts.append(f"CUDA {origin.cuda}")
    return ", ".join(parts) + f", {snapshot.at:%Y-%m-%d %H:%M:%S} UTC"


def cells(state: GpuState) -> tuple[str, ...]:
    """One row of the table; what is not known says why."""
    gpu, sample = state.gpu, state.sample
    memory, busy = sample.memory, sample.utilization
    return (
        str(gpu.index),
        gpu.name,
        gpu.id,
        gpu.compute or _unknown(gpu.unknown, "compute"),
        f"{size(memory.used)} of {size(memory.total)}" if memory else _unknown(sample.unknown, "memory"),
        f"{busy.gpu} %" if busy else _unknown(sample.unknown, "utilization"),
        _unknown(sample.unknown, "temperature") if sample.temperature is None else f"{sample.temperature} °C",
        _unknown(sample.unknown, "power") if sample.power is None else f"{sample.power / 1000:.1f} W",
    )


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Rows in columns as wide as they need to be.

    >>> print(table(("a", "b"), [("long", "x")]))
    a     b
    long  x
    """
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows])
    return "\n".join(line.rstrip() for line in lines)


def text(snapshot: Snapshot) -> str:
    """A snapshot for a console."""
    rows = [cells(state) for state in snapshot.gpus]
    return f"{title(snapshot)}\n{table(HEAD, rows) if rows else 'no GPU'}"


def html(snapshot: Snapshot) -> str:
    """A snapshot for a notebook: one table, no script, every value escaped."""
    heads = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in HEAD)
    rows = "".join(f"<tr>{_row(state)}</tr>" for state in snapshot.gpus)
    empty = "" if snapshot.gpus else f'<tr><td style="{CELL}" colspan="{len(HEAD)}">no GPU</td></tr>'
    caption = f'<caption style="{CELL};caption-side:top">{escape(title(snapshot))}</caption>'
    return (
        f'<table style="border-collapse:collapse;color:inherit">{caption}'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}{empty}</tbody></table>"
    )


def _row(state: GpuState) -> str:
    memory, out = state.sample.memory, []
    for name, value in zip(HEAD, cells(state), strict=True):
        bar = ""
        if name == "memory" and memory and memory.total:
            share = 100 * memory.used / memory.total
            bar = f'<span style="{BAR}"><span style="{FILL};width:{share:.1f}%"></span></span>'
        out.append(f'<td style="{CELL}">{bar}{escape(value)}</td>')
    return "".join(out)


def _unknown(reasons: dict[str, str], name: str) -> str:
    return f"unknown ({reasons.get(name, 'not read')})"
