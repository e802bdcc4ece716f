"""Threads, signals and forks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import nacp

Script = Callable[..., "subprocess.CompletedProcess[str]"]

# Waits for a service that never gets ready, until the parent sends SIGINT.
WAITING = """
import sys, threading, time, nacp
never = nacp.Service("i", port=8000, env={"NACP_SIM_UNHEALTHY": "1"}, ready=nacp.Probe(http="/v1/models", within="1h"))
quick = nacp.Service("i", model="tiny", port=8000, ready=nacp.Probe(http="/v1/models", within="10s"))
plane = nacp.ControlPlane(nacp.simulated_node(), engine="simulated")
router = plane.router()
threading.Timer(0.5, lambda: print("waiting", flush=True)).start()
try:
    plane.apply(nacp.App("never", services={"s": never, "quick": quick}))
except KeyboardInterrupt:
    print(time.monotonic_ns(), flush=True)
    print(router.names(), plane.apps(), plane.delete("never"), plane.apps(), router.names())
"""

FORKED = """
import os, nacp
node = nacp.simulated_node()
node.snapshot()
child = os.fork()
if child == 0:
    try:
        node.snapshot()
        os._exit(1)
    except NotImplementedError as error:
        assert type(error) is nacp.Unsupported
        print(error, flush=True)
        os._exit(0)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), os.getpid(), child, len(node.snapshot().gpus))
"""

FORKED_WITH_GATEWAY = """
import os, urllib.request, nacp
plane = nacp.ControlPlane(nacp.simulated_node(), engine="simulated")
gateway = plane.gateway()
child = os.fork()
if child == 0:
    try:
        gateway.stats()
    except nacp.Unsupported:
        gateway.close()
        plane.close()
        closed = gateway.closed
        del gateway, plane
        os._exit(0 if closed else 2)
    os._exit(1)
_, status = os.waitpid(child, 0)
with urllib.request.urlopen(f"{gateway.url}/healthz", timeout=10) as reply:
    print(os.waitstatus_to_exitcode(status), gateway.closed, reply.status)
plane.close()
"""

FORKED_EARLY = """
import os, nacp
child = os.fork()
if child == 0:
    os._exit(0 if len(nacp.simulated_node("h100x8").snapshot().gpus) == 8 else 1)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status))
"""


def test_ctrl_c_ends_a_wait_within_a_tenth_of_a_second() -> None:
    process = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True)
    limit = threading.Timer(30, process.kill)
    limit.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        sent = time.monotonic_ns()
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        limit.cancel()
        process.kill()
    caught, after = out.splitlines()
    took = (int(caught) - sent) / 1e9
    assert 0 < took < 0.1, f"KeyboardInterrupt came {took:.3f} s after the signal"
    assert after == "['tiny'] ['never'] 2 [] []", "what was started stays, is routed to, and can be deleted"
    assert process.returncode == 0


def test_other_threads_run_while_one_waits(plane: nacp.ControlPlane) -> None:
    slow = nacp.Service(
        "i", port=8000, env={"NACP_SIM_STARTUP_MS": "600"}, ready=nacp.Probe(http="/v1/models", within="20s")
    )
    waiting = threading.Thread(target=plane.apply, args=[nacp.App("slow", services={"s": slow})])
    longest, last = 0.0, time.monotonic()
    waiting.start()
    while waiting.is_alive() and last < time.monotonic() + 30:
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    waiting.join(30)
    assert longest < 0.3, f"this thread stood still for {longest:.3f} s: the wait held the GIL"
    assert plane.status("slow").ready


def test_a_forked_child_gets_an_error_and_the_parent_goes_on(script: Script) -> None:
    done = script(FORKED)
    message, summary = done.stdout.splitlines()
    code, parent, child, gpus = summary.split()
    assert (code, gpus) == ("0", "1"), done
    assert message == (
        f"nacp was used before the fork and cannot run in a forked child: parent={parent} child={child}; "
        'start workers with multiprocessing.get_context("spawn"), or use nacp in the child alone'
    )


def test_a_forked_child_leaves_the_gateway_of_its_parent_alone(script: Script) -> None:
    done = script(FORKED_WITH_GATEWAY)
    assert done.stdout == "0 False 200\n", done


def test_a_child_that_is_forked_before_the_first_use_works(script: Script) -> None:
    assert script(FORKED_EARLY).stdout == "0\n"


def test_the_router_is_right_after_a_change_while_others_refresh(plane: nacp.ControlPlane, app: nacp.App) -> None:
    router, over = plane.router(), threading.Event()

    def refresh() -> None:
        while not over.is_set():
            plane.refresh()

    workers = [threading.Thread(target=refresh) for _ in range(8)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(50):
            plane.apply(app)
            assert router.names() == ["tiny"]
            plane.delete("demo")
            for _ in range(2000):
                assert router.names() == []
    finally:
        over.set()
        for worker in workers:
            worker.join(30)


def test_many_threads_use_one_plane(plane: nacp.ControlPlane, app: nacp.App) -> None:
    plane.apply(app)
    seen: list[bool] = []
    workers = [threading.Thread(target=lambda: seen.append(plane.status("demo").ready)) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert seen == [True] * 16
