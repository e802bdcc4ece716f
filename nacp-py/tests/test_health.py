"""How healthy GPUs are: conditions, thresholds, advice, a watch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

import nacp

LAPTOP = "GPU-3050a701-0000-4000-8000-000000000001"
HOT = {"gpu_max_celsius": 40}
NOW = {"timing": {"reading": {"raise_after": 0, "clear_after": 0}}}


def test_a_healthy_node_says_what_could_not_be_checked(node: nacp.Node) -> None:
    health = node.health()
    assert (health.verdict, health.conditions, health.cordon) == ("healthy", (), ())
    assert health.summary.startswith("simulated: healthy as far as it can be known")
    assert [gpu.id for gpu in health.gpus] == [LAPTOP] and health.origin.simulated
    assert all(unchecked.kind and unchecked.reason for unchecked in health.unchecked) and health.unchecked


def test_a_hot_gpu_is_told_with_evidence_and_advice(node: nacp.Node) -> None:
    health = node.health(HOT)
    [hot] = health.conditions
    assert (hot.gpu, hot.kind, hot.count) == (LAPTOP, "hot", 1)
    assert "51" in hot.message and hot.evidence[0].source and hot.since == hot.last == health.at
    assert health.verdict == hot.severity == health.gpus[0].verdict
    assert health.of(LAPTOP) == (hot,) and hot.message in str(hot)
    severe = node.health(HOT | {"severity": {"hot": "unusable"}})
    [cordon] = severe.cordon
    assert (cordon.gpu, cordon.verdict, cordon.until) == (LAPTOP, "unusable", (hot.action,))


def test_thresholds_are_a_mapping_text_or_a_file(node: nacp.Node, tmp_path: Path) -> None:
    file = tmp_path / "health.yaml"
    file.write_text("gpu_max_celsius: 40\n")
    verdicts = {node.health(given).conditions[0].kind for given in (HOT, json.dumps(HOT), "gpu_max_celsius: 40", file)}
    assert verdicts == {"hot"}
    assert node.health(nacp.thresholds()).conditions == (), "the defaults are as good as none"
    with pytest.raises(nacp.InvalidArgument, match="did you mean gpu_max_celsius"):
        node.health({"gpu_max_celcius": 40})
    assert node.health(str(file)).conditions[0].kind == "hot", "a path may be text"
    for absent in (tmp_path / "absent.yaml", "absent.yaml"):
        with pytest.raises(FileNotFoundError):
            node.health(absent)


class Shown(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.styles: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.styles += [value or "" for name, value in attrs if name == "style"]


def test_health_shows_itself_with_badges_on_their_own_ground(node: nacp.Node) -> None:
    health = node.health(HOT)
    evil = dataclasses.replace(health.conditions[0], message="<script>")
    shown = Shown(dataclasses.replace(health, conditions=(evil,))._repr_html_())
    assert "script" not in shown.tags and shown.tags.count("tr") == 3
    badges = [style for style in shown.styles if "color:#fff" in style]
    assert len(badges) == 2 and all("background:#" in style for style in badges), "readable on white and on black"
    assert "hot" in repr(health) and f"0 · {LAPTOP[:12]}" in repr(health) and LAPTOP not in repr(health)
    assert f'title="{LAPTOP}"' in health._repr_html_(), "the whole id is there for who points at it"
    assert health.conditions[0].action_text in repr(health)


def test_the_caption_counts_instead_of_listing(node: nacp.Node) -> None:
    caption = repr(node.health(HOT)).splitlines()[0]
    assert caption.startswith("simulated node rtx3050ti-laptop-wsl2, ") and "UTC: watch; 1 condition, " in caption
    assert caption.endswith(", 1 GPU") and len(caption) < 200


def test_conditions_are_asked_for_by_gpu_or_id(node: nacp.Node) -> None:
    health = node.health(HOT)
    assert health.of(node.gpus[0]) == health.of(LAPTOP) == health.conditions
    with pytest.raises(nacp.NotFound, match=f"known={LAPTOP}"):
        health.of("GPU-dead")
    with pytest.raises(nacp.InvalidArgument, match=r"use node.gpus\[0\].id"):
        health.of(0)  # type: ignore[arg-type]


def test_a_machine_without_a_driver_is_unhealthy_or_without_gpus_but_no_error() -> None:
    health = nacp.health()
    assert health.verdict in ("healthy", "watch", "drain", "unusable") and not health.origin.simulated
    nothing = not health.gpus and health.origin.driver is None and health.verdict == "healthy"
    for text in (health.summary, repr(health).splitlines()[0]):
        assert ("no NVIDIA GPU and no driver here" in text) == nothing, text


def test_a_monitor_waits_before_it_raises(node: nacp.Node) -> None:
    patient = nacp.HealthMonitor(node, HOT)
    assert patient.observe() == () and patient.health().conditions == ()
    hasty = nacp.HealthMonitor(node, HOT | {"timing": {"reading": {"raise_after": 0, "clear_after": 0}}})
    [raised] = hasty.observe()
    assert (raised.change, raised.condition.kind) == ("raised", "hot") and str(raised).startswith("raised: ")
    assert hasty.observe() == () and hasty.health().conditions[0].count == 2
    assert [change.change for change in hasty.forget(LAPTOP)] == ["cleared"]
    assert next(hasty.watch(every=0)).change == "raised"
    with pytest.raises(nacp.InvalidArgument):
        hasty.reset("0")


def test_a_monitor_hears_what_happens(record: Callable[..., Path]) -> None:
    xid = {"after": 0, "gpu": LAPTOP, "kind": {"xid": {"code": 48}}}
    monitor = nacp.HealthMonitor(nacp.replay(record(xid), speed=None))
    assert any(change.condition.code == 48 for _ in range(3) for change in monitor.observe())
    assert [condition.kind for condition in monitor.health().conditions] == ["xid"]
    unheard = {unchecked.kind for unchecked in monitor.health().unchecked}
    assert "xid" not in unheard and "sxid" in unheard, "it listens, but to no kernel's log"
    deaf = nacp.HealthMonitor(nacp.simulated_node("rtx3050ti-laptop-wsl2"))
    assert "sxid" in {unchecked.kind for unchecked in deaf.health().unchecked}
    assert [change.change for change in monitor.rebooted()] in ([], ["cleared"])


def test_a_driver_that_fails_is_a_condition_and_loses_no_event(record: Callable[..., Path]) -> None:
    xid = {"after": 0, "gpu": LAPTOP, "kind": {"xid": {"code": 48}}}
    monitor = nacp.HealthMonitor(nacp.replay(record(xid), speed=None, at_end="fail"), NOW)
    raised = [change.condition for _ in range(4) for change in monitor.observe() if change.change == "raised"]
    assert any(one.code == 48 for one in raised), raised
    assert any(one.gpu is None and one.kind.startswith("driver") for one in raised), raised
    assert monitor.health().gpus == () and monitor.health().verdict == "unusable"


def test_a_monitor_hands_what_it_knows_to_the_next(record: Callable[..., Path]) -> None:
    xid = {"after": 0, "gpu": LAPTOP, "kind": {"xid": {"code": 48}}}
    node = nacp.replay(record(xid), speed=None)
    monitor = nacp.HealthMonitor(node)
    assert monitor.history() == {"xids": []}
    for _ in range(3):
        monitor.observe()
    monitor.rebooted()
    [past] = monitor.history()["xids"]
    assert (past["code"], past["reboots"]) == (48, 1)
    assert nacp.HealthMonitor(node, history=monitor.history()).history() == monitor.history()
    with pytest.raises(nacp.InvalidArgument, match="not the history of a monitor"):
        nacp.HealthMonitor(node, history={"xids": 1})


@pytest.mark.parametrize("every", [-1.0, float("nan")])
def test_a_watch_needs_a_time_between_looks(node: nacp.Node, every: float) -> None:
    with pytest.raises(nacp.InvalidArgument, match="parameter=every"):
        nacp.HealthMonitor(node).watch(every=every)


def test_a_gpu_has_the_number_that_the_driver_gives_it_also_behind_one_that_is_lost() -> None:
    health = nacp.simulated_node("broken").health()
    assert [gpu.index for gpu in health.gpus] == [0, 1, 2, 3, 4, 6, 7]
    assert "6 · GPU-0bad0a07" in repr(health) and "5 · GPU" not in repr(health)
