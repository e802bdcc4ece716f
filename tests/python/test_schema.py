"""The schema of nacp.yaml, judged by a validator that is not NACP's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/schema/nacp.schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
EXAMPLES = [*sorted((ROOT / "examples").rglob("*.yaml"))]
PAGE = (ROOT / "docs/services.md").read_text()

FORMS = """\
name: forms
services:
  a:
    image: registry.example.com:5000/team/image:1.2@sha256:{digest}
    command: [serve, 80, true]
    env: {{ LEVEL: debug, PORT: 80, ON: true }}
    secrets: {{ token: {{ file: ./token }}, other: {{ env: OTHER }} }}
    gpu: {{ memory: 3.3 GiB, count: 2, compute: ">=8.0 <10.0", cuda: ">=12.4", topology: numa }}
    port: 80
    publish: {{ host: "::1" }}
    ready: {{ exec: [test, -f, /ready], within: 1h 30m, every: 500ms }}
    live: {{ http: "/healthz?deep=1", timeout: PT2S, failures: 5 }}
    volumes:
      short: /data
      kept: {{ path: /kept, external: kept_1 }}
      here: {{ path: /here, host: /srv/here, read_only: true }}
      fast: {{ path: /fast, memory: 64MB }}
    networks: [front, back]
    ulimits: {{ memlock: -1, nofile: {{ soft: 1024, hard: 4096 }} }}
    resources: {{ cpus: 1.5, memory: 6291456, pids: 100 }}
    security: {{ user: "1000:video", root: writable, capabilities: [CHOWN], new_privileges: true, host_ipc: true }}
    restart: on-failure
    stop_grace: 1m
    stop_signal: SIGINT
    replicas: 0
    strategy: {{ rolling: {{ surge: 1, unavailable: 0 }} }}
    depends_on: {{ b: started }}
    idle: 10m
    priority: -5
    determinism: strict
    labels: {{ com.example.team: search }}
    platform: linux/arm64/v8
    pull: never
  b: {{ image: localhost/i, gpu: {{ memory: auto, mig: 1g.10gb+me }}, strategy: blue_green, shm: 2GiB }}
  c: {{ image: i, depends_on: [b], ready: {{ log: listening on }}, gpu: {{ memory: 1073741824 }} }}
""".format(digest="0" * 64)


def refused(text: str) -> bool:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return True
    return not VALIDATOR.is_valid(document)


def bad() -> list[tuple[str, str]]:
    content = (ROOT / "nacp-core/tests/fixtures/service/bad.txt").read_text()
    cases = [case.split("\n", 1) for case in content.split("\n=== ")[1:]]
    return [(name, rest.split("--> ")[0]) for name, rest in cases]


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] and SCHEMA["title"] == "nacp.yaml"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_each_example_is_valid(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text()))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


def test_every_form_is_valid() -> None:
    VALIDATOR.validate(yaml.safe_load(FORMS))


def test_what_the_parser_takes_in_all_forms_is_read_by_it_too() -> None:
    nacp = pytest.importorskip("nacp")
    app = nacp.App.parse(FORMS)
    VALIDATOR.validate(app.to_dict())
    VALIDATOR.validate(yaml.safe_load(app.to_yaml()))


def test_the_files_in_the_book_are_valid() -> None:
    files = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    whole = [file for file in files if re.search(r"^services:", file, re.MULTILINE)]
    assert whole
    for file in whole:
        VALIDATOR.validate(yaml.safe_load(file))


def test_most_mistakes_are_seen_without_nacp() -> None:
    cases = bad()
    assert len(cases) >= 130
    seen = [name for name, text in cases if refused(text)]
    unseen = [name for name, text in cases if not refused(text)]
    assert len(seen) >= 100, unseen
    for needed in ("a circle of services", "two mounts at one path", "a published port without a port"):
        assert needed in unseen, "the schema cannot tell what one field asks of another"
