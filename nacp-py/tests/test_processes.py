"""Who is behind the processes on the GPUs."""

from __future__ import annotations

import dataclasses
import os
import sys

import pytest

import nacp


def test_a_process_has_its_command_and_its_user(node: nacp.Node) -> None:
    [mine] = node.processes()
    assert (mine.gpu, mine.process.pid) == (node.gpus[0].id, os.getpid())
    owner = mine.owner
    assert owner.pid == os.getpid()
    assert owner.command_line is not None and owner.command_line[0] == sys.orig_argv[0]
    assert owner.user is not None and owner.user.uid == os.geteuid()
    assert owner.started is not None and owner.started.at is not None
    assert owner.state in ("running", "sleeping")


def test_processes_show_themselves_as_a_table(node: nacp.Node) -> None:
    shown, html = repr(node.processes()), node.processes()._repr_html_()
    assert str(os.getpid()) in shown and "unknown (not available)" in shown
    assert html.count("<tr>") == 2 and "<script" not in html
    assert shown.startswith("simulated node rtx3050ti-laptop-wsl2, ") and "1 process on the GPUs\n" in shown
    assert 'white-space:pre-line">simulated node ' in html


def test_what_is_not_there_and_what_is_not_known_are_told_apart(node: nacp.Node) -> None:
    [mine] = node.processes()
    owner = dataclasses.replace(mine.owner, container=None, pod=None, unknown={"container": "no permission"})
    shown = nacp.Processes(processes=(dataclasses.replace(mine, owner=owner),), silent={"GPU-b": "not supported"})
    assert repr(shown).splitlines()[0] == "1 process on the GPUs, GPU-b tells none (not supported)"
    assert repr(shown).endswith("unknown (no permission)  none")


def test_the_engine_names_containers(plane: nacp.ControlPlane, node: nacp.Node) -> None:
    assert len(plane.processes()) == 1
    assert len(node.processes(engine="simulated")) == 1
    with pytest.raises(nacp.InvalidArgument, match="did you mean docker"):
        node.processes(engine="dokcer")
