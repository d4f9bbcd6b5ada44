"""What a sample of a request is, and the short words that samples are written with.

``accepted`` gives the messages that must come out as (method, target, body); ``refused``
the fault. A sample is bytes as a client would send them.
"""

from dataclasses import dataclass
from typing import Final

from daarion_gw.errors import Fault

Message = tuple[bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """One stream of bytes under ``rule``, and what must come of it."""

    rule: str
    name: str
    raw: bytes
    messages: tuple[Message, ...] = ()
    fault: Fault | None = None

    def __str__(self) -> str:
        return f"{self.rule}: {self.name}"


def accepted(rule: str, name: str, raw: bytes, *messages: Message) -> Sample:
    return Sample(rule, name, raw, messages or ((b"GET", b"/", b""),))


def refused(rule: str, name: str, raw: bytes, fault: Fault = Fault.MALFORMED) -> Sample:
    return Sample(rule, name, raw, (), fault)


def head(*lines: bytes) -> bytes:
    """The lines of a head, each ended by CRLF, and the blank line."""
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


GET: Final = b"GET / HTTP/1.1"
POST: Final = b"POST / HTTP/1.1"
HOST: Final = b"Host: a"
CHUNKED: Final = b"Transfer-Encoding: chunked"


def get(*fields: bytes) -> bytes:
    return head(GET, HOST, *fields)


def post(*fields: bytes) -> bytes:
    return head(POST, HOST, *fields)


def chunks(body: bytes) -> bytes:
    return post(CHUNKED) + body


def posted(body: bytes) -> Message:
    return (b"POST", b"/", body)
