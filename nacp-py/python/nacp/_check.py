"""What a caller gave: checked before it is used, and named in the error as in the signature."""

from __future__ import annotations

import os
from collections.abc import Iterable

from nacp._gpu import Gpu
from nacp.exceptions import InvalidArgument, NotFound

FILES = (".json", ".yaml", ".yml")


def seconds(parameter: str, value: float) -> float:
    """A time in seconds: neither below 0 nor no number at all.

    >>> seconds("timeout", 0.5)
    0.5

    Raises:
        InvalidArgument: It is none.
    """
    if value >= 0:
        return value
    hint = "choose a number of seconds that is not below 0"
    raise InvalidArgument(
        f"not a time in seconds: parameter={parameter} value={value}; {hint}",
        operation="python.number",
        context={"parameter": parameter, "value": str(value)},
        hint=hint,
    )


def gpu_id(gpu: Gpu | str, parameter: str = "gpu") -> str:
    """The id of a GPU that is given itself or by its id.

    Raises:
        InvalidArgument: It is neither.
    """
    if isinstance(gpu, str):
        return gpu
    if isinstance(gpu, Gpu):
        return gpu.id
    position = isinstance(gpu, int)
    hint = f"use node.gpus[{gpu}].id" if position else "give a Gpu, or its id as text"
    raise InvalidArgument(
        f"a GPU is named by its id: parameter={parameter} value={gpu!r}; {hint}",
        operation="python.gpu",
        context={"parameter": parameter, "value": repr(gpu)},
        hint=hint,
    )


def known_id(gpu: Gpu | str, known: Iterable[str], parameter: str = "gpu") -> str:
    """The same, of a GPU that is among these.

    Raises:
        NotFound: It is not, with those that are.
        InvalidArgument: It is no GPU.
    """
    wanted, ids = gpu_id(gpu, parameter), tuple(dict.fromkeys(known))
    if wanted in ids:
        return wanted
    raise NotFound(
        f'no such GPU here: {parameter}="{wanted}" known={",".join(ids)}',
        operation="python.gpu",
        context={parameter: wanted, "known": ",".join(ids)},
    )


def is_path(name: str) -> bool:
    """Whether a name is that of a file: it has a `/` in it, or ends as such files do.

    >>> is_path("h100x8"), is_path("nodes/mine"), is_path("mine.json")
    (False, True, True)
    """
    return "/" in name or os.sep in name or name.endswith(FILES)
