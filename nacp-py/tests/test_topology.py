"""How GPUs reach each other."""

from __future__ import annotations

import sys

import pytest

import nacp


def test_the_matrix_has_a_row_and_a_column_for_each_gpu() -> None:
    node = nacp.simulated_node("h100x8")
    topology = node.topology()
    assert [place.gpu for place in topology.gpus] == [gpu.id for gpu in node.gpus]
    assert len(topology.links) == 28 and len(topology.matrix) == 8
    assert all(row.cells[at] == "X" and len(row.cells) == 8 for at, row in enumerate(topology.matrix))
    for a, row in enumerate(topology.matrix):
        for b, cell in enumerate(row.cells):
            link = topology.link(topology.gpus[a].gpu, topology.gpus[b].gpu)
            assert cell == (link.text if link else "X")
    lines = repr(topology).splitlines()
    assert lines[0].startswith("simulated node h100x8, ") and lines[0].endswith(": how the GPUs reach each other")
    assert lines[1].split()[:8] == [f"GPU{at}" for at in range(8)] and len(lines) == 10


def test_gpus_are_named_by_themselves_or_their_ids() -> None:
    node = nacp.simulated_node("h100x8")
    topology, (a, b, *_) = node.topology(), node.gpus
    assert topology.link(a, b) == topology.link(a.id, b.id) and topology.link(a, a) is None
    assert topology.nearest(a) == topology.nearest(a.id)
    assert topology.best_group(2, [a, b.id]) == [a.id, b.id]
    with pytest.raises(nacp.NotFound, match=f'b="GPU-dead" known={a.id},'):
        topology.link(a, "GPU-dead")
    with pytest.raises(nacp.InvalidArgument, match=r"use node.gpus\[1\].id"):
        topology.link(a, 1)  # type: ignore[arg-type]


def test_a_notebook_shows_the_matrix() -> None:
    html = nacp.simulated_node("h100x8").topology()._repr_html_()
    assert (
        html.count("<tr>") == 9
        and "GPU7" in html
        and "CPU Affinity" in html
        and 'pre-line">simulated node h100x8' in html
    )


def test_the_best_group_is_chosen_among_those_that_are_given() -> None:
    node = nacp.simulated_node("h100x8")
    topology, ids = node.topology(), [gpu.id for gpu in node.gpus]
    assert topology.best_group(3, among=ids[5:2:-1]) == ids[3:6]
    assert set(topology.nearest(ids[0])) == set(ids[1:])
    with pytest.raises(nacp.ResourceExhausted):
        topology.best_group(9)
    with pytest.raises(nacp.NotFound):
        topology.nearest("GPU-00000000-0000-4000-8000-00000000dead")
    with pytest.raises(nacp.InvalidArgument, match="parameter=count"):
        topology.best_group(-1)


def test_a_graph_needs_networkx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="needs networkx: pip install networkx"):
        nacp.simulated_node().topology().to_networkx()


def test_a_graph_has_the_links_with_their_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Graph:
        def __init__(self) -> None:
            self.nodes: dict[str, object] = {}
            self.edges: dict[tuple[str, str], dict[str, object]] = {}

        def add_node(self, name: str, **attributes: object) -> None:
            self.nodes[name] = attributes

        def add_edge(self, a: str, b: str, **attributes: object) -> None:
            self.edges[a, b] = attributes

    monkeypatch.setitem(sys.modules, "networkx", type("networkx", (), {"Graph": Graph}))
    topology = nacp.simulated_node("h100x8").topology()
    graph = topology.to_networkx()
    assert len(graph.nodes) == 8 and len(graph.edges) == 28
    assert graph.edges[topology.links[0].a, topology.links[0].b]["text"] == topology.links[0].text
