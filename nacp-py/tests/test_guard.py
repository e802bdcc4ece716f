"""Discovery behind a guard: a child process touches the driver first."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import nacp
from nacp import _guard, _nacp

Script = Callable[..., "subprocess.CompletedProcess[str]"]

GUARDED = """
import nacp
try:
    print(len(nacp.discover(guard=True, limit=20).gpus))
except nacp.NacpError as error:
    print(type(error).__name__, error)
"""


def absent(library: str) -> bool:
    import ctypes

    try:
        ctypes.CDLL(library)
    except OSError:
        return True
    return False


@pytest.mark.skipif(not absent("libnvidia-ml.so.1"), reason="this machine has an NVIDIA driver")
def test_what_the_child_found_missing_is_said_as_without_a_guard(script: Script) -> None:
    done = script(GUARDED)
    assert done.stdout.startswith("DriverUnavailable no NVIDIA management library on this machine: "), done


def test_a_child_that_hangs_is_given_up() -> None:
    before = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        _nacp.Node.discover_guarded(sys.executable, ["-I", "-c", "import time; time.sleep(60)"], 0.3)
    assert type(caught.value) is nacp.Timeout and time.monotonic() - before < 10


def test_a_child_that_is_no_probe_is_told_apart() -> None:
    with pytest.raises(nacp.InvalidArgument):
        _nacp.Node.discover_guarded(sys.executable, ["-I", "-c", "print('hello')"], 20)
    with pytest.raises(nacp.NotFound):
        _nacp.Node.discover_guarded("/nonexistent/python", [], 20)


def test_the_probe_says_what_it_is_for_when_somebody_else_starts_it() -> None:
    done = subprocess.run([sys.executable, "-m", "nacp._probe"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "nacp._probe is started by nacp.discover(guard=True) and nacp.check(isolate=True)\n")


def test_the_child_finds_this_package_wherever_it_is() -> None:
    assert (Path(_guard.PACKAGES) / "nacp" / "_probe.py").is_file()
    assert _guard.PROBE[0] == "-I", "nothing of the user's environment is imported"


@pytest.mark.parametrize("there", [False, True])
def test_by_default_the_guard_is_for_wsl2_alone(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    native = nacp.simulated_node()._native

    class Native:
        @staticmethod
        def discover() -> _nacp.Node:
            called.append("alone")
            return native

        @staticmethod
        def discover_guarded(program: str, arguments: list[str], limit: float) -> _nacp.Node:
            called.append("guarded")
            return native

    monkeypatch.setattr(_nacp, "Node", Native)
    monkeypatch.setattr("os.path.exists", lambda path: there if path == "/dev/dxg" else False)
    nacp.discover()
    assert called == ["guarded" if there else "alone"]
    nacp.discover(guard=not there)
    assert called[1] == ("alone" if there else "guarded")


@pytest.mark.parametrize("there", [False, True])
def test_health_is_looked_at_behind_the_same_guard(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[str | None, float]] = []
    found = nacp.simulated_node()._native.health(None)

    def check(thresholds: str | None, program: str | None, arguments: list[str], limit: float) -> str:
        called.append((program, limit))
        return found

    monkeypatch.setattr(_nacp, "check_health", check)
    monkeypatch.setattr("os.path.exists", lambda path: there if path == "/dev/dxg" else False)
    nacp.health()
    nacp.health(guard=not there, limit=5)
    programs = [None, sys.executable]
    assert called == [(programs[there], 30.0), (programs[not there], 5)]


def test_a_child_that_hangs_is_a_condition_of_the_machine() -> None:
    arguments = ["-I", "-c", "import time; time.sleep(60)"]
    health = json.loads(_nacp.check_health(None, sys.executable, arguments, 0.3))
    assert health["conditions"][0]["gpu"] is None and health["verdict"] == "unusable"


@pytest.mark.parametrize("guard", ["always", "", None, 1])
def test_only_the_guards_that_there_are_are_taken(guard: object) -> None:
    for look in (nacp.discover, nacp.health):
        with pytest.raises(nacp.InvalidArgument, match='it is one of "auto", True, False'):
            look(guard=guard)


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_a_limit_is_a_time(limit: float) -> None:
    for look in (nacp.discover, nacp.health):
        with pytest.raises(nacp.InvalidArgument, match="parameter=limit"):
            look(guard=False, limit=limit)
