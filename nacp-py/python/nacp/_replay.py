"""Nodes from recordings."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from nacp import _nacp
from nacp._decode import Record, decode
from nacp._node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Record):
    """How far a replay has come."""

    recorded_at: datetime
    """When the recording began, in UTC."""
    scrubbed: bool
    """Whether its ids are made up and what identifies the machine is taken out."""
    frames: int
    """Readings that were passed, in this round."""
    seconds: float
    """The recorded time at which it is, from the start of the recording."""
    ended: bool
    """Whether the recording has ended."""
    cut: int | None
    """The line at which the recording is cut off, once the replay has come there."""


class Replay(Node):
    """A node from a recording. It comes from `replay()`; its origin says so."""

    __slots__ = ("_replay",)

    def __init__(self, native: _nacp.Replay) -> None:
        super().__init__(native.node())
        self._replay = native

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return decode(Progress, json.loads(self._replay.progress()))


def replay(
    path: str | os.PathLike[str],
    speed: float | None = 1.0,
    at_end: Literal["stay", "loop", "fail"] = "stay",
) -> Replay:
    """A node that does again what was recorded of another one with `Node.record`.

    Args:
        path: The file.
        speed: 1 is as fast as it was, 10 ten times as fast; None to go on by one reading at each call.
        at_end: When the recording has ended: stay at the last reading, begin anew, or fail.

    Raises:
        NotFound: There is no such file.
        InvalidArgument: It is no recording, or there is no such speed.
        Unsupported: It is of a newer format.
    """
    return Replay(_nacp.Replay(os.fspath(path), speed, at_end))
