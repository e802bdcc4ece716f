"""Whether CUDA works here, how fast, and whether it repeats bit for bit."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Literal

from nacp import _nacp
from nacp._check import gpu_id, seconds
from nacp._decode import decode
from nacp._gpu import Gpu
from nacp._guard import program
from nacp._progress import CheckProgress, Told, listener
from nacp._report import LevelName, Report
from nacp.exceptions import InvalidArgument


def check(
    level: LevelName = "quick",
    *,
    devices: Gpu | str | Iterable[Gpu | str] | None = None,
    only: str | Iterable[str] | None = None,
    cuda: str | None = None,
    sass: str | Iterable[str] = (),
    ptx: tuple[str, str] | None = None,
    limit: float | None = None,
    isolate: Literal["auto"] | bool = "auto",
    library: str | os.PathLike[str] | None = None,
    simulated: str | os.PathLike[str] | None = None,
    even_if_busy: bool = False,
    progress: Literal["auto"] | bool | Told = "auto",
) -> Report:
    """Checks CUDA on this machine. That there is no driver is no error: it is a report that fails at its first check.

    >>> report = nacp.check("quick", simulated="h100x8", only="drv.version", progress=False)
    >>> report.of("drv.version").status
    'pass'

    Args:
        level: "quick": does it work, below 2 seconds; "standard": how fast, and does it repeat, below 30; "full": all
            memory and all multiprocessors, for minutes, on an idle GPU.
        devices: The devices to check; None for all.
        only: The checks to do, such as `det.bits`, with what they build on; None for all of the level.
        cuda: The CUDA version that your programs were built with, such as `12.8`: `drv.runtime_fit` says whether the
            driver serves it.
        sass: The architectures that your programs are compiled for, such as `sm_90`: `dev.arch_fit` says whether a
            device runs them.
        ptx: The PTX that your programs bring, by its version and target, such as `("8.0", "compute_80")`.
        limit: How many seconds all may take together; None for the limit of the level.
        isolate: Whether children touch the driver, so that one that hangs or crashes takes only them with it, and
            this process can still fork and choose its devices. "auto" does so where there is a driver.
        library: The file of the driver's library; None for the one that the loader finds.
        simulated: A simulated node whose driver is checked in place of this machine's: its name, or a node file that
            ends in `.json`.
        even_if_busy: Whether the checks of "full" are done also on a device on which others compute.
        progress: "auto" shows a bar in a notebook and a line in a terminal; or a function that is told each step.

    Raises:
        InvalidArgument: An argument is none of what it can be.
        NotFound: There is no such simulated node.
    """
    told, end = listener(progress)
    if limit is not None:
        seconds("limit", limit)
    path = None if library is None else os.fspath(library)
    wanted = {
        "level": level,
        "devices": _ids(devices),
        "checks": [only] if isinstance(only, str) else only and list(only),
        "cuda": cuda,
        "sass": [sass] if isinstance(sass, str) else list(sass),
        "ptx": ptx,
        "limit": limit,
        "library": path,
        "simulated": None if simulated is None else os.fspath(simulated),
        "even_if_busy": even_if_busy,
        "program": _program(isolate, path, simulated is not None),
    }

    def tell(text: str) -> None:
        if told is not None:
            told(decode(CheckProgress, json.loads(text)))

    try:
        return Report.from_json(_nacp.check(json.dumps(wanted), None if told is None else tell))
    finally:
        end()


def _ids(devices: Gpu | str | Iterable[Gpu | str] | None) -> list[str]:
    """The ids of one device or of several."""
    if devices is None:
        return []
    several = devices if isinstance(devices, Iterable) and not isinstance(devices, str) else [devices]
    return [gpu_id(device, "devices") for device in several]


def _program(isolate: Literal["auto"] | bool, library: str | None, simulated: bool) -> tuple[str, list[str]] | None:
    """Who runs the checks; None for a thread of this process."""
    if isolate == "auto":
        # A program that brings its own Python is not one that can be started as Python.
        python = bool(sys.executable) and not getattr(sys, "frozen", False)
        wanted = python and not simulated and _nacp.cuda_opens(library)
    elif isinstance(isolate, bool):
        wanted = isolate
    else:
        hint = 'it is one of "auto", True, False'
        raise InvalidArgument(
            f"no such isolation: parameter=isolate value={isolate!r}; {hint}",
            operation="python.check",
            context={"parameter": "isolate", "value": repr(isolate)},
            hint=hint,
        )
    return program() if wanted else None
