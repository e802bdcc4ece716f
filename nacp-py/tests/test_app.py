"""Apps: builders, files, errors."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

import nacp

ASSISTANT = """\
name: assistant
services:
  llm:
    image: ollama/ollama:0.16.1
    model: phi3:mini
    gpu: { memory: 3.5GiB, sharing: shared, compute: ">=7.5" }
    port: 11434
    ready: { http: /api/tags, within: 60m }
    volumes: { models: /var/lib/ollama }
    priority: 10
  embed:
    image: example/embedder:2
    gpu: { memory: 900MiB }
    replicas: 2
    depends_on: [llm]
    determinism: strict
"""


def built() -> nacp.App:
    return nacp.App(
        "assistant",
        services={
            "llm": nacp.Service(
                "ollama/ollama:0.16.1",
                model="phi3:mini",
                gpu=nacp.GpuNeed(memory="3.5GiB", compute=">=7.5"),
                port=11434,
                ready=nacp.Probe(http="/api/tags", within="60m"),
                volumes={"models": "/var/lib/ollama"},
                priority=10,
            ),
            "embed": nacp.Service(
                "example/embedder:2",
                gpu=nacp.GpuNeed(memory=900 << 20),
                replicas=2,
                depends_on=["llm"],
                determinism="strict",
            ),
        },
    )


def test_a_file_and_the_builders_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "nacp.yaml"
    file.write_text(ASSISTANT)
    parsed = nacp.App.from_file(file)
    assert parsed == built() == nacp.App.parse(built().to_json())
    assert hash(parsed) == hash(built())
    assert parsed != nacp.App("other", services=built().services)
    assert parsed.name == "assistant"
    assert parsed.start_order() == ("llm", "embed")


def test_what_was_read_can_be_used_to_build_again() -> None:
    app = nacp.App.parse(ASSISTANT)
    assert nacp.App(app.name, services=app.services) == app
    assert app.services["llm"].gpu == nacp.GpuNeed(memory=3584 << 20, compute=">=7.5")
    assert app.services["embed"].depends_on == ("llm",)
    assert app.to_dict()["services"]["llm"]["ready"] == {"http": "/api/tags", "within": "1h"}


def test_an_app_goes_through_pickle_and_shows_itself() -> None:
    app = built()
    again = pickle.loads(pickle.dumps(app))
    assert again == app and again.services == app.services
    assert "App('assistant', services={'embed': Service(image='example/embedder:2'" in repr(app)


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        (
            "image: ollama",
            "imgae: ollama",
            "unknown field: line=4 column=5 field=services.llm.imgae; did you mean image?",
        ),
        (
            "{ memory: 900MiB }",
            "{ memory: 900MiB, colour: red }",
            "unknown field: line=13 column=28 field=services.embed.gpu.colour; the fields here are "
            "memory, count, sharing, compute, cuda, mig, topology",
        ),
        (
            "depends_on: [llm]",
            "depends_on: [lln]",
            "no such service in this app: line=15 column=18 field=services.embed.depends_on value=lln; "
            "did you mean llm?",
        ),
        (
            "replicas: 2",
            "replicas: 1001",
            "the number of replicas is out of range: line=14 column=15 field=services.embed.replicas value=1001; "
            "choose 0 to 1000",
        ),
    ],
)
def test_a_mistake_reads_as_in_the_core(wrong: str, right: str, message: str) -> None:
    assert wrong in ASSISTANT
    with pytest.raises(ValueError) as caught:
        nacp.App.parse(ASSISTANT.replace(wrong, right))
    assert type(caught.value) is nacp.InvalidArgument
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "odd", ["\x7f", "\x80", "\x85", "\x9f", "\u2028", "\ufeff", "\ufffe", "\uffff", "\U0001f680", "ü", "\t\r\n", '"\\']
)
def test_any_text_goes_through_json_and_pickle(odd: str) -> None:
    app = nacp.App("a", services={"s": nacp.Service("i", env={"ODD": f"<{odd}>"}, command=[odd])})
    assert app.services["s"].env == {"ODD": f"<{odd}>"}
    assert nacp.App.parse(app.to_json()) == app
    assert not set(app.to_json()) & set("\x7f\x80\x85\x9f\u2028\ufeff\ufffe\uffff"), (
        "YAML would not take them as they are"
    )
    assert nacp.App.parse("\n" + app.to_json()) == app, "it is YAML too"
    assert pickle.loads(pickle.dumps(app)) == app


def test_a_file_may_have_any_name_and_line_ends(tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/na\xffcp.yaml"
    Path(os.fsdecode(file)).write_bytes(ASSISTANT.replace("\n", "\r\n").encode())
    assert nacp.App.from_file(os.fsdecode(file)) == built()
    Path(os.fsdecode(file)).write_text("name: [")
    with pytest.raises(nacp.InvalidArgument) as caught:
        nacp.App.from_file(Path(os.fsdecode(file)))
    assert caught.value.context["file"] == f"{tmp_path}/na\N{REPLACEMENT CHARACTER}cp.yaml"


def test_a_file_that_is_not_utf8_says_where(tmp_path: Path) -> None:
    file = tmp_path / "nacp.yaml"
    file.write_bytes("name: grüße\n".encode("latin-1"))
    with pytest.raises(nacp.InvalidArgument) as caught:
        nacp.App.from_file(file)
    assert str(caught.value) == f"the text is not UTF-8: file={file} byte=8; save it as UTF-8"


def test_a_mistake_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "nacp.yaml"
    file.write_text(ASSISTANT.replace("image: ollama", "imgae: ollama"))
    with pytest.raises(nacp.InvalidArgument) as caught:
        nacp.App.from_file(file)
    place = f"file={file} line=4 column=5 field=services.llm.imgae"
    assert str(caught.value) == f"unknown field: {place}; did you mean image?"
    with pytest.raises(FileNotFoundError):
        nacp.App.from_file(tmp_path / "absent.yaml")


def test_what_is_worth_a_second_look_is_told_by_its_field() -> None:
    assert built().warnings == ()
    app = nacp.App("a", services={"s": nacp.Service("i:latest", gpu=nacp.GpuNeed(memory="auto"))})
    assert [warning.field for warning in app.warnings] == ["services.s.image", "services.s.gpu.memory"]
    assert str(app.warnings[0]).startswith("services.s.image: ")


def test_the_schema_is_the_one_of_the_repository() -> None:
    kept = Path(__file__).parents[2] / "docs/schema/nacp.schema.json"
    assert nacp.app_schema() == json.loads(kept.read_text())


def test_builders_are_validated_by_the_core() -> None:
    with pytest.raises(nacp.InvalidArgument, match=r"an image is needed: .*field=services\.s\.image"):
        nacp.App("a", services={"s": nacp.Service("")})
    with pytest.raises(nacp.InvalidArgument, match="unknown unit of memory"):
        nacp.App("a", services={"s": nacp.Service("i", gpu=nacp.GpuNeed(memory="4 apples"))})
    with pytest.raises(nacp.InvalidArgument, match="a list of services"):
        nacp.App("a", services={"s": nacp.Service("i", depends_on="other")})


def test_placement_gives_gpus_by_id_with_a_reason(node: nacp.Node, app: nacp.App) -> None:
    placements = nacp.plan(app, node)
    assert [placement.replica for placement in placements] == [0, 1]
    assert {placement.gpus for placement in placements} == {(node.gpus[0].id,)}
    assert placements[0].reason == "best fit of the only GPU: 1 GiB needed, 3.50 GiB free"


def test_text_is_no_app(node: nacp.Node) -> None:
    with pytest.raises(TypeError, match=r"^an nacp\.App is needed, not str; App\.parse and App\.from_file read one$"):
        nacp.plan(ASSISTANT, node)  # type: ignore[arg-type]


def test_more_memory_than_any_gpu_has_says_what_would_help(node: nacp.Node) -> None:
    app = nacp.App("big", services={"llm": nacp.Service("i", gpu=nacp.GpuNeed(memory="80GiB"))})
    with pytest.raises(nacp.ResourceExhausted) as caught:
        nacp.plan(app, node)
    assert str(caught.value) == (
        'no GPU has room for a replica: app=big service=llm replica=0 memory="80 GiB" count=1 fitting=0 '
        "gpus=[GPU-3050a701: 3.50 GiB free of 4 GiB]; lower `gpu.memory` to at most 3.50 GiB, or free memory on a GPU"
    )
