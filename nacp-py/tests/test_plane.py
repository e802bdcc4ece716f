"""The control plane over the simulated engine."""

from __future__ import annotations

import dataclasses
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import nacp
from nacp import _nacp


def with_env(app: nacp.App, **env: str) -> nacp.App:
    services = {name: dataclasses.replace(service, env=env) for name, service in app.services.items()}
    return nacp.App(app.name, services=services)


def test_apply_status_delete(plane: nacp.ControlPlane, node: nacp.Node, app: nacp.App) -> None:
    status = plane.apply(app)
    assert status.ready and status == plane.status("demo")
    first = status.replicas[0]
    assert (first.service, first.replica, first.name) == ("llm", 0, "nacp.demo.llm.0")
    assert (first.image, first.model, first.state, first.exit_code) == ("example/llm:1", "tiny", "running", None)
    assert (first.gpus, first.memory) == ((node.gpus[0].id,), 1 << 30)
    assert first.simulated
    assert first.gpu_injection == "none, the engine is simulated"
    assert plane.apps() == ["demo"]
    assert plane.endpoints() == list(status.endpoints)
    assert plane.delete("demo") == 2
    gone = plane.status("demo")
    assert (gone.replicas, gone.ready, plane.apps(), plane.delete("demo")) == ((), False, [], 0)


def test_applying_twice_changes_nothing(plane: nacp.ControlPlane, app: nacp.App) -> None:
    before = plane.plan(app)
    assert [action.step for action in before.actions] == ["create", "create"]
    assert not before.is_empty and before.actions[0].container is None
    first = plane.apply(app)
    again = plane.plan(app)
    assert again.is_empty
    assert [(action.step, action.container) for action in again.actions] == [
        ("keep", replica.container) for replica in first.replicas
    ]
    assert plane.apply(app) == first


def test_a_changed_service_is_replaced(plane: nacp.ControlPlane, app: nacp.App) -> None:
    plane.apply(app)
    steps = [(action.wave, action.step) for action in plane.plan(with_env(app, A="1")).actions]
    assert steps == [(0, "remove"), (0, "remove"), (1, "create"), (1, "create")]


def test_a_replica_answers_and_logs(plane: nacp.ControlPlane, app: nacp.App) -> None:
    [first, _] = plane.apply(app).endpoints
    with urllib.request.urlopen(f"{first.url}/v1/models", timeout=10) as reply:
        assert reply.headers["x-nacp-simulated"]
    assert "listening" in plane.logs("demo", "llm")[0]
    assert len(plane.logs("demo", "llm", lines=1)) == 1
    with pytest.raises(nacp.NotFound) as caught:
        plane.logs("demo", "llm", replica=7)
    assert str(caught.value) == ("no such replica: name=nacp.demo.llm.7 known=[nacp.demo.llm.0, nacp.demo.llm.1]")


def test_a_service_that_never_gets_ready_says_so_and_stays_to_be_looked_at(plane: nacp.ControlPlane) -> None:
    never = nacp.Service(
        "example/llm:1", port=8000, env={"NACP_SIM_UNHEALTHY": "1"}, ready=nacp.Probe(http="/v1/models", within="1s")
    )
    with pytest.raises(TimeoutError) as caught:
        plane.apply(nacp.App("never", services={"s": never}))
    assert str(caught.value).startswith(
        'the replica is not ready in time: app=never service=s replica=0 within=1s last="HTTP 503" log='
    )
    [replica] = plane.status("never").replicas
    assert (replica.state, replica.ready) == ("running", False)
    assert plane.delete("never") == 1


def test_more_memory_than_there_is_starts_nothing(plane: nacp.ControlPlane) -> None:
    app = nacp.App("big", services={"llm": nacp.Service("i", gpu=nacp.GpuNeed(memory="80GiB"))})
    with pytest.raises(nacp.ResourceExhausted, match=r"lower `gpu\.memory` to at most 3\.50 GiB"):
        plane.apply(app)
    assert plane.apps() == []


def test_the_engine_says_that_it_is_simulated(plane: nacp.ControlPlane) -> None:
    info = plane.engine_info()
    assert info.simulated and info.name == "simulated engine"
    assert info.gpu == nacp.GpuOffer(cdi_devices=(), nvidia_runtime=False, nvidia_driver=False, wsl=False)
    assert repr(plane) == "<ControlPlane of simulated node rtx3050ti-laptop-wsl2>"


def left_out(told: Any, shown: Any) -> Iterator[str]:
    """The names in the core's JSON that an object does not show."""
    if isinstance(told, dict) and isinstance(shown, dict) and told.keys() != {"unknown"}:
        yield from told.keys() - shown.keys()
        for name in told.keys() & shown.keys():
            yield from left_out(told[name], shown[name])
    elif isinstance(told, list):
        for one, other in zip(told, shown, strict=True):
            yield from left_out(one, other)


def test_everything_that_the_core_tells_can_be_read(plane: nacp.ControlPlane, node: nacp.Node, app: nacp.App) -> None:
    status = plane.apply(app)
    with plane.gateway() as gateway:
        pairs = [
            (plane._native.status("demo"), status),
            (plane._native.plan(app._native), plane.plan(app)),
            (plane._native.engine_info(), plane.engine_info()),
            (gateway._native.stats(), gateway.stats()),
            (node.to_json(), node.snapshot()),
            (_nacp.detect(None, False), nacp.detect(daemons=False)),
        ]
    for told, shown in pairs:
        assert list(left_out(json.loads(told), shown.to_dict())) == [], type(shown)
    services = {name: service.to_dict() for name, service in app.services.items()}
    assert list(left_out(app.to_dict(), {"name": "demo", "services": services})) == []


def test_an_unknown_engine_names_the_nearest(node: nacp.Node) -> None:
    with pytest.raises(nacp.InvalidArgument) as caught:
        nacp.ControlPlane(node, engine="doker")  # type: ignore[arg-type]
    assert str(caught.value) == 'no engine of this name: engine="doker" known=docker,simulated; did you mean docker?'


def test_two_simulated_engines_know_nothing_of_each_other(node: nacp.Node, app: nacp.App) -> None:
    with nacp.ControlPlane(node, engine="simulated") as one, nacp.ControlPlane(node, engine="simulated") as other:
        one.apply(app)
        assert (one.apps(), other.apps()) == (["demo"], [])


def test_only_an_app_can_be_applied(plane: nacp.ControlPlane) -> None:
    for call in (plane.apply, plane.plan):
        with pytest.raises(
            TypeError, match=r"^an nacp\.App is needed, not str; App\.parse and App\.from_file read one$"
        ):
            call("demo")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"replica": -1}, "parameter=replica value=-1; choose 0 to 4294967295"),
        ({"lines": -1}, "parameter=lines value=-1; choose 0 to 4294967295"),
        ({"lines": 1 << 100}, f"parameter=lines value={1 << 100}; choose 0 to 4294967295"),
    ],
)
def test_a_number_out_of_range_is_named(plane: nacp.ControlPlane, given: dict[str, int], text: str) -> None:
    with pytest.raises(nacp.InvalidArgument) as caught:
        plane.logs("demo", "llm", **given)
    assert str(caught.value) == f"the number is out of range: {text}"
    with pytest.raises(TypeError):
        plane.logs("demo", "llm", **dict.fromkeys(given, "1"))  # type: ignore[arg-type]
