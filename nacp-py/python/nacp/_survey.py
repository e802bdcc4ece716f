"""What is read about a machine before it is judged."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nacp import _nacp
from nacp._check import seconds
from nacp._decode import Record, decode
from nacp._guard import program
from nacp._host import Host
from nacp.exceptions import InvalidArgument


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Survey(Record):
    """Everything that was read about a machine: what `nacp.doctor`, `nacp.evaluate` and `nacp.lock` are computed from.

    It can be kept and sent: it holds no serial numbers, names of users or secrets. `to_dict` has all of it, with the
    names and meanings of the Rust type `nacp_core::host::Survey`.

    >>> nacp.survey(simulated="h100x8", containers=False).simulated
    True
    """

    host: Host
    """The layers on which it stands."""
    simulated: bool
    """Whether its GPUs or its CUDA driver are simulated: its devices do not exist."""
    _json: str = field(default="", repr=False)

    @classmethod
    def from_json(cls, text: str) -> Survey:
        """A survey from the JSON that `to_json` gave.

        Raises:
            InvalidArgument: It is none.
        """
        host = json.loads(_nacp.survey_host(text))
        text = text.strip()
        read = json.loads(text)
        simulated = read["nvml"]["simulated"] or read["cuda"]["simulated"]
        return decode(cls, {"host": host, "simulated": simulated, "_json": text})

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Survey:
        """A survey from the file that `write` made.

        Raises:
            InvalidArgument: It is none.
        """
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Keeps it in a file."""
        Path(path).write_text(self._json + "\n", encoding="utf-8")

    def to_json(self) -> str:
        """All that was read, as JSON."""
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists."""
        return dict(json.loads(self._json))

    def __repr__(self) -> str:
        return f"<nacp.Survey of {self.host.summary}{', SIMULATED' if self.simulated else ''}>"


def survey(
    *,
    root: str | os.PathLike[str] | None = None,
    simulated: str | os.PathLike[str] | None = None,
    limit: float | None = None,
    isolate: Literal["auto"] | bool = "auto",
    containers: bool = True,
    commands: bool = True,
    thorough: bool = False,
    messages: str | Iterable[str] = (),
) -> Survey:
    """Reads this machine, or one that was laid down in a folder. What cannot be read is in it, with its reason.

    Args:
        root: A folder laid out like the root of a machine, of which alone is read then; None for this machine.
        simulated: A simulated node whose GPUs and CUDA driver are read in place of this machine's: its name, or a node
            file that ends in `.json`.
        limit: How many seconds all may take together; None for five.
        isolate: Whether children ask the driver's libraries, so that one that hangs or crashes takes only them with it.
            "auto" does so where there is a driver.
        containers: Whether the container daemons are asked for the containers that want a GPU.
        commands: Whether programs are run that only tell something, such as `nvidia-ctk --version`.
        thorough: Whether programs are run that start the driver and change nothing: `nvidia-smi -L`, and
            `nvidia-ctk cdi generate` without a file.
        messages: Texts of events of pods, such as `kubectl describe pod` shows: NACP asks no API server.

    Raises:
        InvalidArgument: An argument is none of what it can be.
        NotFound: There is no such folder, or no such simulated node.
    """
    if limit is not None:
        seconds("limit", limit)
    wanted = {
        "root": None if root is None else os.fspath(root),
        "simulated": None if simulated is None else os.fspath(simulated),
        "limit": limit,
        "program": children(isolate, elsewhere=root is not None or simulated is not None),
        "containers": containers,
        "commands": commands,
        "thorough": thorough,
        "messages": [messages] if isinstance(messages, str) else list(messages),
    }
    return Survey.from_json(_nacp.survey(json.dumps(wanted)))


def children(isolate: Literal["auto"] | bool, *, elsewhere: bool) -> tuple[str, list[str]] | None:
    """Who asks the driver's libraries; None for threads of this process."""
    if isolate == "auto":
        # A program that brings its own Python is not one that can be started as Python.
        python = bool(sys.executable) and not getattr(sys, "frozen", False)
        return program() if python and not elsewhere else None
    if isinstance(isolate, bool):
        return program() if isolate else None
    hint = 'it is one of "auto", True, False'
    raise InvalidArgument(
        f"no such isolation: parameter=isolate value={isolate!r}; {hint}",
        operation="python.survey",
        context={"parameter": "isolate", "value": repr(isolate)},
        hint=hint,
    )
