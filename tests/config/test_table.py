"""The route table against a reference that looks at every route in turn."""

from hypothesis import example, given
from hypothesis import strategies as st

from daarion_gw.config.table import RouteTable, bare_host

SEGMENTS = st.sampled_from(["a", "b", "api", "ap", "apix", "%2F", "x.y"])
PATHS = st.builds(
    lambda segments, end: "/" + "/".join(segments) + (end if segments else ""),
    st.lists(SEGMENTS, max_size=4),
    st.sampled_from(["", "/"]),
)
HOSTS = st.sampled_from([None, "a.example", "b.example", "::1"])
ASKED = st.sampled_from(
    [None, b"a.example", b"A.Example:80", b"b.example.", b"c.example", b"[::1]", b"[::1]:8080"]
)
WRITTEN = {
    b"a.example": "a.example",
    b"A.Example:80": "a.example",
    b"b.example.": "b.example",
    b"[::1]": "::1",
    b"[::1]:8080": "::1",
}


def reference(routes, host, path):
    """Exact beats prefix, longest prefix wins, a host beats no host."""
    for scope in (WRITTEN.get(host), None):
        of_scope = [(at, what) for its, at, what in routes if its == scope]
        exact = [what for at, what in of_scope if at == path and not at.endswith("/")]
        below = [
            (len(at), what) for at, what in of_scope if at.endswith("/") and path.startswith(at)
        ]
        if exact:
            return exact[0]
        if below:
            return max(below)[1]
    return None


@given(
    st.lists(st.tuples(HOSTS, PATHS), unique=True, max_size=12),
    ASKED,
    PATHS,
)
@example([("::1", "/a/")], b"[::1]:8080", "/a/b")
@example([(None, "/"), (None, "/a"), (None, "/a/")], None, "/a")
def test_it_finds_what_looking_at_every_route_finds(keys, host, path):
    routes = [(of, at, number) for number, (of, at) in enumerate(keys)]
    found = RouteTable(routes).find(host, path.encode())
    assert found == reference(routes, host, path)


@given(st.lists(st.tuples(HOSTS, PATHS), unique=True, max_size=8), st.randoms(), ASKED, PATHS)
def test_the_order_of_routes_means_nothing(keys, dice, host, path):
    shuffled = list(keys)
    dice.shuffle(shuffled)
    first = RouteTable((of, at, (of, at)) for of, at in keys)
    other = RouteTable((of, at, (of, at)) for of, at in shuffled)
    assert first.find(host, path.encode()) == other.find(host, path.encode())


def test_a_host_without_a_fitting_path_falls_back_to_the_routes_of_all_hosts():
    table = RouteTable([("a.example", "/shop/", 1), (None, "/", 2)])
    assert table.find(b"a.example", b"/other") == 2


def test_a_host_field_as_the_table_compares_it():
    fields = [b"Example.COM", b"example.com:8080", b"example.com.", b"example.com.:80"]
    assert {bare_host(field) for field in fields} == {b"example.com"}
    assert bare_host(b"[2001:DB8::1]:443") == bare_host(b"[2001:db8::1]") == b"2001:db8::1"
