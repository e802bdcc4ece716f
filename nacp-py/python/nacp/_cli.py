"""The program `nacp`, as `pip install` puts it on the search path: the same as the one in Rust, in this process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from types import FrameType

from nacp import _nacp
from nacp._guard import program


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what these arguments ask for, those of this process unless they are given.

    Returns:
        The number with which the program ends: 0 when what was asked for is so; `nacp --help` lists the others.
    """
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _terminated)
    return _nacp.cli(list(sys.argv[1:] if arguments is None else arguments), program())


def _terminated(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
