"""What the tests of the Python door share: a simulated node, an app for it, a place to run other programs from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nacp

Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def node() -> nacp.Node:
    return nacp.simulated_node()


@pytest.fixture
def app() -> nacp.App:
    """Two replicas of a simulated language model."""
    llm = nacp.Service(
        "example/llm:1",
        model="tiny",
        port=8000,
        replicas=2,
        gpu=nacp.GpuNeed(memory="1GiB"),
        ready=nacp.Probe(http="/v1/models", within="10s"),
    )
    return nacp.App("demo", services={"llm": llm})


@pytest.fixture
def plane(node: nacp.Node) -> Iterator[nacp.ControlPlane]:
    with nacp.ControlPlane(node, engine="simulated") as plane:
        yield plane


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a program in a fresh Python, outside of the source tree."""

    def run(program: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env=os.environ | env,
        )

    return run


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is on this machine, whatever proxy the environment names."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
