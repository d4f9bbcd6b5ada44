"""Where clients come in: Twisted endpoint strings, and what to say when one can't be used."""

import errno
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from twisted.internet import endpoints
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from daarion_gw.tls.endpoint import TLSFactory

# Linux takes as many as net.core.somaxconn says, which is the same number since 5.4.
QUEUE: Final = 4096


class ListenError(Exception):
    """A listener that cannot be: the message says which, why, and what to do.

    ``status`` is what the process exits with when it had understood what was asked of it.
    """

    status = 1


def endpoint(reactor: Any, description: str) -> Any:
    """The endpoint of a Twisted server endpoint string; raises `ListenError`."""
    try:
        place = endpoints.serverFromString(reactor, description)
        _check_port(place)
        return place
    except Exception as error:
        # Twisted's parsers and plugins raise what they like: ValueError, KeyError, OSError,
        # OpenSSL's own. All mean that the string, or a file it names, is not usable.
        raise ListenError(
            f"cannot listen on {description!r}: {_why(description, error)}; {_meant(description)}"
        ) from error


_PLACE: Final = re.compile(r"(?:([0-9.]*):)?([0-9]+)")


def _meant(description: str) -> str:
    """What to write instead, or what listeners look like."""
    if "::" in description or "[" in description:
        return r"the colons of an IPv6 address are escaped, as in tcp:8080:interface=\:\:1"
    if bare := _PLACE.fullmatch(description):
        address, port = bare.groups(default="")
        at = f":interface={address}" if address else ""
        return f'did you mean "tcp:{port}{at}"?'
    return "a listener looks like tcp:8080, or daarion-tls:8443 with the certificates of tls:"


_ELSEWHERE: Final = ("systemd:", "ssl:", "daarion-tls:")


def unusable(descriptions: Iterable[str]) -> list[str]:
    """A sentence for each that is no listener, as the start would say it. Nothing is bound.

    Those of systemd are left out: only the process that it starts has their sockets. Those with
    certificates too: these are looked at with all others (`daarion_gw.tls.check`).
    """
    found = []
    for description in descriptions:
        if not any(kind in description for kind in _ELSEWHERE):
            try:
                endpoint(None, description)
            except ListenError as error:
                found.append(str(error))
    return found


def _check_port(place: Any) -> None:
    """Twisted finds out when it binds."""
    port = getattr(place, "_port", None)
    if isinstance(port, int) and not 0 <= port <= 65535:
        raise ValueError(f"there is no port {port}, only 0 to 65535")


def _why(description: str, error: Exception) -> str:
    if description.startswith("ssl:"):
        # Twisted's words for a file name neither the file nor what should be in it.
        from daarion_gw.tls.watch import mistake_in

        return mistake_in(description) or _plain(error)
    return _plain(error)


def _plain(error: Exception) -> str:
    if isinstance(error, FileNotFoundError | PermissionError):
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, TypeError):
        # The wrong arguments for a kind of endpoint: Python names a private function of Twisted.
        return re.sub(r"^\S*_parse\w+\(\)", "this kind of listener", str(error))
    return str(error) or type(error).__name__


ADMIN: Final = "it is the admin listener; --admin moves it, --admin off does without"


def open_port(description: str, place: Any, factory: Any, hint: str = "") -> Any:
    """Listen at an endpoint (that of ``description``) now, or raise `ListenError`.

    hint: what else is to be said then, such as `ADMIN`.
    """
    opening: Deferred[Any] = place.listen(factory)
    ports: list[Any] = []
    failures: list[Failure] = []
    opening.addCallbacks(ports.append, failures.append)
    if failures:
        error: BaseException | None = failures[0].value
        if isinstance(error, CannotListenError):
            error = explain(description, error)
        raise ListenError(f"{error}; {hint}" if hint else str(error))
    _lengthen_queue(description, ports[0])
    return ports[0]


def _lengthen_queue(description: str, port: Any) -> None:
    """Let a crowd wait to be accepted, unless the operator or systemd says how many may.

    Who finds the queue full believes to be connected, is heard of by nobody, and tries again
    after one second, three, seven. Twisted's own has 50 places.
    """
    sock = getattr(port, "socket", None)
    if sock is not None and "backlog=" not in description and "systemd:" not in description:
        sock.listen(QUEUE)


def address_of(port: Any) -> str:
    """Where a port listens, for the log."""
    address = port.getHost()
    host = getattr(address, "host", None)
    if host is None:
        return str(getattr(address, "name", address))
    return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"


def port_number(port: Any) -> int | None:
    """The number of a port that listens on TCP."""
    return getattr(port.getHost(), "port", None)


def has_tls(port: Any) -> bool:
    """Whether clients of a port speak TLS with us, whatever else is put around it or before it."""
    factory = getattr(port, "factory", None)
    while factory is not None:
        if isinstance(factory, TLSFactory | TLSMemoryBIOFactory):
            return True
        factory = getattr(factory, "wrappedFactory", None) or getattr(factory, "behind", None)
    return False


def shut(port: Any) -> None:
    """Accept nothing at a port for now: clients wait in its queue. Other kinds than TCP cannot."""
    if hasattr(port, "stopReading"):
        port.is_shut = True
        port.stopReading()


def open_again(port: Any) -> None:
    """Accept again at a port that was `shut`."""
    if hasattr(port, "startReading"):
        port.is_shut = False
        port.startReading()


def explain(description: str, error: CannotListenError) -> ListenError:
    """Why the system refused a listener, and who has the port if that can be known."""
    number = getattr(error.socketError, "errno", None)
    place = f"{error.interface or '*'}:{error.port}"
    if number == errno.EADDRINUSE:
        owner = owner_of(error.port) if isinstance(error.port, int) else None
        who = f" by {owner}" if owner else ""
        reason = f"the port is in use{who}; end it or choose another port"
    elif number == errno.EACCES:
        reason = "ports below 1024 need the capability CAP_NET_BIND_SERVICE (or root)"
    elif number == errno.EADDRNOTAVAIL:
        reason = "this machine has no such address"
    else:
        reason = str(error.socketError)
    return ListenError(f"cannot listen on {description!r} ({place}): {reason}")


_LISTENING = "0A"


def owner_of(port: int) -> str | None:
    """``name (pid 123)`` of the process that listens on ``port``, where /proc tells."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    return _process_with(inodes) if inodes else None


def _process_with(sockets: set[str]) -> str | None:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(entry.readlink()) in sockets for entry in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"{name} (pid {process.name})"
        except OSError:
            # Another user's process, or one that has just ended.
            continue
    return None
