"""What is said of a configuration that has loaded: whether it would serve, and for how long.

Certificates are files beside the configuration, so they are looked at here and not by `loading`,
which must not fail for a key that only the gateway may read.
"""

import time
from collections.abc import Callable, Iterable

from daarion_gw.config.problems import ConfigurationError
from daarion_gw.config.report import render_problems, render_summary
from daarion_gw.config.settings import Settings

_WITH_CERTIFICATES = ("ssl:", "daarion-tls:")


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
    tls = settings.tls
    if tls.certificates or tls.acme or any(text.startswith(_WITH_CERTIFICATES) for text in places):
        # It brings Twisted and cryptography, which a gateway without TLS is checked without.
        from daarion_gw.tls.check import look_over

        verdict = look_over(settings, places, time.time())
        for warning in verdict.warnings:
            err(f"warning: {warning}\n")
        if verdict.problems:
            err(render_problems(ConfigurationError(verdict.problems)))
            return 1
        lines = verdict.lines
    out(render_summary(settings))
    for line in lines:
        out(f"{line}\n")
    return 0
