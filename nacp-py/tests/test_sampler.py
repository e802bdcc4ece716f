"""Samplers: the same numbers again and again."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

import pytest

import nacp

Script = Callable[..., "subprocess.CompletedProcess[str]"]

FORKED = """
import os, nacp
sampler = nacp.simulated_node().sampler("power")
child = os.fork()
if child == 0:
    try:
        sampler.read()
    except nacp.Unsupported:
        os._exit(0)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sampler.read())
"""


def test_a_sampler_gives_the_numbers_of_a_snapshot() -> None:
    node = nacp.simulated_node("h100x8")
    sampler = node.sampler("power,temperature,memory")
    assert sampler.columns == ["power", "temperature", "memory_used", "memory_free", "memory_reserved"]
    assert sampler.gpus == [gpu.id for gpu in node.gpus]
    expected = []
    for state in node.snapshot().gpus:
        sample = state.sample
        assert sample.power is not None and sample.temperature is not None and sample.memory is not None
        memory = (float(sample.memory.used), float(sample.memory.free), float(sample.memory.reserved))
        expected.append((sample.power / 1000, float(sample.temperature), *memory))
    assert sampler.read() == expected
    assert sampler.read() == expected, "the buffers are used again"
    first = sampler.read_dict()[node.gpus[0].id]
    assert list(first) == sampler.columns and tuple(first.values()) == expected[0]


def test_what_is_not_known_is_none_never_zero(node: nacp.Node) -> None:
    sampler = node.sampler(["power_limit", "power"])
    assert sampler.columns == ["power", "power_limit"], "the order is that of nacp.metrics()"
    assert sampler.read() == [(11.2, None)]
    assert repr(sampler) == "<Sampler of 1 GPU: power, power_limit>"


def test_every_number_has_its_column(node: nacp.Node) -> None:
    assert node.sampler().columns == [metric.name for metric in nacp.metrics()]


def test_a_reading_that_is_not_there_names_the_nearest(node: nacp.Node) -> None:
    with pytest.raises(nacp.InvalidArgument) as caught:
        node.sampler("temprature")
    assert str(caught.value) == 'no such reading of a GPU: name="temprature"; did you mean temperature?'
    with pytest.raises(nacp.InvalidArgument) as caught:
        node.sampler("recovery,sram")
    assert str(caught.value) == (
        'no number is in these readings: fields="sram,recovery"; '
        "nacp.metrics() names the numbers, and the field of each"
    )


def test_many_threads_share_one_sampler() -> None:
    sampler = nacp.simulated_node("h100x8").sampler("fast")
    expected, wrong = sampler.read(), []

    def work() -> None:
        for _ in range(500):
            if sampler.read() != expected:
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert wrong == []


def test_a_forked_child_gets_an_error_and_the_parent_goes_on(script: Script) -> None:
    done = script(FORKED)
    assert done.stdout == "0 [(11.2,)]\n", done
