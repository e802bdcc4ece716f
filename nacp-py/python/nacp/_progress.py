"""How far a check has come: a line in a terminal, a bar in a notebook, a call for whoever wants it himself."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, Protocol, TextIO, TypeAlias, TypeVar

from nacp._decode import Record
from nacp._report import CheckReport
from nacp.exceptions import InvalidArgument

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)

WIDTH = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckProgress(Record):
    """What a check tells while it goes on."""

    id: str
    """Which check begins or has ended, such as `det.bits`."""
    device: str | None = None
    """On which device."""
    done: int
    """How many reports there are already."""
    total: int
    """How many there will be. It grows once, when the devices are known."""
    report: CheckReport | None = None
    """What it found; None where it begins."""


Told: TypeAlias = Callable[[CheckProgress], object]
Asked: TypeAlias = Literal["auto"] | bool | Callable[[S], object]


class Shows(Protocol[S_contra]):
    """Shows one step after another, in its place."""

    def tell(self, step: S_contra) -> None:
        """Shows a step."""

    def end(self) -> None:
        """There will be no further step."""


def listener(progress: Asked[CheckProgress]) -> tuple[Told | None, Callable[[], None]]:
    """Who is told of each step of a check, and what is done at the end.

    Raises:
        InvalidArgument: `progress` is none of what it can be.
    """
    return shown(progress, operation="python.check", line=Line, board=Bar)


def shown(
    progress: Asked[S], *, operation: str, line: Callable[[TextIO], Shows[S]], board: Callable[[Any], Shows[S]]
) -> tuple[Callable[[S], object] | None, Callable[[], None]]:
    """Who is told of each step, and what is done at the end: a line in a terminal, a board in a notebook, the caller.

    Raises:
        InvalidArgument: `progress` is none of what it can be.
    """
    if callable(progress):
        return progress, lambda: None
    if progress is False:
        return None, lambda: None
    if progress is not True and progress != "auto":
        hint = 'it is "auto", True, False, or a function'
        raise InvalidArgument(
            f"no such progress: parameter=progress value={progress!r}; {hint}",
            operation=operation,
            context={"parameter": "progress", "value": repr(progress)},
            hint=hint,
        )
    display = notebook()
    if display is not None:
        shows = board(display)
    elif progress is True or sys.stderr.isatty():
        shows = line(sys.stderr)
    else:
        return None, lambda: None
    return shows.tell, shows.end


def notebook() -> Any | None:
    """IPython's displays, where this is a notebook: a kernel is there, and not only a console."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    return importlib.import_module("IPython.display")


class Line:
    """One line of a terminal, written over and over."""

    def __init__(self, to: TextIO) -> None:
        self._to, self._length = to, 0

    def tell(self, step: CheckProgress) -> None:
        """Shows a step."""
        filled = WIDTH * step.done // max(step.total, 1)
        line = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {step.done}/{step.total} {step.id}"
        self._to.write("\r" + line.ljust(self._length))
        self._to.flush()
        self._length = len(line)

    def end(self) -> None:
        """Takes the line away."""
        self._to.write("\r" + " " * self._length + "\r")
        self._to.flush()


class Bar:
    """A bar in a notebook, drawn anew in its place. It needs no widgets."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._handle = display.display(display.HTML(""), display_id=True)

    def tell(self, step: CheckProgress) -> None:
        """Shows a step."""
        share = 100 * step.done / max(step.total, 1)
        box = "display:inline-block;width:16em;height:0.8em;border:1px solid currentColor;border-radius:3px"
        fill = f"display:block;height:100%;width:{share:.0f}%;background:#76b900"
        text = f"{step.done} of {step.total}: {escape(step.id)}"
        html = f'<span style="{box}"><span style="{fill}"></span></span> {text}'
        self._handle.update(self._display.HTML(html))

    def end(self) -> None:
        """Takes the bar away."""
        self._handle.update(self._display.HTML(""))
