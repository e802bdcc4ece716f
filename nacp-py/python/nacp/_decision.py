"""Which runtime to be on: the founding decision as a measurement."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any, Literal

from nacp import _nacp
from nacp._check import seconds
from nacp._decode import Record, decode
from nacp._host import Evidence, RuntimeOption, Standing
from nacp._lock import Lock
from nacp._report import LevelName, Report, UnitName
from nacp._survey import Survey, children
from nacp.exceptions import InvalidArgument, NotFound

CriterionName = Literal["throughput", "overhead", "parity", "portability", "devops", "stability", "reproducibility"]
RatingName = Literal["poor", "weak", "fair", "good", "strong"]
CellKind = Literal["measured", "rated", "unknown"]
ReachName = Literal["here", "within", "elsewhere"]
# How wide a table is where nobody says, and how high its frame is in a notebook.
WIDTH, HEIGHT = 100, 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure(Record):
    """One measured number and what it counts."""

    name: str
    """What, such as `thr.fma fma_flops`, or a question such as `grave Xids`."""
    value: float
    """The value, in its unit."""
    unit: UnitName
    """Its unit."""
    score: float | None = None
    """Its score from 0 to 1; None where it is told and not judged."""
    weight: float
    """How much it counts among the others of its cell."""
    rule: str
    """How its score was computed, or why it is not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Record):
    """A measured cell."""

    score: float
    """The score: 0 is the worst, 1 the best."""
    share: float = 1.0
    """Which part of the criterion was measured, from 0 to 1: what could not be looked at is no part of the score."""
    simulated: bool = False
    """Whether something of it comes from simulated devices, so that it says nothing of any real one."""
    measured_on: RuntimeOption | None = None
    """The option on which it was measured, where that is another one on the same way to the GPU."""
    figures: tuple[Figure, ...]
    """What was measured, and what each figure counts."""
    lacks: tuple[str, ...] = ()
    """What the reference has and this machine has not."""
    extra: tuple[str, ...] = ()
    """What this machine has and the reference has not."""
    missing: tuple[str, ...] = ()
    """What belongs to the criterion and was not measured, and why."""
    evidence: tuple[Evidence, ...] = ()
    """What was read, and where."""
    rule: str
    """How the score was computed."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        return data | {"measured_on": data.get("from")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated(Record):
    """The founding document's word, as a step of five. It was rated, not measured."""

    rating: RatingName
    """The step."""
    reason: str
    """Why, by what the document says."""
    shared_with: tuple[RuntimeOption, ...] = ()
    """Options that are the same thing by this criterion, because they share one way to the GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published(Record):
    """What somebody has published about a cell: it is shown, and never counts."""

    claim: str
    """What it says."""
    source: str
    """Who says so."""
    year: int | None = None
    """The year, where it is known."""
    anecdote: bool
    """Whether it is one person's experience, without a method that could be repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell(Record):
    """What is known of one option by one criterion."""

    option: RuntimeOption
    """Which option."""
    criterion: CriterionName
    """By which criterion."""
    kind: CellKind
    """Whether it was measured here, is rated by the document, or neither."""
    measured: Measured | None
    """The measurement, where there is one."""
    rated: Rated | None = None
    """The founding document's own word, also where it was measured; None where the document says nothing."""
    reason: str | None
    """Why nothing is known, where nothing is."""
    unmeasured: str | None = None
    """Why it was not measured on this machine; None where it was."""
    published: tuple[Published, ...] = ()
    """What others have published about it."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        value = data["value"]
        measured = value if value["kind"] == "measured" else None
        return data | {
            "kind": value["kind"],
            "measured": measured,
            "reason": value.get("reason") if not measured else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionScore(Record):
    """One option as a whole."""

    option: RuntimeOption
    """Which."""
    reach: ReachName
    """Whether it can be had on this machine."""
    detail: str
    """What it takes, or why it cannot be had; empty where the machine stands on it."""
    score: float | None = None
    """The mean of its known cells by their weights, from 0 to 1; None where no cell that counts is known."""
    known: float
    """Which part of the weight is on cells that are measured or rated."""
    measured: float
    """Which part of the weight is on cells that are measured."""
    compared: float | None = None
    """The mean of the scores on which the candidates are compared; None where it is no candidate."""
    rank: int | None = None
    """Its place among the candidates, from 1; None where it is no candidate here."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        reach = data["reach"]
        return data | {"reach": reach["reach"], "detail": reach.get("takes", reach.get("why", ""))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(Record):
    """A weight that would change the recommendation, all others as they are."""

    criterion: CriterionName
    """Whose weight."""
    weight: float
    """What it is."""
    beyond: float
    """Beyond which value another option leads."""
    option: RuntimeOption
    """Which option then leads."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        return data | {"weight": data["from"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared(Record):
    """A criterion by which the candidates are compared."""

    criterion: CriterionName
    """Which."""
    measured: bool
    """Whether measurements are compared; the document's ratings otherwise."""
    scores: dict[str, float]
    """The score of each candidate, by its name."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        return data | {"scores": dict(data["scores"])}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation(Record):
    """Which option to take on this machine."""

    option: RuntimeOption
    """Which."""
    runner_up: RuntimeOption | None = None
    """The next best one; None where nothing else can be had here."""
    margin: float
    """By how much it leads, from 0 to 1, over the criteria that are compared."""
    compared: tuple[Compared, ...]
    """The criteria by which the candidates are compared, and on what."""
    reasons: tuple[str, ...]
    """Why: a sentence for each deciding cell, the weightiest first."""
    first: tuple[str, ...]
    """What to mend first, so that it works here."""
    raises: tuple[str, ...] = ()
    """What would raise its lowest measured scores."""
    lacks: tuple[str, ...] = ()
    """What the machine lacks against native Linux."""
    flips: tuple[Flip, ...]
    """Which single weight would change it, and to what."""
    unknown: tuple[str, ...]
    """What is not known about the recommended option, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionChange(Record):
    """One cell that says something else."""

    option: RuntimeOption
    """Which option."""
    criterion: CriterionName
    """By which criterion."""
    before: str
    """What it said."""
    after: str
    """What it says."""
    difference: float | None = None
    """The later score less the earlier one, where both are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionComparison(Record):
    """What is different between two decisions."""

    changes: tuple[DecisionChange, ...]
    """The cells that say something else, the largest difference first."""
    text: str
    """All of it in words."""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Decision(Record):
    """Every option by every criterion, and which one to take here. In a notebook it is a page with a picture.

    >>> decision = nacp.evaluate(simulated="rtx3050ti-laptop-wsl2", weights={"parity": 2})
    >>> decision.simulated, len(decision.cells)
    (True, 49)
    """

    at: datetime
    """When it was made, in UTC."""
    machine: str
    """Where the machine stands, in one line."""
    simulated: bool
    """Whether something measured is simulated: then it says nothing of any real device."""
    standing: Standing
    """On which options the machine stands."""
    weights: dict[str, float]
    """How much each criterion counted."""
    options: tuple[OptionScore, ...]
    """The options, in order, each with its mean over what is known."""
    cells: tuple[Cell, ...]
    """The cells, criterion by criterion, in the order of the options."""
    recommendation: Recommendation | None = None
    """Which option to take here; None where none can be had on this machine."""
    _json: str = field(default="", repr=False, compare=False)

    @classmethod
    def from_json(cls, text: str) -> Decision:
        """A decision from the JSON that `to_json` gave.

        Raises:
            InvalidArgument: It is none.
        """
        _nacp.decision_text(text, WIDTH)
        return decode(cls, json.loads(text) | {"_json": text})

    def to_json(self) -> str:
        """The whole decision as JSON, to be kept, or to be the reference of another run."""
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists."""
        return dict(json.loads(self._json))

    def cell(self, option: RuntimeOption, criterion: CriterionName) -> Cell:
        """What is known of one option by one criterion.

        Raises:
            NotFound: There is no such option or criterion, with those that there are.
        """
        for cell in self.cells:
            if cell.option == option and cell.criterion == criterion:
                return cell
        options = ",".join(dict.fromkeys(cell.option for cell in self.cells))
        criteria = ",".join(dict.fromkeys(cell.criterion for cell in self.cells))
        raise NotFound(
            f"no such cell: option={option!r} criterion={criterion!r} options={options} criteria={criteria}",
            operation="python.evaluate",
            context={"option": option, "criterion": criterion, "options": options, "criteria": criteria},
        )

    def compare(self, earlier: Decision) -> DecisionComparison:
        """What is different from an earlier decision."""
        return decode(DecisionComparison, json.loads(_nacp.decision_compare(self._json, earlier._json)))

    def rows(self) -> list[dict[str, Any]]:
        """The cells as rows, for a data frame: option, criterion, kind, score, rating, simulated."""
        return [
            {
                "option": cell.option,
                "criterion": cell.criterion,
                "kind": cell.kind,
                "score": cell.measured.score if cell.measured else None,
                "rating": cell.rated.rating if cell.rated else None,
                "simulated": bool(cell.measured and cell.measured.simulated),
            }
            for cell in self.cells
        ]

    def text(self, width: int = WIDTH) -> str:
        """The table for a console of so many columns."""
        return _nacp.decision_text(self._json, width)

    def html(self) -> str:
        """A page of its own with one picture: no script, nothing loaded from elsewhere."""
        return _nacp.decision_html(self._json)

    def markdown(self) -> str:
        """The same for an issue or a wiki."""
        return _nacp.decision_markdown(self._json)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        # A frame of its own, so that neither the notebook's style nor the page's reaches the other.
        style = f"width:100%;height:{HEIGHT}px;border:0"
        return f'<iframe title="Runtime options" style="{style}" srcdoc="{escape(self.html())}"></iframe>'


def evaluate(
    of: Survey | None = None,
    *,
    level: LevelName = "quick",
    report: Report | None = None,
    weights: Mapping[str, float] | None = None,
    image: str | None = None,
    command: Iterable[str] = (),
    reference: Decision | str | None = None,
    lock: Lock | None = None,
    root: str | os.PathLike[str] | None = None,
    simulated: str | os.PathLike[str] | None = None,
    limit: float | None = None,
    isolate: Literal["auto"] | bool = "auto",
) -> Decision:
    """Measures the runtime on which this machine stands by seven criteria, and compares it with the others.

    >>> nacp.evaluate(simulated="h100x8", isolate=False).cell("native_linux", "parity").kind in ("measured", "rated")
    True

    Args:
        of: What was read about the machine; None to read it now.
        level: How much of CUDA is checked.
        report: What the checks of CUDA found before; None to do them now.
        weights: How much each criterion counts, by its name; 1 where nothing is said.
        image: An image that is run once on each way in which the engines here can give it a GPU; None to run nothing.
        command: What is run in it; empty for the image's own program.
        reference: The decision of native Linux on the same GPU, or its JSON: throughput and overhead are ratios to it.
        lock: How much of a run is pinned.
        root: A folder laid out like the root of another machine; None for this one.
        simulated: A simulated node, by its name or its file, in place of this machine's GPUs.
        limit: How many seconds reading the machine, the checks of CUDA and the runs of the image may take together;
            None for a limit of each of its own.
        isolate: Whether children ask the driver's libraries.

    Raises:
        InvalidArgument: An argument is none of what it can be.
        NotFound: There is no such folder, or no such simulated node.
    """
    if limit is not None:
        seconds("limit", limit)
    for name, weight in (weights or {}).items():
        if not math.isfinite(weight):
            raise InvalidArgument(
                f"not a weight: criterion={name!r} weight={weight}; give a finite number of 0 or more",
                operation="python.evaluate",
                context={"criterion": name, "weight": str(weight)},
                hint="give a finite number of 0 or more",
            )
    wanted = {
        "survey": None if of is None else of.to_json(),
        "root": None if root is None else os.fspath(root),
        "level": level,
        "report": None if report is None else report.to_json(),
        "simulated": None if simulated is None else os.fspath(simulated),
        "reference": reference.to_json() if isinstance(reference, Decision) else reference,
        "image": image,
        "command": list(command),
        "lock": None if lock is None else lock.to_json(),
        "weights": None if weights is None else dict(weights),
        "limit": limit,
        "program": children(isolate, elsewhere=root is not None or simulated is not None),
    }
    return Decision.from_json(_nacp.evaluate(json.dumps(wanted)))
