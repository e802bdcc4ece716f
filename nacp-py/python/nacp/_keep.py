"""Apps that are brought up and kept: what happens meanwhile, and what their user says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Literal, TextIO, TypeAlias

from nacp import _nacp
from nacp._app import App, native_app
from nacp._check import gpu_id
from nacp._decode import Record, decode
from nacp._gpu import Gpu
from nacp._progress import Asked, shown
from nacp._stream import Stream

AppEventName = Literal[
    "pulling",
    "doing",
    "done",
    "failed",
    "waiting",
    "ready",
    "not_ready",
    "ended",
    "rolled_back",
    "cordoned",
    "weaker",
    "engine_lost",
    "engine_back",
    "standby",
    "keeping",
    "converged",
    "lost",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress(Record):
    """How far an image has arrived."""

    image: str
    """The image."""
    phase: str
    """What is being done: `resolving`, `downloading`, `extracting`, `loading` or `done`."""
    done: int
    """How many bytes of all layers together have arrived."""
    total: int
    """How many there are, as far as the registry has told."""
    layers_done: int
    """How many layers are complete."""
    layers: int
    """How many layers there are, as far as is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppEvent(Record):
    """Something that happened while an app was brought up or kept. `str()` gives one line."""

    at: datetime
    """When, in UTC."""
    app: str
    """The app."""
    service: str | None = None
    """The service, for what concerns one."""
    replica: int | None = None
    """The replica's number, for what concerns one."""
    event: AppEventName
    """What happened."""
    step: str | None = None
    """What is done, was done or failed, such as `create`."""
    container: str | None = None
    """The container that the step is done to."""
    reason: str | None = None
    """Why, of `doing`, `rolled_back` and `cordoned`; None for a GPU that is given to replicas again."""
    message: str | None = None
    """What went wrong, of `failed` and `engine_lost`."""
    kind: str | None = None
    """The kind of error of `failed`, such as `Timeout`."""
    again: float | None = None
    """After how many seconds it is tried again, of `failed` and `ended`; None when it is given up."""
    after: float | None = None
    """How many seconds it took, of `ready` and `engine_back`."""
    last: str | None = None
    """What the probe said last, of `waiting` and `not_ready`."""
    code: int | None = None
    """The exit code of `ended`, where the engine tells."""
    log: tuple[str, ...] = ()
    """The last lines that a replica wrote, of `ended`."""
    gpu: str | None = None
    """The GPU of `cordoned`."""
    what: str | None = None
    """What is weaker than it was asked to be, of `weaker`."""
    holder: str | None = None
    """Who keeps the app, of `standby`."""
    count: int | None = None
    """How many events were lost, of `lost`."""
    progress: PullProgress | None = None
    """How far an image has arrived, of `pulling`."""
    text: str
    """The event as one line for people."""

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        step = data.get("step")
        if isinstance(step, dict):
            name, container = next(iter(step.items()))
            data = data | {"step": name, "container": container if isinstance(container, str) else None}
        if data["event"] == "pulling":
            data = data | {"progress": {name: data.pop(name) for name in PullProgress.__dataclass_fields__}}
        return data


Told: TypeAlias = Callable[[AppEvent], object]


class Kept(Stream[AppEvent]):
    """An app that is kept as it is wanted, and what happens to it. It comes from `ControlPlane.keep()`.

    Iterate over it with `for` or `async for`, or ask it with `next`. Leaving its `with` block, or `close`, ends the
    keeping: what runs goes on, and is not started again when it ends.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _nacp.Work, timeout: float | None) -> None:
        super().__init__(native, timeout)
        self._native = native

    def _take(self) -> AppEvent | None:
        taken = self._native.take()
        if taken is None and self._native.closed:
            self._native.result()  # raises what it failed with
        return None if taken is None else decode_event(taken)

    def wait_until(self, event: AppEventName, *, timeout: float | None = None) -> AppEvent | None:
        """Waits for an event of this name, such as `converged`, and drops what comes before.

        Returns:
            The event, or None when the time has passed or the keeping has ended.
        """
        from time import monotonic

        end = None if timeout is None else monotonic() + timeout
        while (came := self.next(None if end is None else max(0.0, end - monotonic()))) is not None:
            if came.event == event:
                return came
        return None

    def update(self, app: App) -> None:
        """Wants this specification from now on: what has changed is replaced as each service's `strategy` says.

        Raises:
            InvalidArgument: It is an app of another name.
        """
        self._native.set(native_app(app))

    def scale(self, service: str, replicas: int) -> None:
        """Wants so many replicas of a service.

        Raises:
            NotFound: The app has no such service.
            InvalidArgument: It cannot have so many.
        """
        self._native.scale(service, replicas)

    def pause(self) -> None:
        """Changes nothing until `resume`; what runs goes on."""
        self._native.pause()

    def resume(self) -> None:
        """Ends a `pause`."""
        self._native.resume()

    def drain(self, service: str) -> None:
        """Empties a service: its replicas get no further request and end when nobody waits for them any more.

        Raises:
            NotFound: The app has no such service.
        """
        self._native.drain(service, True)

    def undrain(self, service: str) -> None:
        """Ends a `drain`.

        Raises:
            NotFound: The app has no such service.
        """
        self._native.drain(service, False)

    def cordon(self, gpu: Gpu | str, reason: str) -> None:
        """Gives a GPU to no further replica, and moves those that it has to others where there is room.

        Raises:
            InvalidArgument: It is no GPU.
        """
        self._native.cordon(gpu_id(gpu), reason)

    def uncordon(self, gpu: Gpu | str) -> None:
        """Ends a `cordon`.

        Raises:
            InvalidArgument: It is no GPU.
        """
        self._native.cordon(gpu_id(gpu), None)


def decode_event(text: str) -> AppEvent:
    """An event from the core's JSON."""
    return decode(AppEvent, json.loads(text))


def events_of(work: _nacp.Work) -> Iterator[AppEvent]:
    """What work in the background tells, until it is over. Whoever is interrupted meanwhile ends it."""
    try:
        while True:
            work.wait(86_400.0)
            while (taken := work.take()) is not None:
                yield decode_event(taken)
            if work.closed:
                return
    finally:
        work.close()


class Lines:
    """What happens to an app, in a terminal: a line for each event, and one for the images that arrive."""

    def __init__(self, to: TextIO) -> None:
        self._to, self._open = to, 0

    def tell(self, step: AppEvent) -> None:
        """Shows an event."""
        line = step.text
        if step.progress is not None:
            self._to.write("\r" + line.ljust(self._open))
            self._open = len(line)
        else:
            self._to.write("\r" + line.ljust(self._open) + "\n")
            self._open = 0
        self._to.flush()

    def end(self) -> None:
        """Ends an open line."""
        if self._open:
            self._to.write("\n")
            self._to.flush()


class Board:
    """What happens to an app, in a notebook: a bar for each image and a line for each replica, drawn in place."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self._images: dict[str, PullProgress] = {}
        self._replicas: dict[str, str] = {}
        self._handle = display.display(display.HTML(""), display_id=True)

    def tell(self, step: AppEvent) -> None:
        """Shows an event."""
        if step.progress is not None:
            self._images[step.progress.image] = step.progress
        elif step.service is not None and step.event != "done":
            name = step.service if step.replica is None else f"{step.service}/{step.replica}"
            self._replicas[name] = step.text.split(": ", 1)[-1]
        self._handle.update(self._display.HTML(self.html()))

    def html(self) -> str:
        """The board as it is now. Names come from files and registries: they are escaped."""
        rows = [_image_row(progress) for progress in self._images.values() if progress.phase != "done"]
        rows += [f"<tr><td>{escape(name)}</td><td>{escape(said)}</td></tr>" for name, said in self._replicas.items()]
        return f'<table role="status">{"".join(rows)}</table>' if rows else ""

    def end(self) -> None:
        """Leaves the board as it was last."""


def _image_row(progress: PullProgress) -> str:
    share = 100 * progress.done / progress.total if progress.total else 0.0
    box = "display:inline-block;width:16em;height:0.8em;border:1px solid currentColor;border-radius:3px"
    fill = f"display:block;height:100%;width:{share:.0f}%;background:#76b900"
    bar = f'<span style="{box}"><span style="{fill}"></span></span>'
    text = f"{escape(progress.phase)}, {progress.layers_done} of {progress.layers} layers, {share:.0f} %"
    return f"<tr><td>{escape(progress.image)}</td><td>{bar} {text}</td></tr>"


def listener(progress: Asked[AppEvent]) -> tuple[Told | None, Callable[[], None]]:
    """Who is told what happens to an app, and what is done at the end.

    Raises:
        InvalidArgument: `progress` is none of what it can be.
    """
    return shown(progress, operation="python.apply", line=Lines, board=Board)
