"""Telemetry: windows, energy, subscribers, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import nacp

Script = Callable[..., "subprocess.CompletedProcess[str]"]

WAITING = """
import sys, threading, time, nacp
live = nacp.simulated_node().telemetry(fast=60, medium=60, slow=60, history=600)
live.latest()
with live.subscribe() as updates:
    while updates.next(0.2):
        pass
    threading.Timer(0.3, lambda: print("waiting", flush=True)).start()
    try:
        for update in updates:
            print("unexpected", update)
    except KeyboardInterrupt:
        print(time.monotonic_ns(), flush=True)
live.close()
"""

FORKED = """
import os, nacp
live = nacp.simulated_node().telemetry()
updates = live.subscribe()
live.latest()
child = os.fork()
if child == 0:
    refused = 0
    for call in (live.status, live.latest, live.history, lambda: live.window("power"), updates.next):
        try:
            call()
        except nacp.Unsupported:
            refused += 1
    live.close()
    closed = live.closed
    del live
    os._exit(refused if closed else 99)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), live.closed, live.latest().origin.simulated)
live.close()
print(live.closed)
"""


@pytest.fixture
def live() -> Iterator[nacp.Telemetry]:
    with nacp.simulated_node().telemetry(fast=0.02, medium=0.05, slow=0.2, history=60) as live:
        yield live


def ticks(live: nacp.Telemetry, count: int) -> None:
    end = time.monotonic() + 20
    while live.status().ticks < count and time.monotonic() < end:
        time.sleep(0.005)


def test_the_last_readings_are_those_of_a_snapshot(live: nacp.Telemetry) -> None:
    latest = live.latest()
    assert latest.origin.simulated
    expected = nacp.simulated_node().snapshot().gpus[0].sample
    assert (latest.gpus[0].sample.power, latest.gpus[0].sample.memory) == (expected.power, expected.memory)


def test_a_window_has_the_figures_of_a_number(live: nacp.Telemetry) -> None:
    ticks(live, 5)
    window = live.window("power", last=10)
    assert (window.metric, window.unit, window.missing) == ("power", "W", 0)
    assert window.count >= 2
    figures = {window.min, window.mean, window.p50, window.p99, window.max, window.first, window.last}
    assert figures == {11.2}, "the simulated laptop stands still"
    assert window.from_ is not None and window.to is not None and window.from_ < window.to
    assert (window.delta, window.rate, window.resets) == (None, None, None), "power is no counter"


def test_what_is_not_known_has_no_figure(live: nacp.Telemetry) -> None:
    ticks(live, 8)
    window = live.window("power_limit")
    assert window.count == 0 and window.missing >= 1
    assert (window.min, window.mean, window.p99, window.last) == (None, None, None, None)


def test_energy_is_computed_from_power_where_there_is_no_counter(live: nacp.Telemetry) -> None:
    ticks(live, 10)
    energy = live.energy()
    assert energy.by == "power" and energy.joules and energy.seconds
    assert energy.joules == pytest.approx(11.2 * energy.seconds)


def test_a_mistake_tells_what_would_do(live: nacp.Telemetry) -> None:
    with pytest.raises(nacp.InvalidArgument, match="did you mean power"):
        live.window("powr")
    with pytest.raises(nacp.InvalidArgument, match="not a time in seconds: parameter=last value=-1"):
        live.window("power", last=-1)
    with pytest.raises(nacp.NotFound, match="no such GPU"):
        live.window("power", gpu="GPU-00000000-0000-4000-8000-00000000dead")
    with pytest.raises(nacp.InvalidArgument, match="choose 10ms to 3600s"):
        nacp.simulated_node().telemetry(fast=0.001)
    with pytest.raises(nacp.InvalidArgument, match="raise `memory`"):
        nacp.simulated_node().telemetry(memory=1000)
    with nacp.simulated_node("h100x8").telemetry(fields="power") as many:
        with pytest.raises(nacp.InvalidArgument, match="several GPUs"):
            many.window("power")
        with pytest.raises(nacp.InvalidArgument, match="add temperature"):
            many.window("temperature", gpu=many.latest().gpus[0].gpu.id)
        assert many.metrics == ["power"]


def test_a_subscriber_is_told_every_reading(live: nacp.Telemetry) -> None:
    seen = []
    with live.subscribe() as updates:
        for update in updates:
            if isinstance(update, nacp.Frame):
                seen.append(update)
                if len(seen) == 3:
                    break
    assert [frame.tick - seen[0].tick for frame in seen] == [0, 1, 2]
    assert all(frame.fields and frame.values("power") == [11.2] for frame in seen)
    assert seen[0].samples[0].power == 11200 and seen[0].at < seen[2].at
    assert updates.closed and updates.next() is None


def test_a_slow_subscriber_is_told_how_much_it_lost() -> None:
    with nacp.simulated_node().telemetry(fast=0.01, buffer=2, history=10) as live:
        updates = live.subscribe()
        ticks(live, 8)
        first, second = updates.next(1), updates.next(1)
        assert isinstance(first, nacp.Lagged) and first.count >= 1
        assert isinstance(second, nacp.Frame)
        assert live.status().lagged >= first.count and live.status().subscribers == 1


def test_the_end_of_telemetry_ends_the_iteration(live: nacp.Telemetry) -> None:
    updates = live.subscribe()
    threading.Timer(0.1, live.close).start()
    before = time.monotonic()
    assert sum(1 for _ in updates) >= 1
    assert time.monotonic() - before < 5 and updates.closed
    assert live.window("power").last == 11.2, "what was read stays"


def test_an_iteration_with_a_timeout_ends_when_nothing_comes() -> None:
    with nacp.simulated_node().telemetry(fast=60, medium=None, slow=None) as live:
        live.latest()
        before = time.monotonic()
        assert [update for update in live.subscribe(timeout=0.2) if isinstance(update, nacp.Event)] == []
        assert 0.2 <= time.monotonic() - before < 5


def test_coroutines_are_told_too_and_can_be_cancelled(live: nacp.Telemetry) -> None:
    async def main() -> tuple[int, float]:
        updates, beats, told = live.subscribe(), 0, 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0.005)

        beating = asyncio.create_task(beat())
        async for update in updates:
            told += isinstance(update, nacp.Frame)
            if told == 5:
                break
        beating.cancel()
        with nacp.simulated_node().telemetry(fast=60, medium=None, slow=None) as quiet:
            silent = quiet.subscribe()
            while await silent.next_async(0.1):
                pass
            waiting = asyncio.create_task(silent.next_async())
            await asyncio.sleep(0.05)
            before = time.monotonic()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            return beats, time.monotonic() - before

    beats, took = asyncio.run(main())
    assert beats >= 3, "the loop goes on while updates are waited for"
    assert took < 1, "else it would wait for a minute"


def test_ctrl_c_ends_a_wait_for_updates() -> None:
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
    took = (int(out) - sent) / 1e9
    assert 0 < took < 0.2, f"KeyboardInterrupt came {took:.3f} s after the signal"
    assert process.returncode == 0


def test_a_forked_child_is_refused_and_the_parent_goes_on(script: Script) -> None:
    done = script(FORKED)
    assert done.stdout == "5 False True\nTrue\n", done


def test_other_threads_run_while_one_waits() -> None:
    with nacp.simulated_node().telemetry(fast=60, medium=None, slow=None) as live:
        updates = live.subscribe()
        waiting = threading.Thread(target=lambda: list(iter(lambda: updates.next(0.3), None)))
        longest, last = 0.0, time.monotonic()
        waiting.start()
        while waiting.is_alive():
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        assert longest < 0.3, f"this thread stood still for {longest:.3f} s: the wait held the GIL"


def test_status_tells_how_it_fares(live: nacp.Telemetry) -> None:
    ticks(live, 3)
    status = live.status()
    assert (status.errors, status.error, status.subscribers) == (0, None, 0)
    assert status.last is not None and status.last_duration is not None and status.longest_duration is not None
    assert status.last_duration <= status.longest_duration < 5
    assert repr(live).startswith("<Telemetry, ") and "<svg" in live._repr_html_()


@pytest.mark.parametrize("time", [-1.0, float("nan")])
def test_times_are_refused_by_the_names_of_the_signature(live: nacp.Telemetry, time: float) -> None:
    for name, ask in (
        ("wait", live.latest),
        ("last", lambda last: live.window("power", last=last)),
        ("timeout", live.subscribe),
    ):
        with pytest.raises(nacp.InvalidArgument, match=f"parameter={name}"):
            ask(time)


def test_each_tier_may_have_fields_of_its_own() -> None:
    node = nacp.simulated_node()
    with node.telemetry(fast=0.05, fast_fields=["temperature"], medium=None, slow=None) as live:
        assert live.metrics == ["temperature"] and live.latest().gpus[0].sample.temperature == 51
    with pytest.raises(nacp.InvalidArgument, match="did you mean temperature"):
        node.telemetry(slow_fields="temprature")


def test_a_gpu_is_named_by_itself_its_id_and_not_its_position(live: nacp.Telemetry) -> None:
    gpu = nacp.simulated_node().gpus[0]
    live.latest()
    assert live.window("power", gpu=gpu).gpu == live.energy(gpu=gpu).gpu == gpu.id
    assert live.history("power", gpus=gpu.id).gpus == live.history("power", gpus=gpu).gpus == [gpu.id]
    with pytest.raises(nacp.InvalidArgument, match=r"use node.gpus\[0\].id"):
        live.window("power", gpu=0)  # type: ignore[arg-type]
