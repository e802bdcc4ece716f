"""Running apps: the control plane and the gateway in front of them."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from types import TracebackType
from typing import Literal

from nacp import _nacp
from nacp._app import App, native_app
from nacp._decode import decode
from nacp._keep import AppEvent, Kept, events_of, listener
from nacp._nacp import Endpoint, Router
from nacp._node import Node, discover
from nacp._owner import Processes
from nacp._progress import Asked
from nacp._types import AppStatus, EngineInfo, GatewayStats, Plan


class Gateway:
    """One OpenAI- and Ollama-compatible address in front of all services of a control plane.

    It comes from `ControlPlane.gateway()`. The service is chosen by the `model` of each request; answers are streamed
    through. Leaving its `with` block closes it.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _nacp.Gateway) -> None:
        self._native = native

    @property
    def url(self) -> str:
        """Where it answers, such as `http://127.0.0.1:40123`. OpenAI clients want `url + "/v1"`."""
        return f"http://{self._native.address}"

    @property
    def address(self) -> str:
        """Where it answers, as IP address and port."""
        return self._native.address

    @property
    def closed(self) -> bool:
        """Whether it has been closed. In a forked child it always is, and `close` does nothing."""
        return self._native.closed

    def stats(self) -> GatewayStats:
        """What it has done so far.

        Raises:
            Conflict: It is closed.
        """
        return decode(GatewayStats, json.loads(self._native.stats()))

    def metrics(self) -> str:
        """The same as OpenMetrics text. Its `/metrics` adds those of the plane.

        Raises:
            Conflict: It is closed.
        """
        return self._native.metrics()

    def close(self) -> None:
        """Takes no further connection and waits for the requests in flight. Closing twice is no error.

        Raises:
            Timeout: Requests were cut because they took too long.
        """
        self._native.close()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Gateway {self.url}{', closed' if self.closed else ''}>"


class ControlPlane:
    """Runs apps on the GPUs of a node through a container engine.

    It keeps no state of its own: what runs is read back from the engine, so a program that was killed and started again
    finds everything as it is. Leaving its `with` block closes its gateways and leaves the apps running.

    >>> app = nacp.App("demo", services={"llm": nacp.Service("example/llm:1", model="tiny", port=8000)})
    >>> with nacp.ControlPlane(nacp.simulated_node(), engine="simulated") as plane:
    ...     status = plane.apply(app)
    ...     status.ready, plane.apps(), plane.delete("demo")
    (True, ['demo'], 1)
    """

    __slots__ = ("_gateways", "_gateways_lock", "_native", "_node")

    def __init__(self, node: Node | None = None, *, engine: Literal["docker", "simulated"] = "docker") -> None:
        """Connects to the engine.

        Args:
            node: The node whose GPUs are used; without it those of this machine, as `discover()` finds them.
            engine: `docker`, the daemon that `DOCKER_HOST` names or the one of this machine, or `simulated`: inference
                services with made-up tokens, in this process, gone with this object.

        Raises:
            DriverUnavailable: No node was given, and this machine has no NVIDIA driver.
            EngineUnavailable: No Docker daemon answers.
            PermissionDenied: This user may not use it.
        """
        self._node = discover() if node is None else node
        self._native = _nacp.Plane(self._node._native, engine)
        self._gateways: list[Gateway] = []
        self._gateways_lock = threading.Lock()

    @property
    def node(self) -> Node:
        """The node whose GPUs are used."""
        return self._node

    def processes(self) -> Processes:
        """The processes on the node's GPUs, each with who is behind it; containers have the engine's names.

        Raises:
            DriverUnavailable: The driver has stopped answering.
            EngineUnavailable: The engine does not answer.
        """
        return replace(decode(Processes, json.loads(self._native.processes())), origin=self.node.origin)

    def engine_info(self) -> EngineInfo:
        """What the engine is and what it offers."""
        return decode(EngineInfo, json.loads(self._native.engine_info()))

    def plan(self, app: App) -> Plan:
        """What `apply` would do, without doing it.

        Raises:
            ResourceExhausted: A replica fits on no GPU.
        """
        return decode(Plan, json.loads(self._native.plan(native_app(app))))

    def apply(self, app: App, *, progress: Asked[AppEvent] = "auto") -> AppStatus:
        """Brings an app to what is wanted and waits until every replica is ready. Applying twice changes nothing.

        Ctrl-C ends the wait; what was started stays, and `delete` removes it.

        Args:
            app: The app.
            progress: Who is told what happens: `auto` for lines in a terminal and a board in a notebook, a function
                that takes each `AppEvent`, or False for nobody.

        Raises:
            ResourceExhausted: A replica fits on no GPU.
            NotFound: An image is not here and cannot be had.
            ServiceFailed: A replica ended before it was ready, with its last lines of log.
            Timeout: A replica is not ready in its time, with its last lines of log.
            Conflict: Another program keeps the app.
        """
        told, end = listener(progress)
        if told is None:
            return decode(AppStatus, json.loads(self._native.apply(native_app(app))))
        work = self._native.start_apply(native_app(app))
        try:
            for event in events_of(work):
                told(event)
        finally:
            end()
        return decode(AppStatus, json.loads(work.result() or "null"))

    def keep(self, app: App, *, timeout: float | None = None) -> Kept:
        """Keeps an app as it is wanted, in the background.

        What ends is started again, what hangs is replaced, what a GPU loses is moved. One program at a time keeps an
        app; a second one stands by until the first has ended.

        >>> plane = nacp.ControlPlane(nacp.simulated_node(), engine="simulated")
        >>> app = nacp.App("kept", services={"llm": nacp.Service("example/llm:1", port=8000)})
        >>> with plane.keep(app) as kept:
        ...     came = kept.wait_until("converged", timeout=30)
        ...     kept.scale("llm", 2)
        >>> came.event, plane.delete("kept") > 0
        ('converged', True)

        Args:
            app: The app.
            timeout: How many seconds `for` waits for the next event until it ends; None for as long as it takes.

        Raises:
            InvalidArgument: The timeout is below 0.
        """
        return Kept(self._native.keep(native_app(app)), timeout)

    def status(self, app: str) -> AppStatus:
        """What of an app is there now. An app of which nothing is there has no replicas."""
        return decode(AppStatus, json.loads(self._native.status(app)))

    def apps(self) -> list[str]:
        """The names of the apps of which something is there."""
        return self._native.apps()

    def delete(self, app: str) -> int:
        """Stops and removes everything of an app, and nothing else; volumes stay. Tells how many containers it were."""
        return self._native.delete(app)

    def logs(self, app: str, service: str, *, replica: int = 0, lines: int = 100) -> list[str]:
        """The last lines that a replica wrote, oldest first.

        Raises:
            NotFound: The app has no such replica.
            InvalidArgument: A number is out of range.
        """
        return self._native.logs(app, service, replica, lines)

    def endpoints(self) -> list[Endpoint]:
        """Where the ready replicas of all apps answer now."""
        return self._native.endpoints()

    def router(self) -> Router:
        """The router over all ready replicas: always the same one. It follows `apply`, `delete` and `refresh`."""
        self._native.refresh()
        return self._native.router()

    def refresh(self) -> None:
        """Brings the router and the gateways up to date with the replicas that are ready now."""
        self._native.refresh()

    def metrics(self) -> str:
        """The GPUs now and the replicas as they were seen last, as Prometheus text; also at a gateway's `/metrics`."""
        return self._native.metrics()

    def gateway(self, *, host: str = "127.0.0.1", port: int = 0, api_key: str | None = None) -> Gateway:
        """Opens one HTTP address in front of all services. It follows as `router()` does.

        Args:
            host: The IP address to listen on; any but loopback needs an API key.
            port: The port; 0 for any free one.
            api_key: What clients must send as `Authorization: Bearer …`.

        Raises:
            Conflict: The port is taken.
            InvalidArgument: Not an address of this machine, one without a key that others could reach, or no port.
        """
        self._native.refresh()
        gateway = Gateway(self._native.gateway(host, port, api_key))
        with self._gateways_lock:
            self._gateways = [one for one in self._gateways if not one.closed] + [gateway]
        return gateway

    def close(self) -> None:
        """Closes the gateways. Apps go on running; those of a simulated engine end with this object.

        Raises:
            Timeout: Requests were cut because they took too long. All gateways are closed all the same.
        """
        with self._gateways_lock:
            gateways, self._gateways = self._gateways, []
        first: BaseException | None = None
        for gateway in gateways:
            try:
                gateway.close()
            except BaseException as error:  # Ctrl-C, too, must not leave the others open
                first = first or error
        if first is not None:
            raise first

    def __enter__(self) -> ControlPlane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        kind = "simulated node" if self._node.simulated else "node of"
        return f"<ControlPlane of {kind} {self._node.origin.name}>"
