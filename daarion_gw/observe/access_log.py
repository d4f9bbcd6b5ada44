r"""One line per finished exchange: the entry, its two written forms, and the file they go to.

`combined` is the line that nginx and Apache write, followed by the gateway's own fields, so that
tools made for the combined format read it as it is:

    CLIENT - - [TIME] "METHOD TARGET VERSION" STATUS BYTES "REFERER" "USER-AGENT" request_id=ID
    route=KEY upstream=NAME server=LABEL seconds=0.003 received=0 fault=-

(one line). BYTES are those of the answer's body, `received` those of the request's body. What is
empty is written `-`. As nginx does it, a quote, a backslash and every byte outside printable ASCII
become `\xNN`; in fields without quotes a blank does so too. `json` is one object a line, in pure
ASCII; bytes that are no UTF-8 stand in it as `\xNN`.

Cookies and credentials are no part of an entry, and a user name or password inside a URL is cut
off. This module must not know Twisted: whoever owns the clock calls `flush` once per second.
"""

import fcntl
import os
import re
import select
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from json import JSONEncoder
from pathlib import Path
from typing import Literal

# A busy log is written in pieces of about this many bytes, a quiet one once per second.
FLUSH_AT = 64 * 1024
# What a reader who does not read, or a full disk, may make the gateway keep, in bytes.
KEEP_AT_MOST = 1024 * 1024
# A pipe that polls as writable takes this many bytes without blocking (POSIX: at least 512).
PIPE_PIECE = select.PIPE_BUF

# How long the last lines for a file may wait for other processes, in seconds.
CLOSE_WITHIN = 0.2

STANDARD_OUTPUT = 1
_LINE_END = ord("\n")

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_UNSAFE_QUOTED = re.compile(rb'[^\x20-\x7e]|["\\]')
_UNSAFE_BARE = re.compile(rb'[^\x21-\x7e]|["\\]')
# Everything up to the last "@" of an authority (RFC 3986 section 3.2.1).
_USERINFO = re.compile(rb"^([A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*@")


@dataclass(slots=True)
class Entry:
    """What is known about one finished exchange.

    `when` is the start in seconds since the epoch, `duration` is in seconds, sizes are bytes of
    bodies. `status` 0 means that the client got no answer. Without a `method` the `target` is the
    beginning of a line that was no request. Bytes are as they came from the client.
    `fault` is the name of a `Fault`, or empty.
    """

    when: float
    client: str
    method: bytes
    target: bytes
    version: bytes
    status: int
    bytes_sent: int
    bytes_received: int
    duration: float
    request_id: bytes
    route: str
    upstream: str
    server: str
    host: bytes
    referer: bytes
    user_agent: bytes
    fault: str


def escape_quoted(raw: bytes) -> bytes:
    """Make `raw` safe between double quotes on one line."""
    if _UNSAFE_QUOTED.search(raw) is None:
        return raw
    return _UNSAFE_QUOTED.sub(_as_hexadecimal, raw)


def escape_bare(raw: bytes) -> bytes:
    """Make `raw` one word: as `escape_quoted`, and blanks too; an empty one becomes `-`."""
    if not raw:
        return b"-"
    if _UNSAFE_BARE.search(raw) is None:
        return raw
    return _UNSAFE_BARE.sub(_as_hexadecimal, raw)


def _as_hexadecimal(found: re.Match[bytes]) -> bytes:
    return b"\\x%02X" % found[0][0]


def without_userinfo(url: bytes) -> bytes:
    """Cut `user:password@` off a URL or an authority; a path is left as it is."""
    if b"@" not in url or url.startswith(b"/"):
        return url
    return _USERINFO.sub(rb"\1", url)


def format_combined(entry: Entry) -> bytes:
    """Return the entry as one line of the combined format, with its line end."""
    request = without_userinfo(entry.target)
    if entry.method:
        request = b"%b %b %b" % (entry.method, request, entry.version)
    referer = without_userinfo(entry.referer)
    agent = entry.user_agent
    # One search instead of three: hardly any request has something to escape.
    if _UNSAFE_QUOTED.search(request + referer + agent):
        request, referer, agent = map(escape_quoted, (request, referer, agent))
    return (
        b'%b - - [%b] "%b" %03d %d "%b" "%b"'
        b" request_id=%b route=%b upstream=%b server=%b seconds=%.3f received=%d fault=%b\n"
    ) % (
        _bare_name(entry.client),
        _combined_time(int(entry.when)),
        request or b"-",
        entry.status,
        entry.bytes_sent,
        referer or b"-",
        agent or b"-",
        escape_bare(entry.request_id),
        _bare_name(entry.route),
        _bare_name(entry.upstream),
        _bare_name(entry.server),
        entry.duration,
        entry.bytes_received,
        _bare_name(entry.fault),
    )


# Names of the configuration and addresses: the same ones again and again, and short.
@lru_cache(maxsize=1024)
def _bare_name(name: str) -> bytes:
    return escape_bare(name.encode())


@lru_cache(maxsize=4)
def _combined_time(second: int) -> bytes:
    """Local time as nginx writes it; month names never depend on the locale."""
    now = time.localtime(second)
    offset = now.tm_gmtoff // 60
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset), 60)
    day = f"{now.tm_mday:02d}/{_MONTHS[now.tm_mon - 1]}/{now.tm_year:04d}"
    clock = f"{now.tm_hour:02d}:{now.tm_min:02d}:{now.tm_sec:02d}"
    return f"{day}:{clock} {sign}{hours:02d}{minutes:02d}".encode()


_encode_json = JSONEncoder(separators=(",", ":")).encode


def format_json(entry: Entry) -> bytes:
    """Return the entry as one JSON object in ASCII, with its line end; empty texts stay empty."""
    line = _encode_json(
        {
            "time": _json_time(entry.when),
            "client": entry.client,
            "method": _text(entry.method),
            "target": _text(without_userinfo(entry.target)),
            "version": _text(entry.version),
            "host": _text(without_userinfo(entry.host)),
            "status": entry.status,
            "bytes_sent": entry.bytes_sent,
            "bytes_received": entry.bytes_received,
            "seconds": round(entry.duration, 6),
            "request_id": _text(entry.request_id),
            "route": entry.route,
            "upstream": entry.upstream,
            "server": entry.server,
            "referer": _text(without_userinfo(entry.referer)),
            "user_agent": _text(entry.user_agent),
            "fault": entry.fault,
        }
    )
    return line.encode("ascii") + b"\n"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _json_time(when: float) -> str:
    """UTC with milliseconds (RFC 3339)."""
    second = int(when)
    return f"{_json_second(second)}.{int((when - second) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _json_second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _say_on_standard_error(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


class AccessLog:
    """Lines on their way to a file, or to standard output when `path` is None.

    `write` only appends to memory; `flush` writes. Neither raises nor blocks on a reader who
    does not read: what does not fit into `KEEP_AT_MOST` bytes is counted in `lost`. Each outage
    is reported once, as one sentence to `report`, and what was lost once more at the close.
    """

    def __init__(
        self,
        format: Literal["combined", "json", "off"],
        path: str | None,
        report: Callable[[str], None] = _say_on_standard_error,
        turns: int | None = None,
    ) -> None:
        """Open the file. Raises OSError, naming it, when it cannot be written.

        turns: a file that all processes have open which write the same log. Its lock is held
        while one writes, and for as long as that one has written half a line only.
        """
        self.enabled = format != "off"
        self.lost = 0
        self._format = format_json if format == "json" else format_combined
        self._path = path
        self._report = report
        self._turns = turns
        self._lines: list[bytes] = []
        self._size = 0
        self._stalled = False
        # The file ends within a line whose rest is still kept.
        self._torn = False
        self._file: int | None = None
        if self.enabled:
            self._take(STANDARD_OUTPUT if path is None else _open_for_append(path))

    def _take(self, file: int) -> None:
        self._file = file
        # Only a file on a disk takes any amount at once; a pipe or a terminal may block.
        self._may_block = not stat.S_ISREG(os.fstat(file).st_mode)

    def write(self, entry: Entry) -> None:
        """Keep the entry's line for the next flush."""
        if self._file is None:
            return
        line = self._format(entry)
        if self._size + len(line) > KEEP_AT_MOST:
            self.lost += 1
            return
        self._lines.append(line)
        self._size += len(line)
        if self._size > FLUSH_AT and not self._stalled:
            self.flush()

    def flush(self) -> None:
        """Write what is kept, as far as the file takes it now."""
        if not self._lines or self._file is None or not self._has_turn():
            return
        data = b"".join(self._lines)
        error: OSError | None = None
        written = 0
        try:
            while written < len(data):
                count = self._write_some(self._file, data, written)
                if count == 0:
                    break
                written += count
        except OSError as refused:
            error = refused
        if written:
            self._torn = data[written - 1] != _LINE_END
        rest = data[written:]
        self._lines = [rest] if rest else []
        self._size = len(rest)
        self._end_turn()
        self._note(error)

    def _has_turn(self) -> bool:
        """Whether no other process is writing; from now on this one is."""
        if self._turns is None:
            return True
        try:
            # Held already after half a line: then it is so again.
            fcntl.lockf(self._turns, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _end_turn(self) -> None:
        if self._turns is not None and not self._torn:
            fcntl.lockf(self._turns, fcntl.LOCK_UN, 1)

    def _write_some(self, file: int, data: bytes, start: int) -> int:
        """Write one piece; return how many bytes went, 0 when the reader takes none now."""
        if not self._may_block:
            return os.write(file, memoryview(data)[start:])
        room = select.poll()
        room.register(file, select.POLLOUT)
        if not room.poll(0):
            return 0
        # Whole lines if possible: what a pipe takes in one piece nobody else's line cuts in two.
        end = data.rfind(b"\n", start, start + PIPE_PIECE) + 1 or start + PIPE_PIECE
        try:
            return os.write(file, memoryview(data)[start:end])
        except BlockingIOError:
            return 0

    def _note(self, error: OSError | None) -> None:
        stalled = bool(self._lines)
        if stalled and not self._stalled:
            reason = error.strerror if error else "its reader does not read"
            self._report(
                f"access log: {self._name()} cannot be written: {reason}; lines are kept up to "
                f"{KEEP_AT_MOST // 1024} KiB and lost after that ({self.lost} lost so far)"
            )
        elif self._stalled and not stalled:
            self._report(f"access log: {self._name()} is written again ({self.lost} lines lost)")
        self._stalled = stalled

    def _name(self) -> str:
        return self._path or "standard output"

    def reopen(self) -> None:
        """Go on in a new file of the same name (log rotation); keep the old one if that fails."""
        if self._file is None or self._path is None:
            return
        self._flush_for_good()
        try:
            fresh = _open_for_append(self._path)
        except OSError as error:
            self._report(f"{error.strerror}: {self._path}; going on in the file opened before")
            return
        if self._torn:
            # Half a line must not open the new file.
            kept = b"".join(self._lines).partition(b"\n")[2]
            self._lines, self._size = [kept], len(kept)
            self._torn = False
            self._end_turn()
            self.lost += 1
        os.close(self._file)
        self._take(fresh)

    def _flush_for_good(self) -> None:
        """Flush, and wait a little for others that are just doing the same."""
        deadline = time.monotonic() + CLOSE_WITHIN
        while self._lines and not self._has_turn() and time.monotonic() < deadline:
            time.sleep(0.001)
        self.flush()

    def close(self) -> None:
        """Write what can be written now, count the rest as lost, and close the file."""
        if self._file is None:
            return
        self._flush_for_good()
        self.lost += sum(piece.count(b"\n") for piece in self._lines)
        self._lines, self._size = [], 0
        self._torn = False
        self._end_turn()
        if self.lost:
            self._report(f"access log: {self._name()} lacks {self.lost} lines, which were lost")
        if self._path is not None:
            os.close(self._file)
        self._file = None


def _open_for_append(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        folder = Path(path).parent
        hint = f"create {folder} or" if not folder.is_dir() else "make it writable or"
        sentence = f"access log cannot be opened ({error.strerror}); {hint} name another file"
        raise OSError(error.errno, sentence, path) from error
