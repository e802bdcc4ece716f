"""What is wrong on a machine, and the command that mends it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Literal

from nacp import _nacp
from nacp._decode import Record, decode
from nacp._host import Confidence, Evidence
from nacp._survey import Survey, survey
from nacp.exceptions import NotFound

SeverityName = Literal["broken", "risk", "note"]
VerdictName = Literal["broken", "incomplete", "works"]
OutcomeName = Literal["found", "clear", "not_here", "unknown"]
PlaceName = Literal["here", "windows", "host", "container"]
# How many pixels the page's head and a finding of it take, and how many it has at most: beyond that it scrolls.
PAGE, FINDING, MOST = 170, 300, 900


@dataclass(frozen=True, slots=True, kw_only=True)
class RemedyCommand(Record):
    """One command of a remedy."""

    line: str
    """The command line, as it is typed."""
    place: PlaceName
    """Where it is typed: on this machine, on Windows, on the machine outside of this container, in the container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy(Record):
    """How a failure is mended on the layers where the machine stands. NACP runs none of it."""

    summary: str
    """What to do, in one sentence."""
    commands: tuple[RemedyCommand, ...] = ()
    """The commands that do it, in order."""
    note: str = ""
    """What else to know: what it interrupts, what to do where it does not help."""
    alternatives: tuple[Remedy, ...] = ()
    """Other ways to mend it, the better ones first. Each is enough by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding(Record):
    """Something that is wrong on a machine."""

    id: str
    """Which entry of the catalogue, such as `D08`."""
    severity: SeverityName
    """Whether something does not work, may stop working, or is only worth knowing."""
    title: str
    """What is wrong, in one line."""
    symptom: str
    """The error as users see it."""
    subject: str | None = None
    """What it is about, where it is not the machine: a container, a GPU."""
    evidence: tuple[Evidence, ...]
    """What was read, and where."""
    confidence: Confidence
    """How much that proves."""
    cause: str
    """Why it happens."""
    remedy: Remedy
    """How it is mended here."""
    links: tuple[str, ...]
    """Where it was reported and explained."""

    def __str__(self) -> str:
        return f"{self.id} {self.title}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Record):
    """How one entry of the catalogue was answered."""

    id: str
    """Which entry."""
    outcome: OutcomeName
    """Whether it is so."""
    reason: str = ""
    """Why, where it cannot be so here or cannot be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Record):
    """What was not read whole of a machine, and why."""

    what: str
    """What: a daemon, the containers of one, a part of the machine."""
    why: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorNumber(Record):
    """The number of an error in a text, and what it means."""

    family: Literal["cuda", "nvml", "xid"]
    """Whose number it is."""
    code: int
    """The number."""
    name: str = ""
    """Its official name; empty where none is known."""
    meaning: str
    """What it means, in one line."""
    advice: str = ""
    """What helps; empty where nothing in general does."""
    quote: str
    """The part of the text in which it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Record):
    """One entry of the catalogue that a text fits."""

    id: str
    """Which entry, such as `D08`."""
    severity: SeverityName
    """How bad it is."""
    title: str
    """What is wrong, in one line."""
    quote: str
    """The part of the text that says so."""
    cause: str
    """Why it happens."""
    here: OutcomeName
    """Whether this machine shows it too."""
    why: str = ""
    """Why that is not known here, or cannot be so here."""
    remedy: Remedy
    """How it is mended here."""
    links: tuple[str, ...]
    """Where it was reported and explained."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Explanation(Record):
    """What the text of an error means."""

    matches: tuple[Match, ...]
    """The entries whose words or numbers stand in the text, the likeliest first."""
    numbers: tuple[ErrorNumber, ...] = ()
    """Numbers of errors in it of which no entry speaks."""
    advice: str = ""
    """What can be done where nothing in the text is known."""
    text: str
    """All of it in words."""
    markdown: str
    """The same for an issue or a wiki."""
    html: str
    """A page of its own: no script, nothing loaded from elsewhere."""

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Diagnosis(Record):
    """What is wrong on a machine. It shows itself in words, and in a notebook as a page with all evidence.

    >>> diagnosis = nacp.doctor(simulated="h100x8", containers=False)
    >>> diagnosis.simulated, len(diagnosis.examined)
    (True, 49)
    """

    host: str
    """Where the machine stands, in one line."""
    simulated: bool
    """Whether GPUs or drivers in it are simulated."""
    findings: tuple[Finding, ...]
    """What is wrong, the worst first."""
    examined: tuple[Examined, ...]
    """Every entry of the catalogue and how it was answered, in order."""
    gaps: tuple[Gap, ...] = ()
    """What was not read whole; entries that are unknown may be so for want of it."""
    verdict: VerdictName | None = None
    """What it comes to. `incomplete`: nothing broken was found, and not all could be looked at, for want of the `gaps`.
    None where a version of NACP kept it that told no verdict."""
    survey: Survey | None = field(default=None, compare=False)
    """What it was concluded from; None where the diagnosis was kept without it."""
    _json: str = field(default="", repr=False, compare=False)

    @classmethod
    def from_json(cls, text: str) -> Diagnosis:
        """A diagnosis from the JSON that `to_json` gave.

        Raises:
            InvalidArgument: It is none.
        """
        _nacp.diagnosis_text(text)
        return decode(cls, json.loads(text) | {"_json": text})

    def to_json(self) -> str:
        """The diagnosis as JSON, to be kept, or read by another program."""
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists."""
        return dict(json.loads(self._json))

    def html(self) -> str:
        """A page of its own, to be kept or sent: no script, nothing loaded from elsewhere."""
        return _nacp.diagnosis_html(self._json)

    def markdown(self) -> str:
        """The same for an issue or a wiki."""
        return _nacp.diagnosis_markdown(self._json)

    def of(self, id: str) -> Finding | None:
        """The finding of this entry of the catalogue; None where the machine does not have it.

        Raises:
            NotFound: There is no such entry.
        """
        if all(examined.id != id for examined in self.examined):
            raise NotFound(
                f"no such entry in the catalogue of failures: id={id!r}; an id is a D and two digits, such as D08",
                operation="python.doctor",
                context={"id": id},
                hint="an id is a D and two digits, such as D08",
            )
        return next((finding for finding in self.findings if finding.id == id), None)

    def explain(self, text: str) -> Explanation:
        """What the text of an error means on this machine.

        Raises:
            NotFound: The diagnosis was kept without its survey.
        """
        if self.survey is None:
            raise NotFound(
                "the diagnosis was kept without its survey; nacp.explain(text) reads the machine anew",
                operation="python.doctor",
                hint="nacp.explain(text) reads the machine anew",
            )
        return explain(text, of=self.survey)

    def raise_for_broken(self) -> None:
        """Does nothing unless something does not work.

        Raises:
            NacpError: What does not work first, with what mends it.
        """
        _nacp.diagnosis_error(self._json)

    def __repr__(self) -> str:
        return _nacp.diagnosis_text(self._json)

    def _repr_html_(self) -> str:
        # A frame of its own, so that neither the notebook's style nor the page's reaches the other.
        style = f"width:100%;height:{min(PAGE + FINDING * len(self.findings), MOST)}px;border:0"
        return f'<iframe title="NACP doctor" style="{style}" srcdoc="{escape(self.html())}"></iframe>'

    def __bool__(self) -> bool:
        raise TypeError("a diagnosis is neither true nor false: look at diagnosis.findings, or raise_for_broken()")


def doctor(
    of: Survey | None = None,
    *,
    root: str | os.PathLike[str] | None = None,
    simulated: str | os.PathLike[str] | None = None,
    limit: float | None = None,
    isolate: Literal["auto"] | bool = "auto",
    containers: bool = True,
    commands: bool = True,
    thorough: bool = False,
    messages: str | Iterable[str] = (),
) -> Diagnosis:
    """Holds a machine against the catalogue of known failures. Nothing is changed on it, and no remedy is run.

    >>> nacp.doctor(simulated="h100x8", containers=False).of("D37")

    Args:
        of: What was read about a machine before; None to read it now, as the other arguments say. They are those of
            `nacp.survey`.
        root: A folder laid out like the root of a machine; None for this machine.
        simulated: A simulated node, by its name or its file, in place of this machine's GPUs.
        limit: How many seconds the reading may take; None for five.
        isolate: Whether children ask the driver's libraries.
        containers: Whether the container daemons are asked for the containers that want a GPU.
        commands: Whether programs are run that only tell something.
        thorough: Whether programs are run that start the driver.
        messages: Texts of events of pods.

    Raises:
        InvalidArgument: An argument is none of what it can be.
        NotFound: There is no such folder, or no such simulated node.
    """
    if of is None:
        of = survey(
            root=root,
            simulated=simulated,
            limit=limit,
            isolate=isolate,
            containers=containers,
            commands=commands,
            thorough=thorough,
            messages=messages,
        )
    text = _nacp.diagnose(of.to_json())
    return replace(Diagnosis.from_json(text), survey=of)


def explain(text: str, *, of: Survey | None = None) -> Explanation:
    """What the text of an error means: an error of a daemon, of CUDA, or a whole log with several.

    >>> nacp.explain("CUDA error 803").matches[0].id
    'D18'

    Args:
        text: The error as it was written, or the id of an entry of the catalogue, such as `D08`. Of a text longer than
            256 KiB the end is read.
        of: What was read about the machine on which it happened; None to read this one now. It decides which of two
            failures with one text is the likelier, and which commands mend it.
    """
    read = survey() if of is None else of
    return decode(Explanation, json.loads(_nacp.explain(text, read.to_json())))
