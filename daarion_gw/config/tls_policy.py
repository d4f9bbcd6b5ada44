"""The settings of TLS towards clients that are not about the gateway's own certificates.

Whether clients show one, and whether they have to come over TLS at all. Frozen data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from daarion_gw.config import units
from daarion_gw.config.model import Duration, Model, Switch
from daarion_gw.config.problems import UnfitError

CLIENTS = "a mapping with ca: and mode:, or off"
HSTS = "on, off, a duration such as 180d, or a mapping with max_age:"
REDIRECT = "auto, on, off, or the port that clients know TLS by"
# What https://hstspreload.org/ asks for.
_PRELOAD_FROM = 365 * 86400.0


class ClientCertificates(Model):
    """Whether clients have to show a certificate that ``ca`` (a file in PEM form) vouches for.

    ``optional``: they may; a bad one ends the handshake all the same.
    """

    ca: Annotated[str, Field(min_length=1)]
    mode: Literal["optional", "required"] = "required"


class StrictTransport(Model):
    """What browsers are told by Strict-Transport-Security (RFC 6797): to come over TLS alone.

    ``max_age``: seconds that they remember it; 0 = forget it. ``include_subdomains``: of the
    host's name too. ``preload``: may be put into the lists that browsers come with.
    """

    max_age: Duration = 180 * 86400.0
    include_subdomains: Switch = False
    preload: Switch = False


def _client_certificates(value: object) -> object:
    if value is False or (isinstance(value, str) and value.lower() == "off"):
        return None
    if value is not None and not isinstance(value, Mapping | ClientCertificates):
        raise UnfitError(CLIENTS)
    return value


def _strict(value: object) -> object:
    """``on`` stands for the defaults, a duration for ``max_age``."""
    if value is None or isinstance(value, Mapping | StrictTransport):
        return value
    try:
        return {} if units.switch(value) else None
    except UnfitError:
        pass
    try:
        return {"max_age": units.duration(value)}
    except UnfitError as error:
        raise UnfitError(HSTS, reason=error.reason) from None


def _fit_for_lists(value: StrictTransport | None) -> StrictTransport | None:
    if value is None or not value.preload:
        return value
    if not value.include_subdomains or value.max_age < _PRELOAD_FROM:
        raise UnfitError(
            "include_subdomains: on and a max_age of 365d or more beside preload: on",
            reason="the browsers' lists take no less",
        )
    return value


def _redirect(value: object) -> object:
    if value == "auto":
        return value
    port = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(port, int) and not isinstance(port, bool):
        if not 1 <= port <= 65535:
            raise UnfitError(REDIRECT, reason="a port is between 1 and 65535")
        return port
    try:
        return units.switch(value)
    except UnfitError:
        raise UnfitError(REDIRECT) from None


# None = nobody is asked for one.
WrittenClientCertificates = Annotated[
    ClientCertificates | None, BeforeValidator(_client_certificates)
]
# None = off.
WrittenStrictTransport = Annotated[
    StrictTransport | None, BeforeValidator(_strict), AfterValidator(_fit_for_lists)
]
Redirect = Annotated[int | bool | Literal["auto"], BeforeValidator(_redirect)]
