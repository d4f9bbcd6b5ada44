"""Numbers of several processes travel as JSON and add up; what is open ends with its process."""

import json

from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.observe.counters import BOUNDS, Counters, FrontCounters
from daarion_gw.observe.sums import add, taken

numbers = st.integers(0, 1000)


@st.composite
def some_counters(draw) -> Counters:
    counters = Counters()
    front = counters.front
    front.connections_accepted, front.connections_open = draw(numbers), draw(numbers)
    for status in draw(st.lists(st.sampled_from([400, 404, 431]))):
        front.refuse(status)
    for key in draw(st.lists(st.sampled_from(["/a/", "/b/", "ж"]), unique=True)):
        route = counters.route(key, "u")
        for name in ("requests", "in_flight", "bytes_received", "bytes_sent",
                     "websockets_opened", "websockets_open"):  # fmt: skip
            setattr(route, name, draw(numbers))
        for seconds in draw(st.lists(st.sampled_from([0.25, 0.5, 64.0]))):
            route.took(seconds)
        route.answers[draw(st.integers(0, 5))] = draw(numbers)
        for fault in draw(st.lists(st.sampled_from(["LOOP", "NOT_FOUND"]))):
            route.failed(fault)
    for label in draw(st.lists(st.sampled_from(["h:1", "unix:/x"]), unique=True)):
        server = counters.server("u", label)
        for name in server.__slots__:
            if name not in ("upstream", "server", "answers"):
                setattr(server, name, draw(numbers))
        server.answers[draw(st.integers(0, 5))] = draw(numbers)
    for name in draw(st.lists(st.sampled_from(["u", "ж"]), unique=True)):
        upstream = counters.upstream(name)
        upstream.waiting, upstream.busy = draw(numbers), draw(numbers)
        upstream.breaker_open = draw(numbers)
    return counters


def shown(counters: Counters) -> dict:
    """Everything that a register knows, without what is zero."""

    def values(thing: object, *left_out: str) -> dict:
        names = [name for name in thing.__slots__ if name not in left_out]
        return {name: value for name in names if (value := getattr(thing, name))}

    routes = {
        (each.route, each.upstream): found
        for each in counters.routes()
        if (found := values(each, "route", "upstream"))
        and any(value not in ([0] * 6, [0] * (len(BOUNDS) + 1)) for value in found.values())
    }
    servers = {
        (each.upstream, each.server): found
        for each in counters.servers()
        if (found := values(each, "upstream", "server"))
        and any(value != [0] * 6 for value in found.values())
    }
    upstreams = {
        each.upstream: found for each in counters.upstreams() if (found := values(each, "upstream"))
    }
    front = values(counters.front)
    return {"front": front, "routes": routes, "servers": servers, "upstreams": upstreams}


def sent(counters: Counters) -> dict:
    return json.loads(json.dumps(taken(counters)))


@given(some_counters())
def test_one_alone_is_its_own_sum(counters):
    total = Counters()
    add(total, sent(counters))
    assert shown(total) == shown(counters)


@given(some_counters(), some_counters())
def test_the_order_does_not_matter_and_each_is_added_once(one, other):
    total, reverse = Counters(), Counters()
    for counters in (one, other):
        add(total, sent(counters))
    for counters in (other, one):
        add(reverse, sent(counters))
    assert shown(total) == shown(reverse)
    assert total.front.connections_accepted == sum(
        each.front.connections_accepted for each in (one, other)
    )
    for route in total.routes():
        parts = [each.route(route.route, "u") for each in (one, other)]
        assert route.requests == sum(part.requests for part in parts)
        assert sum(route.buckets) == sum(sum(part.buckets) for part in parts)
        assert route.seconds_sum == sum(part.seconds_sum for part in parts)


@given(some_counters())
def test_of_one_that_is_gone_nothing_is_open(counters):
    total = Counters()
    add(total, sent(counters), is_gone=True)
    assert total.front.connections_open == 0
    assert total.front.connections_accepted == counters.front.connections_accepted
    assert all(each.in_flight == each.websockets_open == 0 for each in total.routes())
    assert all(each.in_flight == each.connections_open == 0 for each in total.servers())
    assert all(each.out == each.members == 0 for each in total.servers())
    assert all(each.breaker_open == each.waiting == 0 for each in total.upstreams())


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=6))
def test_the_level_of_all_is_that_of_the_worst_that_is_there(workers):
    total = Counters()
    for level, is_gone in workers:
        counters = Counters()
        counters.front.overload_level = level
        add(total, sent(counters), is_gone)
    there = [level for level, is_gone in workers if not is_gone]
    assert total.front.overload_level == max(there, default=0)


def test_every_number_has_its_place_in_the_sums():
    """Whoever adds a counter and forgets it here sees it stay at zero."""
    counters = Counters()
    server, upstream = counters.server("u", "h:1"), counters.upstream("u")
    sets = counters.front, counters.route("/x/", "u"), server, upstream
    for each in sets:
        for name in type(each).__slots__:
            if isinstance(getattr(each, name), int | float):
                setattr(each, name, 7)
    total = Counters()
    add(total, sent(counters))
    assert shown(total) == shown(counters)


def test_a_register_that_is_cleared_starts_at_zero():
    counters = Counters(FrontCounters())
    counters.front.refuse(400)
    counters.route("/x/", "u").requests = 1
    counters.server("u", "h:1").requests = 1
    counters.upstream("u").breaker_open = 1
    counters.worker_ends = 3
    counters.clear()
    assert shown(counters) == {"front": {}, "routes": {}, "servers": {}, "upstreams": {}}
    assert counters.worker_ends == 3
