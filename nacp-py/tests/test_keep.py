"""Apps that are kept, and what is told of apps that come up."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import nacp
from nacp import _keep
from nacp._keep import Board, Lines

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "python" / "keep.py"


def ready_replicas(plane: nacp.ControlPlane, app: str) -> int:
    return sum(replica.ready for replica in plane.status(app).replicas)


def soon(is_so: Callable[[], bool], limit: float = 20.0) -> bool:
    end = time.monotonic() + limit
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def with_image(app: nacp.App, image: str) -> nacp.App:
    services = {name: dataclasses.replace(service, image=image) for name, service in app.services.items()}
    return nacp.App(app.name, services=services)


def test_apply_tells_what_happens(plane: nacp.ControlPlane, app: nacp.App) -> None:
    told: list[nacp.AppEvent] = []
    assert plane.apply(app, progress=told.append).ready
    names = [event.event for event in told]
    assert names.count("ready") == 2 and names[-1] == "converged", names
    first = next(event for event in told if event.event == "ready")
    assert (first.app, first.service) == ("demo", "llm") and first.after is not None and first.after >= 0
    assert str(first) == first.text and "ready" in first.text
    steps = {event.step for event in told if event.event == "doing"}
    assert {"create", "start"} <= steps, steps
    assert pickle.loads(pickle.dumps(told)) == told


def test_apply_fails_as_it_does_without_a_listener(plane: nacp.ControlPlane, app: nacp.App) -> None:
    greedy = dataclasses.replace(app.services["llm"], gpu=nacp.GpuNeed(memory="64GiB"))
    with pytest.raises(nacp.ResourceExhausted, match="no GPU has room"):
        plane.apply(nacp.App("demo", services={"llm": greedy}), progress=lambda _: None)


def test_what_a_listener_raises_ends_the_wait(plane: nacp.ControlPlane, app: nacp.App) -> None:
    def refuse(event: nacp.AppEvent) -> None:
        raise RuntimeError(event.app)

    with pytest.raises(RuntimeError, match="demo"):
        plane.apply(app, progress=refuse)
    assert plane.apply(app, progress=False).ready


def test_a_wrong_progress_is_named(plane: nacp.ControlPlane, app: nacp.App) -> None:
    with pytest.raises(nacp.InvalidArgument, match="no such progress: parameter=progress value='bar'"):
        plane.apply(app, progress="bar")  # type: ignore[arg-type]


def test_a_kept_app_converges_scales_and_goes_on_when_it_is_no_longer_kept(
    plane: nacp.ControlPlane, app: nacp.App
) -> None:
    with plane.keep(app) as kept:
        assert kept.wait_until("converged", timeout=20) is not None
        assert ready_replicas(plane, "demo") == 2
        kept.scale("llm", 3)
        assert soon(lambda: ready_replicas(plane, "demo") == 3)
        kept.scale("llm", 1)
        assert soon(lambda: ready_replicas(plane, "demo") == 1)
        assert soon(lambda: len(plane.router().endpoints()) == 1)
        assert not kept.closed
    assert kept.closed and kept.next(timeout=0) is None
    assert ready_replicas(plane, "demo") == 1


def test_an_update_is_rolled_out(plane: nacp.ControlPlane, app: nacp.App) -> None:
    with plane.keep(app) as kept:
        kept.wait_until("converged", timeout=20)
        kept.update(with_image(app, "example/llm:2"))
        assert kept.wait_until("converged", timeout=20) is not None
        assert {replica.image for replica in plane.status("demo").replicas} == {"example/llm:2"}
        with pytest.raises(nacp.InvalidArgument, match="another app"):
            kept.update(nacp.App("other", services=app.services))


def test_pause_keeps_hands_off(plane: nacp.ControlPlane, app: nacp.App) -> None:
    with plane.keep(app) as kept:
        kept.wait_until("converged", timeout=20)
        kept.pause()
        kept.scale("llm", 3)
        time.sleep(0.5)
        assert ready_replicas(plane, "demo") == 2
        kept.resume()
        assert soon(lambda: ready_replicas(plane, "demo") == 3)


def test_a_drained_service_is_empty_until_it_is_filled_again(plane: nacp.ControlPlane, app: nacp.App) -> None:
    with plane.keep(app) as kept:
        kept.wait_until("converged", timeout=20)
        kept.drain("llm")
        assert soon(lambda: ready_replicas(plane, "demo") == 0)
        kept.undrain("llm")
        assert soon(lambda: ready_replicas(plane, "demo") == 2)


def test_a_cordoned_gpu_loses_its_replicas() -> None:
    node = nacp.simulated_node("h100x8")
    service = nacp.Service("example/llm:1", port=8000, gpu=nacp.GpuNeed(memory="1GiB"))
    with nacp.ControlPlane(node, engine="simulated") as plane:
        with plane.keep(nacp.App("moved", services={"llm": service})) as kept:
            kept.wait_until("converged", timeout=20)
            [before] = plane.status("moved").replicas[0].gpus
            kept.cordon(before, "its fan is loud")

            def moved() -> bool:
                replicas = plane.status("moved").replicas
                return len(replicas) == 1 and replicas[0].ready and replicas[0].gpus != (before,)

            assert soon(moved)
            kept.uncordon(node.gpus[0])
        with pytest.raises(nacp.InvalidArgument, match="GPU is named by its id"):
            kept.cordon(0, "no")  # type: ignore[arg-type]


def test_mistakes_are_named(plane: nacp.ControlPlane, app: nacp.App) -> None:
    with plane.keep(app) as kept:
        for call in (lambda: kept.scale("lm", 1), lambda: kept.drain("lm"), lambda: kept.undrain("lm")):
            with pytest.raises(nacp.NotFound, match=r"did you mean `?llm`?"):
                call()
        with pytest.raises(nacp.InvalidArgument, match="parameter=replicas"):
            kept.scale("llm", -1)


def test_a_second_keeper_stands_by(plane: nacp.ControlPlane, node: nacp.Node, app: nacp.App) -> None:
    with plane.keep(app) as first:
        first.wait_until("converged", timeout=20)
        with plane.keep(app) as second:
            standby = second.wait_until("standby", timeout=20)
            assert standby is not None and standby.holder
        with pytest.raises(nacp.Conflict, match="keeps"):
            plane.delete("demo")
    assert plane.delete("demo") == 2


def test_a_coroutine_can_listen(plane: nacp.ControlPlane, app: nacp.App) -> None:
    async def first_ready() -> nacp.AppEvent | None:
        with plane.keep(app) as kept:
            async for event in kept:
                if event.event == "ready":
                    return event
        return None

    event = asyncio.run(asyncio.wait_for(first_ready(), 30))
    assert event is not None and event.service == "llm"


def pulling(done: int, total: int) -> nacp.AppEvent:
    text = (
        '{"at":"2026-01-01T00:00:00Z","app":"a","event":"pulling","image":"<b>x</b>","phase":"downloading",'
        f'"done":{done},"total":{total},"layers_done":1,"layers":2,"text":"x: downloading"}}'
    )
    return _keep.decode_event(text)


def test_images_have_a_bar_in_a_notebook_and_names_are_escaped() -> None:
    class Handle:
        html = ""

        def update(self, html: str) -> None:
            self.html = html

    class Display:
        def __init__(self) -> None:
            self.handle = Handle()

        def display(self, _html: str, *, display_id: bool) -> Handle:
            assert display_id
            return self.handle

        HTML = staticmethod(str)

    display = Display()
    board = Board(display)
    board.tell(pulling(50, 100))
    assert "width:50%" in display.handle.html and "1 of 2 layers" in display.handle.html
    assert "<b>x" not in display.handle.html and "&lt;b&gt;x" in display.handle.html


def test_a_terminal_gets_lines_and_one_that_is_written_over() -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.tell(pulling(1, 2))
    lines.tell(pulling(2, 2))
    lines.end()
    assert out.getvalue().count("\n") == 1 and out.getvalue().count("\r") == 2


def test_the_example_grows_and_takes_a_bad_update_back() -> None:
    command = [sys.executable, str(EXAMPLE), "--simulated"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "rolled back" in done.stdout and "-- 2 ready\nremoved: 2" in done.stdout, done.stdout
