"""Nothing of the core is missing in Python: a field or a word that is added in Rust fails here."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import nacp
from nacp import _app

Lost = Callable[[Any, Any], list[str]]

CORE = Path(__file__).resolve().parents[2] / "nacp-core" / "src" / "gpu"
FILES = [
    *CORE.glob("inventory/*.rs"),
    *CORE.glob("sample/*.rs"),
    *(CORE / f"{name}.rs" for name in ("event", "pair", "support", "owner/mod", "telemetry/view")),
    *(CORE / f"topology/{name}.rs" for name in ("link", "matrix", "mod", "tree")),
    *(CORE / f"health/{name}.rs" for name in ("assessment", "condition", "severity")),
]
RECORDINGS = CORE.parents[1] / "tests" / "recordings"
# Text and numbers in JSON, and what only Rust has or keeps to itself.
NO_CLASS = {
    *("ClockEvents", "ComputeCapability", "Fields", "Metric", "MetricKind", "ProcessState"),
    *("Level", "Listening", "Topology"),
}
RENAMED = {"PollerStatus": "TelemetryStatus"}


def items(what: str) -> Iterator[tuple[str, str]]:
    """The public structs or enums of the core's data: name and body."""
    for file in FILES:
        code = file.read_text().split("#[cfg(test)]\nmod tests {")[0]
        found = re.findall(rf"((?:#\[[^\n]*\n)*)pub {what} (\w+) \{{\n(.*?)\n\}}", code, re.DOTALL)
        for attributes, name, body in found:
            if name not in NO_CLASS:
                yield RENAMED.get(name, name), attributes + body


STRUCTS = dict(items("struct"))
ENUMS = dict(items("enum"))


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_the_core_has_the_structs_that_are_looked_for() -> None:
    assert {"Gpu", "Sample", "Process", "Pair", "Event", "Fabric", "Slowdown", "MigDevice"} <= STRUCTS.keys()
    assert {"Link", "Place", "Row", "Branch", "Owner", "PodRef", "Condition", "TelemetryStatus"} <= STRUCTS.keys()
    assert {"Ancestor", "EventKind", "Via", "RecoveryAction", "ProcessKind", "Severity", "Runtime"} <= ENUMS.keys()


@pytest.mark.parametrize("name", STRUCTS)
def test_every_field_of_a_struct_is_an_attribute(name: str) -> None:
    fields = re.findall(r"^    pub (\w+): ", STRUCTS[name], re.MULTILINE)
    assert fields
    assert set(fields) <= get_type_hints(getattr(nacp.gpu, name)).keys()


@pytest.mark.parametrize("name", STRUCTS)
def test_every_reading_of_a_struct_may_be_unknown(name: str) -> None:
    readings = re.findall(r"^    pub (\w+): Reading<", STRUCTS[name], re.MULTILINE)
    hints = get_type_hints(getattr(nacp.gpu, name))
    assert all(type(None) in get_args(hints[reading]) for reading in readings)
    assert not readings or "unknown" in hints


@pytest.mark.parametrize("name", ENUMS)
def test_every_variant_of_an_enum_is_a_word(name: str) -> None:
    variants = re.findall(r"^    (?!#)(\w+)(?: \{|,)", ENUMS[name], re.MULTILINE)
    lower = 'serde(rename_all = "lowercase")' in ENUMS[name]
    words = {variant.lower() if lower else snake(variant) for variant in variants}
    assert words == set(get_args(getattr(nacp.gpu, name)))


def test_the_clock_events_have_the_bits_of_the_core() -> None:
    code = (CORE / "sample" / "parts.rs").read_text()
    bits = dict(re.findall(r"pub const (\w+): Self = Self\((0x[0-9a-f]+)\);", code))
    assert bits == {event.name: hex(event) for event in nacp.ClockEvents}
    assert int(nacp.ClockEvents(0x8004)) == 0x8004, "bits without a name are kept"
    told = nacp.replay(RECORDINGS / "every-field-v1.jsonl.zst", speed=None).snapshot().gpus[0].sample.clock_events
    assert isinstance(told, nacp.ClockEvents) and nacp.ClockEvents.POWER_CAP in told


@pytest.mark.parametrize("name", nacp.simulated_nodes())
def test_no_value_of_a_simulated_node_is_lost(lost: Lost, name: str) -> None:
    node = nacp.simulated_node(name)
    snapshot = json.loads(node.to_json())
    assert lost(nacp.Snapshot, snapshot) == []
    for kind, text in ((tuple[nacp.Pair, ...], node._native.pairs()), (nacp.Support, node._native.support())):
        assert lost(kind, json.loads(text)) == []
    assert len(node.pairs()) == len(json.loads(node._native.pairs()))


@pytest.mark.parametrize("file", sorted(RECORDINGS.glob("*.zst")), ids=lambda file: file.name)
def test_no_value_of_a_recording_is_lost(lost: Lost, file: Path) -> None:
    replay = nacp.replay(file, speed=None)
    events = replay.events(timeout=0)
    for _ in range(12):
        assert lost(nacp.Snapshot, json.loads(replay.to_json())) == []
    for event in events:
        assert event.kind in get_args(nacp.gpu.EventKind)


def test_the_core_is_asked_for_every_field_by_the_name_that_it_has_in_a_sample() -> None:
    assert set(nacp.fields()) == get_type_hints(nacp.Sample).keys() - {"id", "unknown"}
    assert {metric.field for metric in nacp.metrics()} <= set(nacp.fields())
    assert len({metric.name for metric in nacp.metrics()}) == len(nacp.metrics()) > 40


SERVICE = CORE.parent / "service"
# The class of each struct of the app's specification; those that are written in two forms stand in the file as `Long`.
SPECIFICATION = {
    "GpuNeed": ("gpu", "GpuNeed"),
    "Mount": ("mount", "Long"),
    "Probe": ("probe", "Written"),
    "Publish": ("spec", "Publish"),
    "Resources": ("resources", "Resources"),
    "Rolling": ("strategy", "Rolling"),
    "Security": ("security", "Security"),
    "Service": ("spec", "Service"),
    "Ulimit": ("resources", "Ulimit"),
}


def described(file: str, name: str) -> list[str]:
    """The fields of a struct of the specification, in their order."""
    code = (SERVICE / f"{file}.rs").read_text()
    body = re.search(rf"struct {name} \{{\n(.*?)\n\}}", code, re.DOTALL)
    assert body, name
    return re.findall(r"^    (?:pub )?(\w+): ", body[1], re.MULTILINE)


@pytest.mark.parametrize("name", SPECIFICATION)
def test_every_field_of_a_specification_can_be_given(name: str) -> None:
    given = [part.name for part in dataclasses.fields(getattr(nacp, name))]
    assert given == described(*SPECIFICATION[name])


@pytest.mark.parametrize(
    ("file", "enum", "words"),
    [
        ("depends", "Condition", set(get_args(_app.ConditionName))),
        ("gpu", "Sharing", {"shared", "exclusive"}),
        ("gpu", "Topology", {"any", "nvlink", "numa"}),
        ("secret", "Secret", {part.name for part in dataclasses.fields(nacp.Secret)}),
        ("security", "RootAccess", {"auto", "read-only", "writable"}),
        ("spec", "Api", {"openai", "ollama", "kserve", "http"}),
        ("spec", "Pull", {"missing", "always", "never"}),
        ("strategy", "Strategy", set(get_args(_app.StrategyName))),
        ("strategy", "Restart", {"always", "on-failure", "never"}),
        ("compose/wrong", "NoteKind", set(get_args(get_type_hints(nacp.Note)["kind"]))),
    ],
)
def test_every_word_of_a_specification_is_known(file: str, enum: str, words: set[str]) -> None:
    code = (SERVICE / f"{file}.rs").read_text()
    found = re.search(rf"((?:#\[[^\n]*\n)*)(?:pub )?enum {enum} \{{\n(.*?)\n\}}", code, re.DOTALL)
    assert found, enum
    variants = re.findall(r"^    (\w+)(?:,| \{|\()", found[2], re.MULTILINE)
    between = "-" if "kebab-case" in found[1] else "_"
    assert {snake(variant).replace("_", between) for variant in variants} == words
