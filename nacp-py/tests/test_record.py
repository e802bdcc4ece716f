"""Recordings and replays."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import nacp

LAPTOP = "GPU-3050a701-0000-4000-8000-000000000001"
RECORDINGS = Path(__file__).resolve().parents[2] / "nacp-core" / "tests" / "recordings"


def test_what_is_recorded_is_replayed(node: nacp.Node, tmp_path: Path) -> None:
    path = tmp_path / "laptop.zst"
    with node.record(path, fast=0.02) as recording:
        assert "under way" in repr(recording)
        time.sleep(0.3)
    recorded = recording.recorded
    assert recorded is not None and recorded.frames >= 2 and recorded.lost == 0
    assert recording._telemetry is not None and recording._telemetry.closed, "nobody reads the node any more"
    assert recorded.bytes == path.stat().st_size and recording.close() == recorded
    replay = nacp.replay(path, speed=None)
    assert replay.simulated and replay.origin.name.startswith("replay of rtx3050ti-laptop-wsl2, recorded ")
    sample, expected = replay.snapshot().gpus[0].sample, node.snapshot().gpus[0].sample
    assert (sample.power, sample.memory, sample.clocks) == (expected.power, expected.memory, expected.clocks)
    assert replay.progress.frames == 1 and replay.progress.scrubbed and not replay.progress.ended
    assert replay.sampler("power").read() == [(11.2,)], "everything that reads a node reads a replay"


def test_ids_are_made_up_unless_the_recording_is_not_scrubbed(node: nacp.Node, tmp_path: Path) -> None:
    with node.telemetry(fast=0.02) as live:
        with live.record(tmp_path / "open.zst", scrub=False), live.record(tmp_path / "closed.zst"):
            live.latest()
            time.sleep(0.1)
        assert not live.closed
    assert nacp.replay(tmp_path / "open.zst").gpus[0].id == LAPTOP
    assert nacp.replay(tmp_path / "closed.zst").gpus[0].id != LAPTOP
    with pytest.raises(nacp.Conflict, match="the telemetry has ended"):
        live.record(tmp_path / "late.zst")


def test_a_file_that_is_there_or_is_no_recording_is_refused(node: nacp.Node, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("precious")
    with pytest.raises(nacp.Conflict):
        node.record(there)
    assert there.read_text() == "precious"
    with pytest.raises(nacp.InvalidArgument):
        nacp.replay(there)
    with pytest.raises(nacp.NotFound):
        nacp.replay(tmp_path / "absent")


def test_a_replay_ends_as_it_was_told_to() -> None:
    path = RECORDINGS / "h100x8-v1.jsonl.zst"
    replay = nacp.replay(path, speed=None, at_end="fail")
    with pytest.raises(nacp.DriverUnavailable, match="the recording has ended"):
        for _ in range(100):
            replay.snapshot()
    assert replay.progress.ended and replay.progress.cut is None
    loop = nacp.replay(path, speed=None, at_end="loop")
    for _ in range(100):
        loop.snapshot()
    assert not loop.progress.ended and 0 < loop.progress.frames < 100
    with pytest.raises(nacp.InvalidArgument, match="it is one of stay, loop, fail"):
        nacp.replay(path, at_end="never")  # type: ignore[arg-type]
    with pytest.raises(nacp.InvalidArgument, match="no such speed"):
        nacp.replay(path, speed=0)


def test_a_replay_with_a_speed_goes_on_by_itself() -> None:
    replay = nacp.replay(RECORDINGS / "h100x8-v1.jsonl.zst", speed=100)
    replay.snapshot()
    time.sleep(0.2)
    replay.snapshot()
    assert replay.progress.seconds > 1
