"""The main job from end to end: discover, check, place, run, route, observe, stop.

It works on what is really there (NVIDIA driver, CUDA, Docker) and falls back, part by part and saying so, to the
simulated laptop. `--simulated` leaves the real parts alone. It needs the package `nacp` and nothing else:

    python examples/python/quickstart.py
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nacp

ROOT = Path(__file__).resolve().parents[2]
MODEL, REQUESTS, AT_ONCE = "nacp-sim-chat", 200, 8
ASKED = "asked for by --simulated"


@dataclass(frozen=True)
class Answer:
    """What came of one request."""

    first_token: float
    total: float
    tokens: int


def main() -> int:
    parser = argparse.ArgumentParser(description="The main job of NACP on what is really here.")
    parser.add_argument("--simulated", action="store_true", help="leave driver, CUDA and Docker alone")
    simulated = parser.parse_args().simulated
    try:
        run(simulated)
    except KeyboardInterrupt:
        print("interrupted")
    except nacp.NacpError as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    return 0


def run(simulated: bool) -> None:
    # Its own name, so that it never meets the quickstart of another language.
    app = nacp.App("quickstart-python", services=nacp.App.from_file(ROOT / "examples/quickstart/nacp.yaml").services)
    node, node_found = find_node(simulated)
    plane, engine_found = find_engine(simulated, node)
    rows = [
        ("where we run", str(nacp.detect())),
        ("GPUs", node_found),
        ("CUDA", find_cuda(simulated)),
        ("containers", engine_found),
    ]
    show("What is here", ("part", "found"), rows)
    with plane:
        try:
            work(plane, app)
        finally:
            removed = plane.delete(app.name)
            print(f"stopped: {removed} containers removed, {len(plane.status(app.name).replicas)} left")


def find_node(simulated: bool) -> tuple[nacp.Node, str]:
    """The GPUs of this machine, or the simulated laptop with the reason."""
    reason = ASKED
    if not simulated:
        try:
            node = nacp.discover()
            if node.gpus:
                kind = "simulated" if node.simulated else "real"
                return node, f"{kind}: {node.origin.name}, driver {node.driver}"
            reason = "the driver knows no GPU"
        except nacp.NacpError as error:
            reason = str(error)
    node = nacp.simulated_node()
    return node, f"simulated: {node.origin.name} ({reason})"


def find_cuda(simulated: bool) -> str:
    """What CUDA answers; there is no simulated one outside the tests."""
    if simulated:
        return f"not here ({ASKED})"
    try:
        probe = nacp.probe_cuda()
    except nacp.NacpError as error:
        return f"not here ({error})"
    kind = "simulated" if probe.library.simulated else "real"
    return f"{kind}: CUDA {probe.driver_version} through {probe.library.path}, {len(probe.devices)} device(s)"


def find_engine(simulated: bool, node: nacp.Node) -> tuple[nacp.ControlPlane, str]:
    """A control plane over Docker, or over the engine in this process with the reason."""
    reason = ASKED
    if not simulated:
        try:
            plane = nacp.ControlPlane(node)
            info = plane.engine_info()
            return plane, f"real: {info.name} {info.version}"
        except nacp.NacpError as error:
            reason = str(error)
    return nacp.ControlPlane(node, engine="simulated"), f"simulated: engine in this process ({reason})"


def work(plane: nacp.ControlPlane, app: nacp.App) -> None:
    print(f"GPUs\n{plane.node}\n")
    placements = [
        (f"{one.service}/{one.replica}", ", ".join(gpu[:12] for gpu in one.gpus), f"{one.memory >> 20} MiB", one.reason)
        for one in plane.plan(app).placements
    ]
    show("Placement", ("replica", "GPU", "memory", "reason"), placements)
    status = start(plane, app)
    replicas = [
        (
            one.name,
            one.state,
            "ready" if one.ready else "not ready",
            one.address or "",
            one.gpu_injection or "",
        )
        for one in status.replicas
    ]
    show("Services", ("container", "state", "probe", "address", "GPU given by"), replicas)

    with plane.gateway() as gateway:
        print(f"gateway: {gateway.url}/v1 (OpenAI) and /api (Ollama)\n")
        begin = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda number: ask(gateway.address, number), range(REQUESTS)))
        report(answers, time.perf_counter() - begin)
        loads = [(load.endpoint.replica, str(load.served)) for load in plane.router().endpoints()]
        show("Routed to", ("replica", "requests"), loads)
        observe(gateway.address)


def start(plane: nacp.ControlPlane, app: nacp.App) -> nacp.AppStatus:
    """Applies the app; an image that no registry has is built first."""
    try:
        return plane.apply(app)
    except nacp.NotFound as error:
        image = error.context.get("image")
        if image is None:
            raise
    print(f"building {image}: about a minute, once")
    subprocess.run([str(ROOT / "tests/sim-service/image"), image], check=True)
    return plane.apply(app)


def ask(address: str, number: int) -> Answer:
    """One streamed chat request, as any client would send it."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": f"What is request number {number}?"}],
        "stream": True,
        "max_tokens": 32,
    }
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        begin = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise nacp.InternalError(f"not an answer: status={reply.status} body={reply.read()!r}")
        first_token, tokens, whole = 0.0, 0, False
        for line in reply:
            if line.startswith(b"data: [DONE]"):
                whole = True
            elif line.startswith(b"data: ") and b'"content":"' in line:
                first_token = first_token or time.perf_counter() - begin
                tokens += 1
        if not whole:
            raise nacp.InternalError(f"the answer broke off: request={number} tokens={tokens}")
        return Answer(first_token, time.perf_counter() - begin, tokens)
    finally:
        connection.close()


def report(answers: Sequence[Answer], elapsed: float) -> None:
    tokens = sum(answer.tokens for answer in answers)
    rate = f"{len(answers) / elapsed:.0f} requests/s, {tokens / elapsed:.0f} tokens/s"
    rows = [
        ("time to first token", *quantiles(answer.first_token for answer in answers)),
        ("whole answer", *quantiles(answer.total for answer in answers)),
    ]
    show(f"{len(answers)} requests answered in {elapsed:.2f} s: {rate}", ("", "p50", "p99"), rows)


def quantiles(seconds: Iterable[float]) -> tuple[str, str]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"{cuts[49] * 1000:.1f} ms", f"{cuts[98] * 1000:.1f} ms"


def observe(address: str) -> None:
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    wanted = ("DCGM_FI_DEV_GPU_TEMP{", "DCGM_FI_DEV_FB_FREE{", "nacp_replica_ready{", "nacp_gateway_requests_total{")
    print(f"Metrics ({len(lines)} lines at /metrics), among them")
    print("\n".join(f"  {line}" for line in lines if line.startswith(wanted)) + "\n")


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; a cell that is too long goes on in the next line."""
    cells = [[textwrap.wrap(cell, 90) or [""] for cell in row] for row in [head, *rows]]
    widths = [max(len(part) for row in cells for part in row[column]) for column in range(len(head))]
    print(title)
    for number, row in enumerate(cells):
        for parts in itertools.zip_longest(*row, fillvalue=""):
            print("  ".join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip())
        if number == 0:
            print("─" * (sum(widths) + 2 * (len(widths) - 1)))
    print()


if __name__ == "__main__":
    sys.exit(main())
