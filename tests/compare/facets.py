"""What happened in a case, as a flat table of facets that can be compared one by one.

A facet is named `upstream/…` (what the upstream saw) or `client/…` (what the client got), with a
number where there was more than one: `client/2/status`. What differs from run to run and not
from proxy to proxy (a new request id, the time, the proxy's own port) is replaced by a word.
"""

import hashlib
import re

from tests.compare.case import Case
from tests.compare.client import Got, Told, drive
from tests.compare.recorder import Recorder, Seen, values

Facets = dict[str, str]

ABSENT = "(absent)"

# Told as facets of their own: how a body is framed and whether a connection lives on.
_FRAMING = {b"content-length", b"transfer-encoding"}
# Their place among the other fields says nothing.
_OF_THE_PROXY = re.compile(
    rb"(host|connection|keep-alive|content-.*|transfer-encoding|x-forwarded-.*|x-real-ip|upgrade"
    rb"|x-request-id|via|te|expect|server|date|x-frame-options|referrer-policy|x-content-.*"
    rb"|etag|last-modified|accept-ranges|location|cache-control|expires|set-cookie|link)",
    re.IGNORECASE,
)
_NEW_ID = re.compile(r"[A-Za-z0-9._-]{16,64}")
_DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20(?!24)\d\d \d\d:\d\d:\d\d GMT")


def facets_of(case: Case, port: int, recorder: Recorder) -> Facets:
    """Run one case through the proxy at `port`."""
    recorder.begin(case.script)
    told = drive(port, case)
    seen = recorder.finish()
    ports = {str(number): f"<{name}>" for name, number in recorder.ports.items()}
    ports[str(port)] = "<own port>"
    facets = _of_client(told) | _of_upstream(seen)
    return {name: _steady(value, ports) for name, value in facets.items()}


def _steady(value: str, ports: dict[str, str]) -> str:
    for number, word in ports.items():
        value = value.replace(f":{number}", f":{word}")
    return _DATE.sub("<now>", value)


def _of_upstream(seen: list[Seen]) -> Facets:
    facets = {"upstream/requests": str(len(seen))}
    for number, each in enumerate(seen, 1):
        place = f"upstream/{number}" if len(seen) > 1 else "upstream"
        facets |= {
            f"{place}/name": each.upstream,
            f"{place}/line": _text(each.line),
            f"{place}/framing": each.framing,
            f"{place}/body": _body(each.body),
            f"{place}/trailers": _text(each.trailers),
            f"{place}/whole": str(each.whole),
            f"{place}/tunnelled": _text(each.tunnelled),
        }
        facets |= _fields(place, each.fields)
    return facets


def _of_client(told: Told) -> Facets:
    facets = {
        "client/answers": str(len(told.answers)),
        "client/connection-after": told.after,
        "client/tunnelled": _text(told.tunnelled),
    }
    for number, each in enumerate(told.answers, 1):
        place = f"client/{number}" if len(told.answers) > 1 else "client"
        facets |= _of_answer(place, each)
    return facets


def _of_answer(place: str, got: Got) -> Facets:
    version, _, status = _text(got.line).partition(" ")
    code, _, reason = status.partition(" ")
    page = _page(got)
    facets = {
        f"{place}/version": version,
        f"{place}/status": code,
        f"{place}/reason": reason,
        f"{place}/interim": ", ".join(_text(line) for line in got.interim),
        f"{place}/framing": got.framing,
        f"{place}/body": page or _body(got.body),
        f"{place}/trailers": _text(got.trailers),
        f"{place}/whole": str(got.whole),
        **_fields(place, got.fields),
    }
    if page:
        # They belong to the page, whose words may change.
        facets.pop(f"{place}/declared", None)
        facets.pop(f"{place}/field/content-type", None)
    return facets


def _page(got: Got) -> str:
    """Name the page that a proxy made by itself; nothing when the upstream made it."""
    content_type = b"".join(values(got.fields, b"content-type"))
    if b"<hr><center>nginx/" in got.body:
        return "<page of nginx>"
    if content_type == b"application/problem+json" and b'"request_id"' in got.body:
        return "<problem document of the gateway>"
    if content_type.startswith(b"text/html") and b"<!doctype html" in got.body[:20].lower():
        return "<page of the gateway>"
    return ""


def _fields(place: str, fields: list[tuple[bytes, bytes]]) -> Facets:
    """One facet per name with all its values in order, and one for names, case and order."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(_text(name.lower()), []).append(_text(value))
    facets = {
        f"{place}/field/{name}": " | ".join(values)
        for name, values in found.items()
        if name.encode() not in _FRAMING
    }
    # A length without a body (HEAD, 304) is a field; with one it is the framing.
    facets |= {
        f"{place}/declared": " | ".join(found["content-length"])
        for _ in range("content-length" in found)
    }
    ids = found.get("x-request-id")
    if ids is not None and len(ids) == 1 and _NEW_ID.fullmatch(ids[0]) and "-the-" not in ids[0]:
        facets[f"{place}/field/x-request-id"] = "<new id>"
    passed = [_text(name) for name, _ in fields if not _OF_THE_PROXY.fullmatch(name)]
    facets[f"{place}/order"] = " ".join(passed)
    return facets


def _body(body: bytes) -> str:
    """The body when it is short, else its length and hash."""
    if len(body) <= 400:
        return _text(body)
    return f"{len(body)} bytes, SHA-256 {hashlib.sha256(body).hexdigest()[:16]}"


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").encode("unicode_escape").decode()
