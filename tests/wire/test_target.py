"""What a path means: RFC 3986's own examples, and what must stay as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daarion_gw.wire.target import folded, is_plain, normal, path_of, readings, without_dots


@pytest.mark.parametrize(
    ("path", "meaning"),
    [
        # RFC 3986 5.2.4.
        (b"/a/b/c/./../../g", b"/a/g"),
        # 5.4.1 and 5.4.2, merged with the base path /b/c/d;p.
        (b"/b/c/g", b"/b/c/g"),
        (b"/b/c/./g", b"/b/c/g"),
        (b"/b/c/g/", b"/b/c/g/"),
        (b"/b/c/.", b"/b/c/"),
        (b"/b/c/./", b"/b/c/"),
        (b"/b/c/..", b"/b/"),
        (b"/b/c/../", b"/b/"),
        (b"/b/c/../g", b"/b/g"),
        (b"/b/c/../..", b"/"),
        (b"/b/c/../../", b"/"),
        (b"/b/c/../../g", b"/g"),
        (b"/b/c/../../../g", b"/g"),
        (b"/b/c/../../../../g", b"/g"),
        (b"/./g", b"/g"),
        (b"/../g", b"/g"),
        (b"/b/c/g.", b"/b/c/g."),
        (b"/b/c/.g", b"/b/c/.g"),
        (b"/b/c/g..", b"/b/c/g.."),
        (b"/b/c/..g", b"/b/c/..g"),
        (b"/b/c/./../g", b"/b/g"),
        (b"/b/c/./g/.", b"/b/c/g/"),
        (b"/b/c/g/./h", b"/b/c/g/h"),
        (b"/b/c/g/../h", b"/b/c/h"),
        (b"/b/c/g;x=1/./y", b"/b/c/g;x=1/y"),
        (b"/b/c/g;x=1/../y", b"/b/c/y"),
        # 6.2.2.2: unreserved characters, in either case of the escape.
        (b"/%61%7E%2d%2D%5f%2e", b"/a~--_."),
        (b"/%2e%2E/a", b"/a"),
        (b"/api/%2e%2e/x", b"/x"),
        (b"/api/.%2e/x", b"/x"),
        # Everything else stays.
        (b"/a%2Fb", b"/a%2Fb"),
        (b"/a%2fb", b"/a%2fb"),
        (b"/%252e%252e/a", b"/%252e%252e/a"),
        (b"/a//b", b"/a//b"),
        (b"//a", b"//a"),
        (b"/a//../b", b"/a/b"),
        (b"/%zz%", b"/%zz%"),
        (b"/%5C..%5Ca", b"/%5C..%5Ca"),
        (b"/%E2%82%AC", b"/%E2%82%AC"),
        (b"/", b"/"),
        (b"/..", b"/"),
        (b"/.", b"/"),
    ],
)
def test_normal(path: bytes, meaning: bytes):
    assert normal(path) == meaning
    if path != meaning:
        assert not is_plain(path)


PATHS = st.lists(
    st.sampled_from([b"a", b".", b"..", b"", b"%2e", b"%2E.", b"%2F", b";x", b"%41", b"..;"]),
    max_size=8,
).map(lambda segments: b"/" + b"/".join(segments))


@given(PATHS)
def test_normal_is_at_rest(path: bytes):
    once = normal(path)
    assert normal(once) == once
    assert once.startswith(b"/")
    assert not {b".", b".."} & set(once.split(b"/"))


@given(PATHS)
def test_normal_agrees_with_the_algorithm_of_the_rfc(path: bytes):
    assert without_dots(path) == remove_dot_segments(path)


def remove_dot_segments(path: bytes) -> bytes:
    """RFC 3986 5.2.4, step by step, for absolute paths."""
    out = b""
    while path:
        if path.startswith(b"/./"):
            path = path[2:]
        elif path == b"/.":
            path = b"/"
        elif path.startswith(b"/../") or path == b"/..":
            path = b"/" + path[4:]
            out = out[: out.rfind(b"/")] if b"/" in out else b""
        else:
            end = path.find(b"/", 1)
            end = len(path) if end < 0 else end
            out, path = out + path[:end], path[end:]
    return out


@pytest.mark.parametrize(
    ("path", "worst"),
    [
        (b"/_synapse/admin", b"/_synapse/admin"),
        (b"//_synapse///admin", b"/_synapse/admin"),
        (b"/_synapse%2Fadmin", b"/_synapse/admin"),
        (b"/_synapse%252Fadmin", b"/_synapse/admin"),
        (b"/_synapse/x/../admin", b"/_synapse/admin"),
        (b"/_synapse/x%2F..%2Fadmin", b"/_synapse/admin"),
        (b"/_synapse/%61dmin", b"/_synapse/admin"),
        (b"/_synapse\\admin", b"/_synapse/admin"),
        (b"/_synapse%5Cx%5c..\\admin", b"/_synapse/admin"),
        (b"/_synapse/admin;v=1", b"/_synapse/admin"),
        (b"/_synapse;v=1/admin", b"/_synapse/admin"),
        (b"/_synapse/client/..;/admin", b"/_synapse/admin"),
        (b"/_synapse/client/%2e%2e%3b/admin", b"/_synapse/admin"),
        (b"/%2e%2e%2f_synapse/admin", b"/_synapse/admin"),
        (b"/", b"/"),
        (b"*", b"*"),
        (b"", b""),
    ],
)
def test_folded_is_the_worst_reading(path: bytes, worst: bytes):
    assert folded(path) == worst
    assert worst in readings(path)


@pytest.mark.parametrize(
    "path",
    [
        b"/_synapse//../admin",
        b"/_synapse/%2F..%2Fadmin",
        b"/_synapse\\\\..\\admin",
        b"/_synapse/x//../../admin",
        b"/_synapse//x/..//admin",
        b"/_synapse/;/../admin",
    ],
)
def test_readings_hold_what_slashes_hide(path: bytes):
    assert b"/_synapse/admin" in readings(path)


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"/a?b?c", b"/a"), (b"/a", b"/a"), (b"/?", b"/"), (b"*", b"*"), (b"/a%3Fb", b"/a%3Fb")],
)
def test_path_of_a_target(target: bytes, path: bytes):
    assert path_of(target) == path
