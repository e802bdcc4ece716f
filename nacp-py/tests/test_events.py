"""What happens to GPUs: iterators, coroutines, Ctrl-C, forks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import nacp

Script = Callable[..., "subprocess.CompletedProcess[str]"]
Record = Callable[..., Path]

LAPTOP = "GPU-3050a701-0000-4000-8000-000000000001"

WAITING = """
import sys, threading, time, nacp
events = nacp.replay(sys.argv[1]).events()
threading.Timer(0.3, lambda: print("waiting", flush=True)).start()
try:
    for event in events:
        print("unexpected", event)
except KeyboardInterrupt:
    print(time.monotonic_ns(), flush=True)
"""

FORKED = """
import os, sys, nacp
node = nacp.replay(sys.argv[1])
events = node.events()
child = os.fork()
if child == 0:
    try:
        events.next()
    except nacp.Unsupported:
        events.close()
        closed = events.closed
        del events
        os._exit(0 if closed else 2)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), events.closed, events.next(0.1))
"""


def happened(after: int, kind: str | dict[str, Any], gpu: str | None = LAPTOP, **more: Any) -> dict[str, Any]:
    return {"after": after, "kind": kind, "gpu": gpu} | more


def test_events_come_one_by_one_in_their_order(record: Record) -> None:
    path = record(
        happened(10, {"xid": {"code": 79, "detail": "GPU has fallen off the bus."}}),
        happened(20, "clock", partition={"gpu_instance": 2, "compute_instance": 0}),
        happened(30, {"unknown": {"bits": 0x200040, "data": 7}}, None),
    )
    with nacp.replay(path).events(timeout=5) as events:
        xid, clock, unknown = next(events), next(events), next(events)
    assert events.closed and list(events) == []
    assert (xid.kind, xid.code, xid.gpu, xid.via) == ("xid", 79, LAPTOP, "simulated")
    assert xid.text == "Xid 79: GPU has fallen off the bus." and xid.detail in str(xid)
    assert xid.at == datetime(2026, 1, 1, 0, 0, 0, 10_000, tzinfo=timezone.utc)
    assert (clock.kind, clock.code, clock.partition) == (
        "clock",
        None,
        nacp.gpu.Partition(gpu_instance=2, compute_instance=0),
    )
    assert (unknown.kind, unknown.bits, unknown.data, unknown.gpu) == ("unknown", 0x200040, 7, None)
    assert "0x200040" in unknown.text


def test_an_iteration_with_a_timeout_ends_when_nothing_happens(record: Record) -> None:
    before = time.monotonic()
    assert [event.kind for event in nacp.replay(record(happened(10, "clock"))).events(timeout=0.2)] == ["clock"]
    assert 0.2 <= time.monotonic() - before < 5


def test_who_asks_with_a_limit_is_answered_in_time(record: Record) -> None:
    events = nacp.replay(record(happened(10, "clock"))).events()
    first = events.next(5)
    assert first is not None and first.kind == "clock"
    before = time.monotonic()
    assert events.next(0.1) is None and events.next(0) is None
    assert 0.1 <= time.monotonic() - before < 2
    with pytest.raises(nacp.InvalidArgument, match="not a time in seconds"):
        events._native.wait(float("nan"))


def test_a_source_without_events_says_so() -> None:
    node = nacp.simulated_node("rtx3050ti-laptop-wsl2")
    with pytest.raises(nacp.Unsupported, match="tells no events"):
        node.events()


def test_coroutines_hear_events_and_lose_none_when_they_are_cancelled(record: Record) -> None:
    path = record(happened(10, "clock"), happened(600, "power_source"))

    async def main() -> tuple[list[str], float]:
        events, heard = nacp.replay(path).events(timeout=5), []
        async for event in events:
            heard.append(event.kind)
            break
        waiting = asyncio.create_task(anext(aiter(events)))
        await asyncio.sleep(0.05)
        before = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        took = time.monotonic() - before
        again = await events.next_async(5)
        assert again is not None
        return [*heard, again.kind], took

    heard, took = asyncio.run(main())
    assert heard == ["clock", "power_source"] and took < 0.5


def test_closing_ends_the_wait_of_another_thread(record: Record) -> None:
    events, seen = nacp.replay(record()).events(), []
    waiting = threading.Thread(target=lambda: seen.append(events.next()))
    waiting.start()
    time.sleep(0.1)
    events.close()
    waiting.join(5)
    assert not waiting.is_alive() and seen == [None]
    assert repr(events) == "<Events, closed>"


def test_ctrl_c_ends_a_wait_for_events(record: Record) -> None:
    process = subprocess.Popen([sys.executable, "-c", WAITING, record()], stdout=subprocess.PIPE, text=True)
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
    took = (int(out) - sent) / 1e9
    assert 0 < took < 0.2, f"KeyboardInterrupt came {took:.3f} s after the signal"


def test_a_forked_child_is_refused_and_the_parent_goes_on(record: Record) -> None:
    done = subprocess.run([sys.executable, "-c", FORKED, record()], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 False None\n", done


@pytest.mark.parametrize("timeout", [-1.0, float("nan")])
def test_a_timeout_is_a_time(record: Record, timeout: float) -> None:
    node = nacp.replay(record(), speed=None)
    with pytest.raises(nacp.InvalidArgument, match="parameter=timeout"):
        node.events(timeout=timeout)
    with node.events() as events, pytest.raises(nacp.InvalidArgument, match="parameter=timeout"):
        events.next(timeout)
