"""Whether certificates can be asked for: what would stand in the way, before anything is done.

Looks and changes nothing: for ``check``, and for a gateway that is about to start.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from daarion_gw.config.acme import ACME
from daarion_gw.config.problems import ConfigurationError, Problem

from .folder import ALPN, HTTP

# Into the environment of the gateway, whichever pip the operator's shell would find.
_EXTRA = f"{sys.executable} -m pip install acme josepy"


def kinds_for(challenge: str, listen: Sequence[str]) -> tuple[str, ...]:
    """The kinds of challenge to try in turn. listen: the strings of the listeners.

    Empty where no listener could answer what is asked for.
    """
    # One that names files of its own shows those, and no challenge.
    ours = any("daarion-tls:" in text and "privateKey=" not in text for text in listen)
    # A listener for TLS of Twisted's shows one certificate, whatever the client says.
    plain = any("daarion-tls:" not in text and "ssl:" not in text for text in listen)
    possible = ((HTTP, plain), (ALPN, ours))
    return tuple(kind for kind, can_be in possible if can_be and challenge in ("auto", kind))


def check_readiness(acme: ACME, listen: Sequence[str]) -> None:
    """Raise ConfigurationError with all that stands in the way."""
    found = obstacles(acme, listen)
    if found:
        raise ConfigurationError(found)


def obstacles(acme: ACME, listen: Sequence[str]) -> list[Problem]:
    """All that stands in the way, each with its key."""
    return [Problem("", None, None, key, found) for key, found in _obstacles(acme, listen)]


def _obstacles(acme: ACME, listen: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in ("acme", "josepy"):
        if importlib.util.find_spec(name) is None:
            yield "tls.acme", f"the Python package {name} is missing: {_EXTRA}"
    if not kinds_for(acme.challenge, listen):
        wanted = {
            HTTP: "a plain listener such as tcp:80",
            ALPN: "a listener daarion-tls:443 without files of its own",
        }.get(acme.challenge, "a listener such as tcp:80 or daarion-tls:443")
        yield "tls.acme.challenge", f"{acme.challenge} needs {wanted}, and there is none"
    if why := _unfit(Path(acme.state)):
        yield "tls.acme.state", why
    if acme.ca is not None:
        try:
            Path(acme.ca).read_bytes()
        except OSError as error:
            yield "tls.acme.ca", f"{acme.ca} cannot be read: {error.strerror}"


def _unfit(state: Path) -> str | None:
    """Why the state folder cannot be used, or made."""
    there = state
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return f"{there} is no folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return (
            f"the folder {state} cannot be written: {there} belongs to another user; make it and "
            "give it to the user that the gateway runs as, or name another one here"
        )
    return None
