"""The child process that touches the driver first, because the driver's library can crash or hang who opens it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

from nacp.exceptions import InvalidArgument

# This package is where it was found: with `-I` Python would not look there.
PACKAGES = str(Path(__file__).resolve().parent.parent)
PROGRAM = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_module('nacp._probe', None, '__main__')"
PROBE = ("-I", "-c", PROGRAM)


def probe(guard: Literal["auto"] | bool) -> tuple[str, list[str]] | None:
    """The program and its arguments; None where no child is wanted.

    Raises:
        InvalidArgument: There is no such guard.
    """
    if guard == "auto":
        wanted = os.path.exists("/dev/dxg") and bool(sys.executable)
    elif isinstance(guard, bool):
        wanted = guard
    else:
        hint = 'it is one of "auto", True, False'
        context = {"parameter": "guard", "value": repr(guard)}
        raise InvalidArgument(
            f"no such guard: parameter=guard value={guard!r}; {hint}",
            operation="gpu.discover",
            context=context,
            hint=hint,
        )
    return program() if wanted else None


def program() -> tuple[str, list[str]]:
    """This Python as a child process of the library, and its arguments."""
    return (sys.executable, [*PROBE, PACKAGES])
