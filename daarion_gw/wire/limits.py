"""The sizes that a message may have (HTTP-RULES.md)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All in bytes, but for ``fields``, which is a number of lines."""

    request_line: int = 16 * 1024
    head: int = 64 * 1024
    fields: int = 200
    chunk_extension: int = 256
    read_ahead: int = 64 * 1024


DEFAULT = Limits()
