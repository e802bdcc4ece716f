"""Small charts for notebooks: SVG without a script, in the reader's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

WIDTH, HEIGHT, MARGIN = 160, 28, 2
LINE = "#76b900"


def sparkline(points: Sequence[tuple[int, float]], rows: int, label: str, top: float | None = None) -> str:
    """A line through the points of a number, as SVG.

    Args:
        points: Position in time, from 0, and value; a gap is where positions are missing.
        rows: How many positions there are.
        label: What it shows, for those who do not see it.
        top: The value at the upper edge; None for the largest. The lower edge is 0, or the smallest where it is below.

    >>> sparkline([(0, 1.0), (1, 3.0)], 2, "power").count("<polyline")
    1
    """
    low = min(0.0, min((value for _, value in points), default=0.0))
    span = max(top or 0.0, max((value for _, value in points), default=0.0)) - low

    def place(at: int, value: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * at / max(1, rows - 1)
        share = (value - low) / span if span else 0.0
        return f"{x:.1f},{HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * share:.1f}"

    stride = _stride(points)
    runs: list[list[str]] = []
    last: int | None = None
    for at, value in points:
        if last is None or at - last > 2 * stride:
            runs.append([])
        runs[-1].append(place(at, value))
        last = at
    lines = "".join(
        f'<polyline points="{" ".join(run if len(run) > 1 else run * 2)}" fill="none" stroke="{LINE}" '
        'stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/>'
        for run in runs
    )
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" style="max-width:none;vertical-align:middle;margin-right:0.5em">'
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{HEIGHT - 1}" y2="{HEIGHT - 1}" stroke="currentColor" '
        f'stroke-opacity="0.3"/>{lines}</svg>'
    )


def _stride(points: Sequence[tuple[int, float]]) -> int:
    """The usual distance between two points."""
    gaps = sorted(after - before for (before, _), (after, _) in pairwise(points))
    return gaps[len(gaps) // 2] if gaps else 1
