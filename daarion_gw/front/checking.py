"""What is said of a configuration that has loaded: whether it would serve, and for how long.

Certificates are files beside the configuration, so they are looked at here and not by `loading`,
which must not fail for a key that only the gateway may read.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from daarion_gw.config.problems import ConfigurationError, Problem
from daarion_gw.config.report import render_problems, render_summary
from daarion_gw.config.settings import Settings

_WITH_CERTIFICATES = ("ssl:", "daarion-tls:")
# Nothing can be wrong with these, and most gateways have no others.
_PLAIN = re.compile(r"tcp:([0-9]{1,4}|[1-5][0-9]{4})(:interface=[0-9.]+)?")


def _folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Keys with folders that have to be there by the start; systemd may make them at it."""
    log = settings.gateway.access_log
    if log.file is not None and log.format != "off":
        yield "gateway.access_log.file", Path(log.file).parent
    if settings.tls.acme_webroot is not None:
        yield "tls.acme_webroot", Path(settings.tls.acme_webroot)


def tell_verdict(
    settings: Settings,
    listen: Iterable[str],
    out: Callable[[str], object],
    err: Callable[[str], object],
) -> int:
    """Say it, and give the exit code. listen: strings of listeners.

    Warnings are no reason for another code than 0.
    """
    admin = settings.gateway.admin
    places = [*listen, admin] if admin is not None else list(listen)
    lines: list[str] = []
    problems: list[Problem] = []
    special = [text for text in places if not _PLAIN.fullmatch(text)]
    if special:
        # It brings Twisted, like the next.
        from daarion_gw.front.listeners import unusable

        problems += [Problem("", None, None, "", sentence) for sentence in unusable(special)]
    tls = settings.tls
    for key, folder in _folders(settings):
        if not folder.is_dir():
            err(f"warning: {key}: {folder}: there is no such folder yet\n")
    if tls.certificates or tls.acme or any(text.startswith(_WITH_CERTIFICATES) for text in places):
        # It brings Twisted and cryptography, which a gateway without TLS is checked without.
        from daarion_gw.tls.check import look_over

        verdict = look_over(settings, places, time.time())
        for warning in verdict.warnings:
            err(f"warning: {warning}\n")
        problems += verdict.problems
        lines = verdict.lines
    if problems:
        err(render_problems(ConfigurationError(problems)))
        return 1
    out(render_summary(settings))
    for line in lines:
        out(f"{line}\n")
    return 0
