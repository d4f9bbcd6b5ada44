"""What a client hears when the gateway refuses: for each fault its hint, fields and consequence.

It writes to the client's connection and decides nothing: the fault is named by whoever
noticed it.
"""

from typing import Final

from daarion_gw.errors import Fault
from daarion_gw.wire.answer import Framing
from daarion_gw.wire.request import RequestHead

from .conversation import Near
from .error_page import render, wants_html

ALLOW: Final = b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"

_HINTS: Final = {
    Fault.UPSTREAM_REFUSED: "Is the service running, and does it listen on this address?",
    Fault.UPSTREAM_UNRESOLVED: "Is the service's name spelt right, and is its container up?",
    Fault.UPSTREAM_BROKE: "The service's own log says why it ended the connection.",
    Fault.UPSTREAM_NONSENSE: "The service's answer breaks the rules of HTTP; see its own log.",
    Fault.UPSTREAM_CONNECT_TIMEOUT: "Is the address right, and does a firewall let it through?",
    Fault.UPSTREAM_TIMEOUT: "If the service needs this long, raise timeouts of this route.",
    Fault.UPSTREAM_DOWN: "Is the service running? The gateway's log and /status say what is known.",
    Fault.UPSTREAM_BUSY: "If the service can take more at once, raise limits of its upstream.",
    Fault.BREAKER_OPEN: "Most of it failed; the gateway's log and /status say since when.",
    Fault.BODY_TOO_LARGE: "If bodies of this size are meant, raise max_body of this route.",
    Fault.CERTIFICATE_REQUIRED: "It has to be of the authority in tls.client_certificates.",
    Fault.NOT_FOUND: "`daarion-gw routes` lists the routes there are.",
    Fault.LOOP: "The upstream of this route leads back to the gateway.",
    Fault.OVERLOADED: "Too few files (LimitNOFILE), too little time or memory: see the log.",
    Fault.INTERNAL: "A mistake in the gateway: its log has the traceback. Please report it.",
}
_OF_TLS: Final = (
    "tls: of the upstream names what is believed (ca, server_name, pin) and shown (cert, key)."
)
# Every 503 says it, so that clients do not all come back at once by themselves.
RETRY_AFTER: Final = b"Retry-After: 1\r\n"
_FIELDS: Final = {
    # These take a while, unlike what else is a 503.
    Fault.UPSTREAM_DOWN: b"Retry-After: 5\r\n",
    Fault.BREAKER_OPEN: b"Retry-After: 5\r\n",
    Fault.UPGRADE_REQUIRED: (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    ),
    Fault.METHOD_NOT_ALLOWED: ALLOW,
}
# Nobody knows where the next request begins, or the client must not go on like this.
CLOSING: Final = frozenset(
    {
        Fault.MALFORMED,
        Fault.AMBIGUOUS_PATH,
        Fault.HEAD_TOO_SLOW,
        Fault.BODY_TOO_LARGE,
        Fault.TARGET_TOO_LONG,
        Fault.FIELDS_TOO_LARGE,
        Fault.EXPECTATION_FAILED,
        Fault.METHOD_NOT_ALLOWED,
        Fault.CODING_NOT_IMPLEMENTED,
        Fault.VERSION_NOT_SUPPORTED,
        Fault.INTERNAL,
    }
)


def _hint(fault: Fault, detail: str) -> str | None:
    """What to look at; a connection that TLS ended is no matter of the service's own log."""
    if fault is Fault.UPSTREAM_BROKE and " certificate" in detail:
        return _OF_TLS
    return _HINTS.get(fault)


def send_refusal(
    near: Near,
    head: RequestHead,
    fault: Fault,
    own_lines: bytes,
    request_id: bytes,
    detail: str | None,
) -> int:
    """Head and body of a refusal in the form that the client asked for; the body's size.

    own_lines: the fields of every answer of ours. detail: None for who must not be told.
    """
    content_type, body = render(
        fault.status,
        fault.title,
        request_id.decode("ascii"),
        detail,
        _hint(fault, detail) if detail is not None else None,
        wants_html(head.value(b"accept")),
    )
    block = b"%bContent-Type: %b\r\nCache-Control: no-store\r\n%b" % (
        own_lines, content_type, _FIELDS.get(fault, RETRY_AFTER if fault.status == 503 else b""),
    )  # fmt: skip
    near.send_head(fault.status, fault.title.encode(), block, Framing.LENGTH, len(body))
    if head.method == b"HEAD":
        return 0
    near.send_body(body)
    return len(body)
