"""A real Docker daemon, and the quickstart with and without it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nacp

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "examples" / "python" / "quickstart.py"
IMAGE = "nacp/sim-service:0.1"
APP = f"python-{os.getpid()}"

Script = Callable[..., "subprocess.CompletedProcess[str]"]

needs_docker = pytest.mark.skipif(
    os.environ.get("NACP_NO_DOCKER") == "1", reason="NACP_NO_DOCKER=1: no Docker daemon answers"
)

# Applies and dies, as a controller does that is killed: no `finally`, no destructor runs.
KILLED = """
import os, signal, sys, nacp
app = nacp.App.parse(sys.stdin.read())
with nacp.ControlPlane(nacp.simulated_node()) as plane:
    print([replica.container for replica in plane.apply(app).replicas], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def containers(app: str) -> list[str]:
    command = ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=nacp.app={app}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()


@pytest.fixture
def docker() -> Iterator[nacp.ControlPlane]:
    with nacp.ControlPlane(nacp.simulated_node()) as plane:
        yield plane
        plane.delete(APP)


@needs_docker
def test_what_a_killed_program_left_is_adopted_and_deleted(docker: nacp.ControlPlane) -> None:
    llm = nacp.Service(
        IMAGE, model="tiny", port=8000, replicas=2, ready=nacp.Probe(http="/healthz"), gpu=nacp.GpuNeed(memory="1GiB")
    )
    app = nacp.App(APP, services={"llm": llm})
    killed = subprocess.run(
        [sys.executable, "-c", KILLED], input=app.to_json(), capture_output=True, text=True, timeout=120
    )
    assert killed.returncode == -9, killed.stderr
    there = containers(APP)
    assert len(there) == 2 and all(container in killed.stdout for container in there)
    assert docker.plan(app).is_empty
    assert {replica.container for replica in docker.apply(app).replicas} == set(there)
    assert not docker.engine_info().simulated
    with docker.gateway() as gateway:
        assert docker.router().names() == ["tiny"] and not gateway.closed
    assert docker.delete(APP) == 2
    assert containers(APP) == []


@needs_docker
def test_an_image_that_is_nowhere_is_named(docker: nacp.ControlPlane) -> None:
    image = "127.0.0.1:1/nacp/absent:1"
    with pytest.raises(nacp.NacpError) as caught:
        docker.apply(nacp.App(APP, services={"s": nacp.Service(image)}))
    assert caught.value.context["image"] == image
    assert caught.value.operation == "engine.pull"
    assert containers(APP) == []


def quickstart(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(QUICKSTART), *arguments], capture_output=True, text=True, timeout=300, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_the_quickstart_does_the_main_job_without_anything_real() -> None:
    out = quickstart("--simulated")
    for part in (
        "simulated: rtx3050ti-laptop-wsl2 (asked for by --simulated)",
        "simulated: engine in this process (asked for by --simulated)",
        "best fit of the only GPU",
        "200 requests answered",
        "time to first token",
        'nacp_gateway_requests_total{app="quickstart-python"',
        "stopped: 3 containers removed, 0 left",
    ):
        assert part in out, out


@needs_docker
def test_the_quickstart_uses_docker_and_leaves_nothing() -> None:
    out = quickstart()
    assert "real: Docker Engine" in out or "real: Podman" in out, out
    assert "200 requests answered" in out and "stopped: 3 containers removed, 0 left" in out
    assert containers("quickstart-python") == []
