"""The whole specification in Python, and compose files in and out."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import nacp

FULL = nacp.Service(
    "example/full:1",
    command=["--fast"],
    entrypoint=["run"],
    working_dir="/app",
    model="m",
    api="openai",
    env={"A": "$B"},
    secrets={"token": nacp.Secret(env="TOKEN"), "key": nacp.Secret(file="/srv/key")},
    gpu=nacp.GpuNeed(memory="auto", count=2, compute=">=8.0", cuda=">=12.4", topology="nvlink"),
    port=8000,
    publish=nacp.Publish(host="0.0.0.0"),
    ready=nacp.Probe(http="/health", within="10m", every="10s", timeout="3s", successes=2, failures=5),
    live=nacp.Probe(tcp=True),
    volumes={
        "a": "/a",
        "b": nacp.Mount("/b", host="/srv/b", read_only=True),
        "c": nacp.Mount("/c", external="other"),
        "d": nacp.Mount("/d", memory="64MiB"),
    },
    networks=["inner"],
    shm="1GiB",
    ulimits={"nofile": nacp.Ulimit(soft=10, hard=20), "memlock": -1},
    resources=nacp.Resources(cpus=1.5, memory="2GiB", pids=100),
    security=nacp.Security(user="1000", root="writable", capabilities=["CHOWN"], new_privileges=True),
    restart="on-failure",
    stop_grace="1m",
    stop_signal="SIGINT",
    strategy=nacp.Rolling(surge=1, unavailable=0),
    depends_on={"other": "started"},
    idle="5m",
    priority=3,
    determinism="strict",
    labels={"owner": "me"},
    platform="linux/amd64",
    pull="always",
)
OTHER = nacp.Service("example/other:1", ready=nacp.Probe(exec=["true"]), restart="never")

COMPOSE = """\
services:
  llm:
    image: vllm/vllm-openai:${TAG:-latest}
    env_file: llm.env
    volumes: ["./models:/models:ro"]
    gpus: [{ driver: nvidia, count: 1 }]
    tty: true
"""


def app() -> nacp.App:
    return nacp.App("full", services={"full": FULL, "other": OTHER})


def test_every_field_goes_to_the_core_and_comes_back() -> None:
    full = app().services["full"]
    assert full.gpu == FULL.gpu and full.ready == FULL.ready and full.live == FULL.live
    assert full.volumes == {**FULL.volumes, "d": nacp.Mount("/d", memory=64 << 20)}
    assert (full.secrets, full.ulimits, full.publish) == (FULL.secrets, FULL.ulimits, FULL.publish)
    assert full.resources == nacp.Resources(cpus=1.5, memory=2 << 30, pids=100)
    assert (full.security, full.strategy, full.depends_on) == (FULL.security, FULL.strategy, {"other": "started"})
    assert (full.networks, full.entrypoint, full.stop_grace, full.shm) == (("inner",), ("run",), "1m", 1 << 30)
    assert nacp.App("full", services=app().services) == app()
    assert pickle.loads(pickle.dumps(app())).services == app().services
    assert app().services["other"] == OTHER and isinstance(hash(OTHER), int)


def test_what_is_not_said_is_the_default() -> None:
    service = nacp.App("a", services={"s": nacp.Service("i")}).services["s"]
    assert service == nacp.Service("i") and service.security.root == "auto" and service.strategy == "rolling"


def test_an_app_is_written_as_people_write_it() -> None:
    text = app().to_yaml()
    assert "      memory: auto\n" in text and "    shm: 1GiB\n" in text
    assert nacp.App.parse(text) == app()


def test_an_app_goes_out_as_a_compose_file_and_comes_back() -> None:
    text, notes = app().to_compose()
    assert any(note.field == "services.full.live" and note.kind == "dropped" for note in notes)
    assert nacp.App.from_compose(text).app == app()


def test_a_compose_file_is_read_with_what_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAG", raising=False)
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    (tmp_path / ".env").write_text("TAG=v1\n")
    (tmp_path / "llm.env").write_text("LEVEL=debug\n")
    imported = nacp.App.from_compose(file, name="chat")
    llm = imported.app.services["llm"]
    assert (imported.app.name, llm.image, llm.env) == ("chat", "vllm/vllm-openai:v1", {"LEVEL": "debug"})
    assert llm.volumes == {"models": nacp.Mount("/models", host=f"{tmp_path}/models", read_only=True)}
    assert nacp.App.from_compose(str(file), name="chat").app == imported.app
    [tty] = [note for note in imported.notes if note.field == "services.llm.tty"]
    assert str(tty) == "line 7: services.llm.tty dropped: the program has no terminal"
    monkeypatch.setenv("TAG", "v2")
    assert nacp.App.from_compose(file, name="chat").app.services["llm"].image.endswith(":v2")
    assert nacp.App.from_compose(file, name="chat", env={}).app.services["llm"].image.endswith(":latest")


def test_a_text_needs_a_folder_only_for_paths_that_count_from_it() -> None:
    with pytest.raises(nacp.InvalidArgument, match=r"the folder of the file is not known: line=5 column=15"):
        nacp.App.from_compose(COMPOSE, name="chat")
    app = nacp.App.from_compose(COMPOSE, folder="/srv/chat", env={}).app
    assert app.name == "chat" and app.services["llm"].image == "vllm/vllm-openai:latest"
    loose = nacp.App.from_compose("services:\n  a:\n    image: x\n", name="a", as_docker=True).app
    assert loose.services["a"].security.new_privileges


def test_a_mistake_names_the_file_and_the_place(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.replace("image", "imgae"))
    with pytest.raises(nacp.InvalidArgument) as caught:
        nacp.App.from_compose(file)
    assert str(caught.value).startswith(f"unknown field: file={file} line=3 column=12 field=services.llm.imgae")
    with pytest.raises(FileNotFoundError):
        nacp.App.from_compose(tmp_path / "absent.yaml")
