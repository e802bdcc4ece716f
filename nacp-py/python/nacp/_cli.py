"""The program `nacp`, as `pip install` puts it on the search path: the same as the one in Rust, in this process."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from nacp import _nacp
from nacp._guard import program


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what these arguments ask for, those of this process unless they are given.

    Returns:
        The number with which the program ends: 0 when what was asked for is so; `nacp --help` lists the others.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if threading.current_thread() is not threading.main_thread():
        return _nacp.cli(words, program())
    # What serves ends its requests first; without this, the process would be gone at once.
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        return _nacp.cli(words, program())
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminated(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
