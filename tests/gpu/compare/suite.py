"""The kernels of NACP's suite, as NACP starts them: the same text, grid and numbers must give the same bits anywhere.

The numbers repeat those of `nacp_core::cuda::Profile`. Where they drift apart, every digest differs, which is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

SEED = 0x6E61_6370
TREE = 256
ROWS_GRID = 8
LANES_BLOCK = 256


@dataclass(frozen=True)
class Profile:
    """How large the suite is."""

    lanes: int
    steps: int
    chunks: int
    rows: int
    warps: int


PROFILES = {
    "tiny": Profile(lanes=256, steps=16, chunks=2, rows=8, warps=4),
    "small": Profile(lanes=4096, steps=128, chunks=64, rows=64, warps=256),
    "standard": Profile(lanes=65_536, steps=512, chunks=1024, rows=64, warps=2048),
}


@dataclass(frozen=True)
class Start:
    """One start of a kernel: it is given two pieces of memory, for its words and for a word a block, then numbers."""

    kernel: str
    image: str
    grid: int
    block: int
    numbers: tuple[int, ...]
    words: int


EMPTY = Start("nacp_empty", "base", 1, 32, (), 0)


def starts(name: str) -> dict[str, Start]:
    """Every kernel of the suite by its name."""
    size = PROFILES[name]
    lanes = [
        Start(kernel, "base", size.lanes // LANES_BLOCK, LANES_BLOCK, (size.lanes, size.steps, SEED), size.lanes)
        for kernel in ("nacp_hash", "nacp_fma", "nacp_ieee")
    ]
    others = [
        Start("nacp_reduce", "base", size.chunks, TREE, (size.chunks, SEED), 2 * size.chunks),
        Start("nacp_rows", "base", ROWS_GRID, TREE, (0, size.rows, SEED), 2 * size.rows),
        Start("nacp_mma", "tensor", size.warps // 4, 128, (size.warps, size.steps, SEED), 32 * size.warps),
    ]
    return {start.kernel: start for start in [*lanes, *others]}
