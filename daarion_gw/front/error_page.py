"""What a client reads when the gateway answers by itself: problem details or a small page.

Pure text: it knows neither requests nor faults, decides no status, and must be given
only what this client may see (`detail` and `hint` are for trusted addresses).
"""

import json
import re
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

JSON_TYPE = b"application/problem+json"
HTML_TYPE = b"text/html; charset=utf-8"

# A browser's Accept has some 150 bytes; one much longer is not worth our time.
LONGEST_ACCEPT = 1024

_PAGE = Template(files("daarion_gw.front").joinpath("assets", "error.html").read_text("utf-8"))

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED})+')
_RANGE = re.compile(
    rf"[ \t]*({_TOKEN}/{_TOKEN})((?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|{_QUOTED}))*)[ \t]*"
)
_PARAMETER = re.compile(rf";[ \t]*({_TOKEN})=({_TOKEN}|{_QUOTED})")
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def render(
    fault_status: int,
    title: str,
    request_id: str,
    detail: str | None,
    hint: str | None,
    wants_html: bool,
) -> tuple[bytes, bytes]:
    """The content type and the body of an error answer.

    JSON is RFC 9457's problem details with two extension members, `request_id` and
    `hint`; members without a value are left out. HTML is one self-contained page.
    """
    if wants_html:
        return HTML_TYPE, _html(fault_status, title, request_id, detail, hint)
    members = {
        "type": "about:blank",
        "title": title,
        "status": fault_status,
        "detail": detail,
        "hint": hint,
        "request_id": request_id,
    }
    present = {name: value for name, value in members.items() if value not in (None, "")}
    # Escaped to ASCII: the body is the same text in whatever charset it is read.
    return JSON_TYPE, json.dumps(present).encode("ascii") + b"\n"


def _html(status: int, title: str, request_id: str, detail: str | None, hint: str | None) -> bytes:
    page = _PAGE.substitute(
        status=status,
        title=escape(title),
        detail=_paragraph("detail", detail),
        hint=_paragraph("hint", hint),
        # Only a fault on our side or behind us may go away by itself.
        again='<p><a href="">Try again</a></p>' if status >= 500 else "",
        request=f"<p>Request <code>{escape(request_id)}</code></p>" if request_id else "",
    )
    # A lone surrogate has no UTF-8 form and must not break the page.
    return page.encode("utf-8", "replace")


def _paragraph(name: str, text: str | None) -> str:
    return f'<p class="{name}">{escape(text)}</p>' if text else ""


def wants_html(accept: bytes | None) -> bool:
    """True when Accept prefers text/html over JSON; JSON is the default (RFC 9110 12.5.1)."""
    html, problem = preferences(accept)
    return html > problem


def preferences(accept: bytes | None) -> tuple[int, int]:
    """How much the client wants (text/html, JSON), each 0 to 1000; (0, 0) if it does not say.

    The most specific range that names a type decides on it. An element that is not well
    formed is passed over; a header longer than LONGEST_ACCEPT counts as missing.
    """
    if not accept or len(accept) > LONGEST_ACCEPT:
        return 0, 0
    ranges: dict[str, int] = {}
    for element in _ELEMENT.finditer(accept.decode("latin-1")):
        found = _RANGE.fullmatch(element[0])
        quality = None if found is None else _quality(found[2])
        if found is not None and quality is not None:
            name = found[1].lower()
            ranges[name] = max(quality, ranges.get(name, 0))
    html = _best(ranges, "text/html", "text/*")
    plain = _best(ranges, "application/json", "application/*")
    return html, max(plain, _best(ranges, "application/problem+json", "application/*"))


def _best(ranges: dict[str, int], exact: str, family: str) -> int:
    for name in (exact, family, "*/*"):
        if name in ranges:
            return ranges[name]
    return 0


def _quality(parameters: str) -> int | None:
    """The weight in thousandths: 1000 where none is given, None where it is nonsense."""
    for name, value in _PARAMETER.findall(parameters):
        if name.lower() == "q":
            return round(float(value) * 1000) if _WEIGHT.fullmatch(value) else None
    return 1000


def refuse_method(request: Any, detail: str) -> bytes:
    """The 405 of a resource of our own that takes GET and HEAD: its head is set, its body given."""
    accept = request.getHeader(b"accept")
    known_id = request.responseHeaders.getRawHeaders("x-request-id") or [""]
    content_type, body = render(
        405,
        "Method Not Allowed",
        known_id[0],
        detail,
        None,
        wants_html(accept),
    )
    request.setResponseCode(405)
    request.setHeader("allow", "GET, HEAD")
    request.setHeader(b"content-type", content_type)
    return body
