"""Whose fault it was, and the status that the client gets for it. Imports nothing.

The names are the table of SPEC.md section 5. A layer that notices a fault names it
once, here; nobody further up guesses a status again.
"""

from enum import Enum


class Fault(Enum):
    """One reason for which the gateway answers by itself: (status, title, whose fault)."""

    # The client's.
    MALFORMED = (400, "Bad Request", "client")
    AMBIGUOUS_PATH = (400, "Bad Request", "client")
    NOT_FOUND = (404, "Not Found", "client")
    METHOD_NOT_ALLOWED = (405, "Method Not Allowed", "client")
    HEAD_TOO_SLOW = (408, "Request Timeout", "client")
    BODY_TOO_SLOW = (408, "Request Timeout", "client")
    BODY_TOO_LARGE = (413, "Content Too Large", "client")
    TARGET_TOO_LONG = (414, "URI Too Long", "client")
    EXPECTATION_FAILED = (417, "Expectation Failed", "client")
    UPGRADE_REQUIRED = (426, "Upgrade Required", "client")
    CERTIFICATE_REQUIRED = (403, "Client Certificate Required", "client")
    ORIGIN_NOT_ALLOWED = (403, "Forbidden", "client")
    FIELDS_TOO_LARGE = (431, "Request Header Fields Too Large", "client")
    CODING_NOT_IMPLEMENTED = (501, "Not Implemented", "client")
    VERSION_NOT_SUPPORTED = (505, "HTTP Version Not Supported", "client")
    LOOP = (508, "Loop Detected", "client")
    # The upstream's.
    UPSTREAM_REFUSED = (502, "Bad Gateway", "upstream")
    UPSTREAM_UNRESOLVED = (502, "Bad Gateway", "upstream")
    UPSTREAM_BROKE = (502, "Bad Gateway", "upstream")
    UPSTREAM_NONSENSE = (502, "Bad Gateway", "upstream")
    UPSTREAM_CONNECT_TIMEOUT = (504, "Gateway Timeout", "upstream")
    UPSTREAM_TIMEOUT = (504, "Gateway Timeout", "upstream")
    UPSTREAM_DOWN = (503, "Service Unavailable", "upstream")
    BREAKER_OPEN = (503, "Service Unavailable", "upstream")
    # The gateway's own state.
    OVERLOADED = (503, "Service Unavailable", "gateway")
    UPSTREAM_BUSY = (503, "Service Unavailable", "gateway")
    INTERNAL = (500, "Internal Server Error", "gateway")

    def __init__(self, status: int, title: str, blame: str) -> None:
        self.status = status
        self.title = title
        self.blame = blame

    def __new__(cls, *values: object) -> "Fault":
        # Several faults share a status: the value must be unique, so it is the ordinal.
        member = object.__new__(cls)
        member._value_ = len(cls.__members__) + 1
        return member
