"""Where we run, what is wrong, which runtime to be on, and what is pinned."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import nacp
from nacp import _decision

Lost = Callable[[Any, Any], list[str]]

FIXTURES = Path(__file__).resolve().parents[2] / "nacp-core" / "tests" / "fixtures"
MACHINES = sorted(folder.name for folder in (FIXTURES / "hosts").iterdir())
LAPTOP = FIXTURES / "hosts" / "wsl2-docker"


def machine(name: str) -> nacp.Survey:
    return nacp.survey(root=FIXTURES / "hosts" / name)


@pytest.mark.parametrize("name", MACHINES)
def test_nothing_that_the_core_tells_of_a_machine_is_lost(lost: Lost, name: str) -> None:
    survey = machine(name)
    diagnosis = nacp.doctor(survey)
    assert len(diagnosis.examined) == 49 and diagnosis.survey is survey
    assert lost(nacp.Diagnosis, json.loads(diagnosis.to_json())) == []
    decision = json.loads(nacp.evaluate(survey).to_json())
    assert unnamed(_decision.Decision, decision) <= {"profile"}
    for option in decision["options"]:
        assert unnamed(nacp.OptionScore, option) == set()
    for cell in decision["cells"]:
        assert unnamed(nacp.Cell, cell) == {"value"}
        if cell["value"]["kind"] == "measured":
            assert unnamed(_decision.Measured, cell["value"]) <= {"kind", "from"}
            assert all(unnamed(_decision.Figure, figure) == set() for figure in cell["value"]["figures"])
    if recommendation := decision.get("recommendation"):
        assert unnamed(nacp.Recommendation, recommendation) == set()
        assert all(unnamed(_decision.Flip, flip) == {"from"} for flip in recommendation["flips"])


def unnamed(kind: type, data: dict[str, Any]) -> set[str]:
    """What of the core's JSON has no attribute in a class."""
    return set(data) - {field.name for field in fields(kind)}


def test_this_machine_is_told_with_its_daemons_and_its_standing() -> None:
    host = nacp.detect()
    assert host.os == "linux" and host.standing.why
    assert nacp.detect(daemons=False).daemons == ()
    for daemon in host.daemons:
        assert (daemon.answer is None) == (daemon.problem is not None)


def test_a_machine_in_a_folder_is_told_apart_from_this_one() -> None:
    laptop = nacp.detect(root=LAPTOP)
    assert laptop.standing.process == "b_process" and laptop.standing.containers == "b_container"
    assert laptop.daemons[0].answer is not None and laptop.daemons[0].place == "this_kernel"
    with pytest.raises(nacp.NotFound, match="no such folder"):
        nacp.detect(root="/no/such/folder")


def test_what_is_broken_is_found_with_its_remedy_and_can_be_raised() -> None:
    diagnosis = broken()
    [finding] = diagnosis.findings
    assert finding.id == "D37" and finding.severity == "broken" and finding.evidence
    assert finding.remedy.summary and all(command.line for command in finding.remedy.commands)
    assert diagnosis.of("D37") is finding and diagnosis.of("D01") is None
    with pytest.raises(nacp.NotFound, match="D99"):
        diagnosis.of("D99")
    with pytest.raises(nacp.NacpError, match="finding=D37"):
        diagnosis.raise_for_broken()
    assert "D37" in repr(diagnosis) and "D37" in diagnosis.markdown() and diagnosis._repr_html_().startswith("<iframe")
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(diagnosis)


def broken() -> nacp.Diagnosis:
    """A server of which one GPU has fallen off the bus."""
    survey = json.loads(machine("bare-metal-docker").to_json())
    survey["nvml"]["gpus"][0]["lost"] = True
    return nacp.doctor(nacp.Survey.from_json(json.dumps(survey)))


def test_a_healthy_machine_has_nothing_to_raise() -> None:
    nacp.doctor(machine("bare-metal-docker")).raise_for_broken()


def test_a_kept_diagnosis_is_the_same_and_says_that_it_has_no_survey() -> None:
    diagnosis = broken()
    kept = nacp.Diagnosis.from_json(diagnosis.to_json())
    assert kept == diagnosis and repr(kept) == repr(diagnosis)
    with pytest.raises(nacp.NotFound, match="without its survey"):
        kept.explain("CUDA error 803")
    with pytest.raises(nacp.InvalidArgument, match="not the diagnosis of a machine"):
        nacp.Diagnosis.from_json("{}")


def test_an_error_is_explained_for_the_machine_on_which_it_happened() -> None:
    text = 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].'
    first = nacp.doctor(machine("bare-metal-docker")).explain(text).matches[0]
    assert first.id == "D01" and first.quote.startswith("could not select device driver")
    explained = nacp.explain(text, of=machine("wsl2-docker"))
    assert all("D01" in form for form in (repr(explained), explained.markdown, explained.html))
    assert nacp.explain("D08", of=machine("bare-metal-docker")).matches[0].id == "D08"
    nothing = nacp.explain("the cat sat on the mat", of=machine("bare-metal-docker"))
    assert nothing.matches == () and nothing.advice
    [number] = nacp.explain("CUDA error 700", of=machine("bare-metal-docker")).numbers
    assert (number.family, number.code) == ("cuda", 700)


def test_what_kubernetes_said_of_a_pod_can_be_given() -> None:
    said = 'failed to get sandbox runtime: no runtime for "nvidia" is configured'
    node = nacp.survey(root=FIXTURES / "hosts" / "kubernetes-node", messages=said)
    assert [finding.id for finding in nacp.doctor(node).findings] == ["D34"]


def test_a_survey_can_be_kept_and_judged_later(tmp_path: Path) -> None:
    survey = machine("bare-metal-docker")
    survey.write(tmp_path / "survey.json")
    kept = nacp.Survey.read(tmp_path / "survey.json")
    assert nacp.doctor(kept) == nacp.doctor(survey) and kept == survey
    assert "bare metal" in repr(kept)
    with pytest.raises(nacp.InvalidArgument, match="not the survey of a machine"):
        nacp.Survey.from_json("[]")


def test_a_simulated_node_says_so_everywhere() -> None:
    survey = nacp.survey(simulated="h100x8", containers=False, commands=False)
    assert survey.simulated and "SIMULATED" in repr(survey)
    assert nacp.doctor(survey).simulated
    decision = nacp.evaluate(simulated="h100x8", isolate=False)
    assert decision.simulated and any(row["simulated"] for row in decision.rows())


def test_the_decision_of_the_document_comes_out_on_its_laptop() -> None:
    decision = nacp.evaluate(machine("wsl2-docker"))
    assert decision.recommendation is not None
    assert decision.recommendation.option == "b_container" and decision.recommendation.reasons
    cell = decision.cell("a_process", "parity")
    assert cell.kind == "rated" and cell.rated is not None and cell.rated.reason
    assert len(decision.rows()) == 49 == len(decision.cells)
    assert "b_container" in decision.to_json() and "B: WSL2 container" in repr(decision)
    assert "<svg" in decision.html() and decision.markdown() and decision._repr_html_().startswith("<iframe")
    with pytest.raises(nacp.NotFound, match="options=a_process"):
        decision.cell("c_process", "parity")  # type: ignore[arg-type]


def test_weights_count_and_wrong_ones_are_refused() -> None:
    survey = machine("wsl2-docker")
    decision = nacp.evaluate(survey, weights={"parity": 3})
    assert decision.weights["parity"] == 3 and decision.weights["throughput"] == 1
    with pytest.raises(nacp.InvalidArgument, match="throughput"):
        nacp.evaluate(survey, weights={"troughput": 1})
    with pytest.raises(nacp.InvalidArgument):
        nacp.evaluate(survey, weights={"parity": float("inf")})
    earlier = nacp.evaluate(survey)
    assert decision.compare(earlier).changes == ()
    kept = nacp.Decision.from_json(decision.to_json())
    assert kept == decision


def test_a_lock_is_written_read_and_verified(tmp_path: Path) -> None:
    app = nacp.App("a", services={"llm": nacp.Service("example/llm@sha256:" + "a" * 64, model="tiny")})
    lock = nacp.lock(app, of=machine("wsl2-docker"), images=False)
    path = tmp_path / "nacp.lock"
    assert lock.write(path) is True and lock.write(path) is False
    there = nacp.Lock.read(path)
    assert there == lock and nacp.Lock(repr(lock)) == lock and pickle.loads(pickle.dumps(lock)) == lock
    assert there.verify(lock).holds() and there.diff(lock) == ""
    there.raise_for_drift(lock)
    missing = lock.completeness()
    assert 0 < missing.fraction <= 1 and missing.pinned + len(missing.missing) == missing.total


def test_each_drift_says_what_it_can_do() -> None:
    locked, now = (nacp.lock(of=machine(name), images=False) for name in ("wsl2-docker", "bare-metal-docker"))
    verification = locked.verify(now)
    assert verification.worst == "results" and not verification.holds("performance") and verification.holds("results")
    assert all(drift.why for drift in verification.drifts)
    assert any(drift.item.startswith("driver") for drift in verification.drifts)
    assert verification.drifts[0].item in repr(verification) and locked.diff(now)
    with pytest.raises(nacp.Conflict, match="locked="):
        locked.raise_for_drift(now)
    with pytest.raises(nacp.InvalidArgument, match="line"):
        nacp.Lock("format: 1\nsystem: [")
