"""What the tests of the Python door share: a simulated node, an app for it, a place to run other programs from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import nacp
from nacp import _decode

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


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Path]:
    """Writes a recording by hand, of the simulated laptop or of other GPUs: plain JSON lines are replayed too.

    What happens is given as `{"after": milliseconds, "kind": …, "gpu": …}`.
    """

    def write(*happened: dict[str, Any], gpus: list[dict[str, Any]] | None = None) -> Path:
        state = nacp.simulated_node().to_dict()
        gpus = [one["gpu"] for one in state["gpus"]] if gpus is None else gpus
        sample = {name: value for name, value in state["gpus"][0]["sample"].items() if name != "id"}
        lines: list[dict[str, Any]] = [
            {
                **{"format": "nacp-gpu-recording", "version": 1, "nacp": nacp.__version__, "scrubbed": True},
                **{"at": "2026-01-01T00:00:00Z", "origin": state["origin"], "gpus": gpus},
                **{"pairs": [], "support": {"calls": []}},
            },
            {"frame": {"t": 0, "read": ",".join(nacp.fields()), "gpus": [sample] * len(gpus)}},
        ]
        for one in happened:
            after = one["after"]
            event = {"at": f"2026-01-01T00:00:{after / 1000:06.3f}Z", "via": "simulated"} | one
            lines.append({"event": {"t": after, "event": {key: event[key] for key in event if key != "after"}}})
        lines.append({"end": {"frames": 1, "events": len(happened)}})
        path = tmp_path / "recording.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    return write


def compare(data: Any, value: Any, path: str) -> Iterator[str]:
    """What of the core's JSON is not in a value of Python."""
    if isinstance(data, list):
        for at, item in enumerate(data):
            yield from compare(item, value[at], f"{path}[{at}]")
    elif isinstance(data, dict) and isinstance(value, _decode.Record):
        for key, item in data.items():
            if not hasattr(value, key):
                yield f"{path}.{key}"
            elif isinstance(item, dict) and item.keys() == {"unknown"}:
                if getattr(value, key) is not None or value.unknown[key] != item["unknown"]:  # type: ignore[attr-defined]
                    yield f"{path}.{key}: {item}"
            else:
                yield from compare(item, getattr(value, key), f"{path}.{key}")
    elif data != value and not isinstance(value, datetime):
        yield f"{path}: {data!r} became {value!r}"


@pytest.fixture
def lost() -> Callable[[Any, Any], list[str]]:
    """What of the core's JSON has no place in a class."""
    return lambda kind, data: list(compare(data, _decode.decode(kind, data), ""))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked here is on this machine, whatever proxy the environment names."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("NO_PROXY", "*")
