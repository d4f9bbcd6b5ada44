"""Bytes from one socket to another inside the kernel: they never come up into Python.

splice(2) moves pages, through a pipe, because one of its two ends must be one. What passes
cannot be looked at, so only what needs no look may: a body of known length, without TLS.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from typing import Any, Final

from twisted.internet import main

from .transport import SendsAtOnce

# The more at a time, the fewer calls. What stands in a pipe is memory all the same: a sink
# that takes everything is given more each time, and one that does not begins anew.
PIPE_SIZE: Final = 1024 * 1024
FIRST_PIECE: Final = 128 * 1024
# The kernel gives a user with many large pipes tiny ones: then Python is faster.
_SMALLEST_PIPE: Final = 64 * 1024
_KEPT_PIPES: Final = 32
_FLAGS: Final = getattr(os, "SPLICE_F_MOVE", 0) | getattr(os, "SPLICE_F_NONBLOCK", 0)

_pipes: list[tuple[int, int]] = []


def can_splice(source: Any, sink: Any) -> bool:
    """Whether both are sockets of ours, and all that was written to ``sink`` is on its way.

    Their own types are asked: what is wrapped around a transport, as TLS is, passes questions on.
    """
    if not (hasattr(os, "splice") and isinstance(source, SendsAtOnce)):
        return False
    own: Any = sink
    return isinstance(sink, SendsAtOnce) and bool(
        own.connected and not (own.dataBuffer or own._tempDataLen or own.in_pipe)
    )


def _new_pipe() -> tuple[int, int]:
    pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    # More than the user's share: then it keeps the size that it has.
    with contextlib.suppress(PermissionError):
        fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    if fcntl.fcntl(pipe[1], fcntl.F_GETPIPE_SZ) < _SMALLEST_PIPE:
        for end in pipe:
            os.close(end)
        raise OSError(errno.ENOBUFS, "no large pipe is left")
    return pipe


class Splice:
    """``left`` bytes on their way from ``source`` to ``sink``.

    passed: called with the number of bytes that ``sink`` took; with the last ones both
    transports are their own again. The producer of ``sink`` hears when it is full, as with
    every write. OSError when no file or no memory is left for a pipe.
    """

    __slots__ = ("_held", "_in", "_left", "_out", "_passed", "_piece", "_sink", "_source")

    def __init__(self, source: Any, sink: Any, left: int, passed: Callable[[int], None]) -> None:
        self._out, self._in = _pipes.pop() if _pipes else _new_pipe()
        self._source: Any = source
        self._sink: Any = sink
        self._left = left
        self._held = 0
        self._piece = FIRST_PIECE
        self._passed = passed
        source.doRead = self._read
        sink.doWrite = self._write

    def stop(self) -> int:
        """Give both transports back; the number of bytes that are lost in between."""
        source, self._source = self._source, None
        if source is None:
            return 0
        sink, self._sink = self._sink, None
        # An aborted transport has put something else there.
        if source.__dict__.get("doRead") == self._read:
            del source.doRead
        if sink.__dict__.get("doWrite") == self._write:
            del sink.doWrite
        sink.in_pipe = 0
        if self._held or len(_pipes) >= _KEPT_PIPES:
            os.close(self._out)
            os.close(self._in)
        else:
            _pipes.append((self._out, self._in))
        if self._held and sink.connected:
            sink.stopWriting()
        return self._held

    def _read(self) -> Any:
        """The source is readable. The pipe is empty: else nobody would read."""
        wanted = min(self._left, self._piece)
        try:
            came = os.splice(self._source.fileno(), self._in, wanted, flags=_FLAGS)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not came:
            return main.CONNECTION_DONE
        self._left -= came
        self._held = came
        try:
            sent = self._send()
        except OSError:
            # What is wrong with the sink its own event says, in its own place.
            sent = 0
        if self._held:
            self._piece = FIRST_PIECE
            self._sink.startWriting()
            self._sink.producer.pauseProducing()
        elif came == wanted < PIPE_SIZE:
            self._piece *= 2
        self._tell(sent)
        return None

    def _write(self) -> Any:
        """The sink can take more."""
        sink = self._sink
        try:
            sent = self._send()
        except OSError:
            return main.CONNECTION_LOST
        if not self._held:
            sink.stopWriting()
            if sink.producer is not None:
                sink.producer.resumeProducing()
        self._tell(sent)
        return None

    def _send(self) -> int:
        """From the pipe on, as much as the sink takes."""
        try:
            sent = os.splice(self._out, self._sink.fileno(), self._held, flags=_FLAGS)
        except BlockingIOError:
            sent = 0
        self._held -= sent
        self._sink.in_pipe = self._held
        return sent

    def _tell(self, sent: int) -> None:
        if not (self._held or self._left):
            self.stop()
        if sent:
            self._passed(sent)


def drop_pipes() -> None:
    """Close the pipes that are kept for others."""
    while _pipes:
        for end in _pipes.pop():
            os.close(end)
