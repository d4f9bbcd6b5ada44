"""What `daarion-gw check` says about certificates: as at the start, but that nothing listens."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet import endpoints

from daarion_gw.config.problems import ConfigurationError, Problem
from daarion_gw.config.settings import Settings
from daarion_gw.observe.counters import Counters

from .acme.readiness import obstacles
from .endpoint import PREFIX, parse
from .watch import UNUSED, Watch


@dataclass(slots=True)
class Verdict:
    """problems: what cannot work. warnings: what works, for now or for some. lines: all of it."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def look_over(settings: Settings, listen: Iterable[str], now: float) -> Verdict:
    """Read every certificate of the settings and of listeners' strings. now: of the Unix clock."""
    listen = list(listen)
    verdict = Verdict()
    if settings.tls.acme is not None:
        verdict.problems += obstacles(settings.tls.acme, listen)
    try:
        watch = Watch(settings.tls, settings.source, Counters(), _nothing, _nothing)
    except ConfigurationError as error:
        verdict.problems += error.problems
        return verdict
    places = []
    for text in listen:
        try:
            places.append((text, _place(text)))
        except (ConfigurationError, ValueError) as error:
            place = f"cannot listen on {text!r}"
            verdict.problems.append(Problem("", None, None, place, str(error)))
    try:
        watch.give(places)
    except ConfigurationError as error:
        verdict.problems += error.problems
    for certificate in watch.certificates():
        verdict.lines.append(certificate.line(now))
        for found in certificate.findings(now):
            if found.is_wrong:
                verdict.problems.append(Problem("", None, None, "", found.text))
            else:
                verdict.warnings.append(found.text)
    verdict.problems += [Problem("", None, None, "", text) for text in watch.problems()]
    if watch.is_unused:
        verdict.warnings.append(UNUSED)
    return verdict


def _place(text: str) -> Any:
    """The endpoint, if it is one of ours; those of others are made where there is a reactor."""
    if not text.startswith(f"{PREFIX}:"):
        return None
    (_, *arguments), words = endpoints._parse(text)
    return parse(None, *arguments, **words)


def _nothing(_: str, **__: Any) -> None:
    """There is no log."""
