"""What NACP tells, as frozen classes. Names and units are the core's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from nacp._decode import Record
from nacp._gpu import Gpu
from nacp._nacp import Endpoint
from nacp._sample import Sample

StepName = Literal["remove", "create", "start", "keep", "pull", "network", "stop", "rename", "withdraw"]
PhaseName = Literal["absent", "starting", "ready", "updating", "degraded", "failed", "paused"]
StateName = Literal["created", "running", "restarting", "paused", "exited", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin(Record):
    """What a node is read from, and whether that is real."""

    simulated: bool
    """Whether the GPUs are made up."""
    name: str
    """What answers: the path of the driver's library, or the name of the simulated node."""
    driver: str | None
    """The driver's version, if it is known."""
    cuda: str | None
    """The newest CUDA version that the driver serves, as `13.0`, if it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState(Record):
    """One GPU of a snapshot: what it is and what it was doing."""

    gpu: Gpu
    """What it is."""
    sample: Sample
    """What it was doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement(Record):
    """A replica and the GPUs that it gets."""

    service: str
    """The service."""
    replica: int
    """The replica's number, from 0."""
    gpus: tuple[str, ...]
    """The ids of its GPUs; empty for a service that needs none."""
    memory: int
    """Memory promised to it on each of them, in bytes."""
    reason: str
    """Why there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Record):
    """One action of a plan."""

    wave: int
    """The wave in which it is done, from 0: one begins when everything of the one before is ready."""
    service: str
    """The service."""
    replica: int
    """The replica's number."""
    step: StepName
    """What is done."""
    container: str | None
    """The container that it is done to; None for one that is yet to be created."""
    reason: str
    """Why."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        step = data["step"]
        name, container = next(iter(step.items())) if isinstance(step, dict) else (step, None)
        return data | {"step": name, "container": container}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Record):
    """The actions that bring an app from what is there to what is wanted, in the order in which they are done."""

    app: str
    """The app."""
    placements: tuple[Placement, ...]
    """On which GPUs each replica runs."""
    actions: tuple[Action, ...]
    """The actions. Those of one wave are done together."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to be done."""
        return all(action.step == "keep" for action in self.actions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus(Record):
    """One replica that is there."""

    service: str
    """The service."""
    replica: int
    """The replica's number, from 0."""
    name: str
    """The name of its container."""
    container: str
    """The id of its container."""
    image: str
    """The image."""
    model: str | None
    """The model that it serves, if the service names one."""
    simulated: bool
    """Whether its GPUs or its engine are simulated."""
    state: StateName
    """What its container is doing."""
    exit_code: int | None
    """With which code its program ended, if it has and the engine tells."""
    ready: bool
    """Whether it runs and answers its probe."""
    address: str | None
    """Where it answers."""
    gpus: tuple[str, ...]
    """The ids of its GPUs."""
    memory: int
    """Memory promised to it on each of them, in bytes."""
    gpu_injection: str | None
    """How the GPUs got into the container, if it has any."""
    spec_hash: str | None = None
    """The hash of the specification that it was created from."""
    successor: bool
    """Whether it is to take the place of another container of the same replica."""
    serving: bool
    """Whether requests are to be sent to it."""
    done: bool
    """Whether it has ended with 0 and stays so, as its service says."""
    restarts: int
    """How often its program was started again; 0 where this is not known."""
    started_at: datetime | None = None
    """When its program was started last, in UTC, where this is known."""
    last_end: str | None = None
    """How its program ended last, in a few words, where this is known."""

    @classmethod
    def _prepare(cls, data: dict[str, Any]) -> dict[str, Any]:
        state = data["state"]
        name, code = next(iter(state.items())) if isinstance(state, dict) else (state, None)
        return data | {"state": name, "exit_code": code}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus(Record):
    """The replicas of one app that are there.

    How many there should be, and what happened to them, is known to the control plane that applied or keeps the app.
    """

    app: str
    """The app's name."""
    phase: PhaseName = "absent"
    """How it is as a whole."""
    reason: str | None = None
    """Why it is not as it should be, where that is known."""
    wanted: Mapping[str, int] = field(default_factory=dict, hash=False)
    """How many replicas of each service are wanted; empty where this is not known."""
    replicas: tuple[ReplicaStatus, ...]
    """Its replicas, ordered by service and number; empty when nothing of the app is there."""

    @property
    def ready(self) -> bool:
        """Whether every replica that is wanted is ready or has done its work.

        Where it is not known how many are wanted, those that are there are taken for all.
        """
        fine = [replica for replica in self.replicas if replica.ready or replica.done]
        if not self.wanted:
            return bool(self.replicas) and len(fine) == len(self.replicas)
        count = Counter(replica.service for replica in fine if not replica.successor)
        return all(count[service] >= wanted for service, wanted in self.wanted.items())

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Where the replicas answer that requests are to be sent to."""
        return tuple(
            Endpoint(app=self.app, service=one.service, replica=one.name, address=one.address or "", model=one.model)
            for one in self.replicas
            if one.serving and one.address
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuOffer(Record):
    """How an engine can give a container a GPU, as far as it tells."""

    cdi_devices: tuple[str, ...]
    """The CDI devices of the kind `nvidia.com/gpu` that it can resolve."""
    nvidia_runtime: bool
    """Whether it has a runtime named `nvidia`."""
    nvidia_driver: bool
    """Whether it has the device driver named `nvidia`, as far as that can be told."""
    wsl: bool
    """Whether its containers run on a kernel of WSL2, where GPUs are not kept apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo(Record):
    """What an engine is and what it offers."""

    simulated: bool
    """Whether its containers are made up."""
    name: str
    """What it calls itself, such as `Docker Engine`."""
    version: str
    """Its version."""
    api: str | None
    """The newest API version that it speaks."""
    min_api: str | None
    """The oldest API version that it still speaks."""
    id: str | None
    """What tells this engine from every other, where it says."""
    address: str
    """Where it was reached."""
    context: str | None
    """The context of the command `docker` by which it was found."""
    podman: bool
    """Whether it is Podman."""
    rootless: bool
    """Whether it runs without the rights of root."""
    gpu: GpuOffer
    """How it can give a container a GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCount(Record):
    """A number of requests of one service that ended in one way."""

    app: str
    """The app; empty when no replica was chosen."""
    service: str
    """The service; empty when no replica was chosen."""
    model: str
    """The model that the service serves; empty where it names none."""
    status: str
    """The class of the answer's status: `2xx` to `5xx`, or `left` when the client left before there was one."""
    count: int
    """How many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Record):
    """Quantiles of a time, in seconds, exact to three digits."""

    count: int
    """How many requests they are of."""
    p50: float
    """Half of the requests took at most this long."""
    p99: float
    """99 of 100 requests took at most this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayStats(Record):
    """What a gateway has done so far."""

    requests: tuple[RequestCount, ...]
    """Requests that are over, by service and class of status."""
    in_flight: int
    """Requests that are not over."""
    retries: int
    """Attempts on a further replica because one could not be connected to."""
    client_left: int
    """Requests whose client left before the end of the answer."""
    replica_broke: int
    """Requests whose replica broke off in the middle of the answer."""
    first_byte: Latency
    """Time from a request's arrival to the first byte of its answer's body."""
    total: Latency
    """Time from a request's arrival to the end of its answer."""
