"""What a reproducible run needs, pinned: `nacp.lock`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from nacp import _nacp
from nacp._app import App, native_app
from nacp._certificate import Certificate
from nacp._decode import Record, decode
from nacp._survey import Survey, survey

EffectName = Literal["nothing", "performance", "results"]
EFFECTS: tuple[EffectName, ...] = ("nothing", "performance", "results")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing(Record):
    """A fact that is not pinned."""

    item: str
    """Which, such as `services.llm.digest`."""
    why: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness(Record):
    """How much of what a reproducible run needs a lock has."""

    pinned: int
    """How many facts are pinned."""
    total: int
    """How many there are."""
    missing: tuple[Missing, ...]
    """Those that are not pinned, in order."""
    fraction: float
    """The part that is pinned, from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Record):
    """One fact that is not as it was locked."""

    item: str
    """Which, such as `driver.version` or `services.llm.image`."""
    locked: str
    """What the lock says."""
    found: str
    """What is here."""
    effect: EffectName
    """What the change can do."""
    why: str
    """Why it can, or cannot."""
    remedy: str = ""
    """What to do about it; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered(Record):
    """One fact that cannot be compared."""

    item: str
    """Which."""
    side: Literal["lock", "now", "both"]
    """Where it is not known."""
    why: str
    """Why."""
    effect: EffectName
    """What a change of it could do."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LockVerification(Record):
    """What has changed since a lock was written."""

    drifts: tuple[Drift, ...]
    """What is not as it was locked, what may change results first."""
    unchanged: tuple[str, ...]
    """What is as it was locked."""
    unknown: tuple[Unanswered, ...]
    """What cannot be compared."""
    worst: EffectName
    """What all changes together can do. A fact that was pinned and is not known now counts as changed."""
    text: str
    """All of it in words."""
    markdown: str
    """The same for an issue or a comment of a CI job."""

    def holds(self, allowed: EffectName = "nothing") -> bool:
        """Whether no change does more than what is allowed."""
        return EFFECTS.index(self.worst) <= EFFECTS.index(allowed)

    def __repr__(self) -> str:
        return self.text


class Lock:
    """What a reproducible run needs, pinned: driver, CUDA, toolkit, engine, kernel, GPUs, images, certificates.

    >>> lock = nacp.lock(of=nacp.survey(simulated="h100x8", containers=False), images=False)
    >>> lock.verify(lock).holds()
    True
    """

    __slots__ = ("_json",)

    def __init__(self, text: str) -> None:
        """Reads a lock from the text of its file.

        Raises:
            InvalidArgument: It is none, with the line.
        """
        self._json = _nacp.lock_parse(text)

    @classmethod
    def _of(cls, data: str) -> Lock:
        lock = cls.__new__(cls)
        lock._json = data
        return lock

    @classmethod
    def read(cls, path: str | os.PathLike[str] = "nacp.lock") -> Lock:
        """Reads a lock from its file.

        Raises:
            NotFound: There is no such file.
            InvalidArgument: It is no lock, with the line.
        """
        return cls._of(_nacp.lock_read(os.fspath(path)))

    def write(self, path: str | os.PathLike[str] = "nacp.lock") -> bool:
        """Writes it to a file, whole or not at all; whether the file was changed.

        Raises:
            Conflict: The path holds something that is no lock: it is not overwritten.
        """
        return _nacp.lock_write(self._json, os.fspath(path))

    def completeness(self) -> Completeness:
        """How much of what a reproducible run needs is pinned."""
        return decode(Completeness, json.loads(_nacp.lock_completeness(self._json)))

    def verify(self, now: Lock) -> LockVerification:
        """What has changed, what that can do, and why."""
        return decode(LockVerification, json.loads(_nacp.lock_verify(self._json, now._json)))

    def raise_for_drift(self, now: Lock) -> None:
        """Does nothing unless a change may change results.

        Raises:
            Conflict: The first change that may.
        """
        _nacp.lock_error(self._json, now._json)

    def diff(self, other: Lock) -> str:
        """The lines in which two locks differ."""
        return _nacp.lock_diff(self._json, other._json)

    def to_json(self) -> str:
        """The same as JSON."""
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries and lists, with the names that the file has."""
        return dict(json.loads(self._json))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lock) and self._json == other._json

    def __hash__(self) -> int:
        return hash(self._json)

    def __repr__(self) -> str:
        return _nacp.lock_text(self._json)

    def __reduce__(self) -> tuple[type[Lock], tuple[str]]:
        return (Lock, (_nacp.lock_text(self._json),))


def lock(
    app: App | None = None,
    *,
    of: Survey | None = None,
    certificates: Iterable[Certificate] = (),
    images: bool = True,
    root: str | os.PathLike[str] | None = None,
) -> Lock:
    """What this machine is, pinned, with the services of an app and what certificates show.

    >>> nacp.lock(of=nacp.survey(simulated="h100x8", containers=False), images=False).to_dict()["format"]
    1

    Args:
        app: Whose services are pinned; None for the machine alone.
        of: What was read about the machine; None to read it now.
        certificates: What proves the bits of its GPUs, such as `nacp.check().certificates`.
        images: Whether the machine's container daemon is asked for the digests of the app's images.
        root: The folder of the machine that was read, where it is another one.

    Raises:
        InvalidArgument: A certificate was altered, or proves nothing.
    """
    read = survey(root=root) if of is None else of
    texts = [certificate.to_json() for certificate in certificates]
    native = None if app is None else native_app(app)
    folder = None if root is None else os.fspath(root)
    return Lock._of(_nacp.lock(read.to_json(), native, images, folder, texts))
