"""What the tests of clients that others wrote share: a gateway in front of a simulated service, and `nacp metrics`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def gateway_url() -> Iterator[str]:
    """A gateway in front of two replicas of a simulated model `tiny`, one token every 30 ms."""
    import nacp  # not at the top: the clients of NVML are tested without it

    slow = {"NACP_SIM_TTFT_MS": "30", "NACP_SIM_TOKEN_MS": "30"}
    llm = nacp.Service("example/llm:1", model="tiny", port=8000, replicas=2, env=slow)
    with nacp.ControlPlane(nacp.simulated_node(), engine="simulated") as plane:
        plane.apply(nacp.App("clients", services={"llm": llm}))
        with plane.gateway() as gateway:
            yield gateway.url
        plane.delete("clients")


class Exporter:
    """`nacp metrics --listen`, while it runs."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.port = int(url.rpartition(":")[2])


@pytest.fixture
def exporter() -> Iterator[Callable[..., Exporter]]:
    """Starts `nacp metrics --listen` with these arguments, and ends it after the test.

    The program is the one that NACP_PROGRAM names; without it the tests fail, for there is nothing else to test.
    """
    program = Path(os.environ["NACP_PROGRAM"]).resolve()
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> Exporter:
        command = [str(program), "metrics", "--listen=127.0.0.1:0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        found = re.search(r"(http://127\.0\.0\.1:\d+)/metrics$", first.strip())
        assert found, f"{first}{process.stderr.read()}"
        return Exporter(process, found[1])

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is on this machine, whatever proxy the environment names."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
