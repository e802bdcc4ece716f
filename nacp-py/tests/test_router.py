"""The router."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest

import nacp


def endpoints(count: int, app: str = "a", model: str | None = "tiny") -> list[nacp.Endpoint]:
    return [
        nacp.Endpoint(app=app, service="llm", replica=f"{app}.llm.{n}", address=f"127.0.0.1:{8000 + n}", model=model)
        for n in range(count)
    ]


def test_the_less_busy_of_two_is_chosen() -> None:
    router = nacp.Router()
    router.update(endpoints(2))
    with router.route("tiny") as first, router.route("a/llm") as second:
        assert first.endpoint.replica != second.endpoint.replica
        assert [load.in_flight for load in router.endpoints()] == [1, 1]
    assert [(load.in_flight, load.served) for load in router.endpoints()] == [(0, 1), (0, 1)]


def test_a_lease_ends_once_and_keeps_its_endpoint() -> None:
    router = nacp.Router()
    [only] = endpoints(1)
    router.update([only])
    lease = router.route("tiny")
    router.update([])
    assert lease.endpoint == only and not lease.over
    lease.end()
    lease.end()
    assert lease.endpoint == only and lease.over
    assert repr(lease) == "<Lease on a.llm.0, over>"


def test_a_lease_ends_when_its_block_fails_and_when_it_is_forgotten() -> None:
    router = nacp.Router()
    router.update(endpoints(1))
    with pytest.raises(ZeroDivisionError), router.route("tiny"):
        raise ZeroDivisionError
    lease = router.route("tiny")
    assert router.endpoints()[0].in_flight == 1
    del lease
    assert router.endpoints()[0].in_flight == 0


def test_a_name_that_is_not_there_names_the_nearest() -> None:
    router = nacp.Router()
    router.update(endpoints(1))
    assert router.names() == ["tiny"]
    with pytest.raises(LookupError) as caught:
        router.route("tinny")
    assert str(caught.value) == "no service answers to this model: model=tinny known=tiny; did you mean tiny?"


def test_a_name_of_two_apps_is_a_conflict() -> None:
    router = nacp.Router()
    router.update(endpoints(1, "a", None) + endpoints(1, "b", None))
    with pytest.raises(nacp.Conflict) as caught:
        router.route("llm")
    assert str(caught.value) == ("several apps have a service of this name: model=llm; ask for one of a/llm, b/llm")


def test_endpoints_are_values() -> None:
    one, same = endpoints(1)[0], endpoints(1)[0]
    assert one == same and hash(one) == hash(same) and one != endpoints(2)[1]
    assert repr(one) == "<Endpoint a/llm a.llm.0 at 127.0.0.1:8000 model=tiny>"
    assert (one.app, one.service, one.address, one.url) == ("a", "llm", "127.0.0.1:8000", "http://127.0.0.1:8000")
    with pytest.raises(AttributeError):
        one.app = "b"  # type: ignore[misc]
    with pytest.raises(nacp.InvalidArgument) as caught:
        nacp.Endpoint(app="a", service="s", replica="r", address="localhost")
    assert str(caught.value) == (
        'not an address: value="localhost"; write an IP address and a port, for example 127.0.0.1:8000'
    )


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_endpoints_and_their_load_go_through_pickle(protocol: int) -> None:
    router = nacp.Router()
    router.update((*endpoints(1), *endpoints(1, "b", None)))
    with router.route("tiny"):
        loads = router.endpoints()
    assert [(load.in_flight, load.served) for load in loads] == [(1, 1), (0, 0)]
    for value in (*loads, *(load.endpoint for load in loads)):
        again = pickle.loads(pickle.dumps(value, protocol))
        assert type(again) is type(value) and again == value == copy.copy(value) == copy.deepcopy(value)


def test_many_threads_route_while_the_table_changes() -> None:
    router = nacp.Router()
    router.update(endpoints(4))
    threads, rounds = 8, 500

    def work() -> None:
        for _ in range(rounds):
            with router.route("tiny"):
                pass

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for _ in range(50):
        router.update(endpoints(4))
    for worker in workers:
        worker.join(60)
    loads = router.endpoints()
    assert sum(load.served for load in loads) == threads * rounds
    assert all(load.in_flight == 0 for load in loads)
