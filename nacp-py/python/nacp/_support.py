"""What a driver answers: one call at a time, with what it said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby

from nacp import _table
from nacp._check import known_id
from nacp._decode import Record
from nacp._display import captioned
from nacp._gpu import Gpu
from nacp._types import Origin

HEAD = ("function", "answered", "the others")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Record):
    """One call of the driver's library and what was answered."""

    function: str
    """The function, such as `nvmlDeviceGetFanSpeed_v2`."""
    argument: str = ""
    """What was asked for, where the function answers several questions; empty where not."""
    gpu: str | None
    """The id of the GPU that was asked; None where the call is about the machine."""
    answer: str | None
    """The value as text."""
    unknown: dict[str, str] = field(default_factory=dict, hash=False)
    """Why there is no answer: the reason under `answer`."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Support(Record):
    """What every call that NACP makes was answered with: the evidence behind each unknown reading.

    It shows itself as a table with a row for each function.
    """

    calls: tuple[Call, ...]
    """The calls, first those about the machine, then each GPU's, in the order in which they were made."""
    origin: Origin | None = None
    """What was asked."""

    @property
    def answered(self) -> int:
        """How many calls were answered with a value."""
        return sum(call.answer is not None for call in self.calls)

    def of(self, gpu: Gpu | str | None, function: str) -> Call | None:
        """What a function was answered with: the first call of that name; None where it was not called.

        Args:
            gpu: The GPU or its id; None for calls about the machine.
            function: The name of the function.

        Raises:
            NotFound: There is no such GPU, with those that there are.
        """
        wanted = None if gpu is None else known_id(gpu, (call.gpu for call in self.calls if call.gpu is not None))
        return next((call for call in self.calls if (call.gpu, call.function) == (wanted, function)), None)

    def _title(self) -> str:
        return captioned(self.origin, f"{self.answered} of {len(self.calls)} calls of the driver's library answered")

    def _rows(self) -> list[tuple[str, ...]]:
        """One row for each function: how many of its calls were answered, and why others were not."""
        rows: list[tuple[str, ...]] = []
        for function, calls in groupby(sorted(self.calls, key=_function), key=_function):
            answers = Counter(call.unknown.get("answer", "") for call in calls)
            good = answers.pop("", 0)
            why = ", ".join(f"{reason} ({count})" for reason, count in answers.items())
            rows.append((function, f"{good} of {good + answers.total()}", why))
        return rows

    def __repr__(self) -> str:
        return _table.text(self._title(), HEAD, self._rows(), "no call")

    def _repr_html_(self) -> str:
        return _table.html(self._title(), HEAD, self._rows(), "no call")


def _function(call: Call) -> str:
    return call.function
