"""The settings of certificates that the gateway gets by itself: ``tls: {acme: …}``. Frozen data.

Who asks, and how, is not known here: `daarion_gw.tls.acme` does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from daarion_gw.config import units
from daarion_gw.config.model import Model
from daarion_gw.config.problems import UnfitError, closest

DOMAIN = "a domain name such as app.example.com"
DOMAINS = f"{DOMAIN}, or a list of them"
DIRECTORY = "an https:// URL, letsencrypt or letsencrypt-staging"
EMAIL = "an e-mail address such as ops@example.com"
RETRY = "a duration of a second or more such as 1m"

# https://letsencrypt.org/docs/acme-protocol-updates/
DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
STATE = "/var/lib/daarion-gw"

# A label of letters, digits and hyphens (RFC 1123 2.1); 63 octets, 253 in all (RFC 1035 2.3.4).
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_LONGEST = 253
_EMAIL = re.compile(r"[^\s@,]+@[^\s@,]+", re.ASCII)


def domain(value: object) -> str:
    """A host name in lower case. Raises `UnfitError`, also for what no challenge here can prove."""
    if not isinstance(value, str) or not value:
        raise UnfitError(DOMAIN)
    if "*" in value:
        raise UnfitError(
            DOMAIN,
            reason="a wildcard can be proven by DNS alone (dns-01), which the gateway does not do: "
            "get it elsewhere, and name its files under certificates:",
        )
    if not value.isascii():
        raise UnfitError(DOMAIN, reason="not ASCII", suggestion=_in_ascii(value))
    name = value.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnfitError(DOMAIN)
    if labels[-1].isdigit():
        raise UnfitError(DOMAIN, reason="that is an address")
    return name


def _in_ascii(name: str) -> str | None:
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def _listed(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise UnfitError(DOMAINS)
    return value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise UnfitError(DOMAINS, reason="the list is empty")
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise UnfitError("each domain once", reason="one stands there twice")
    return names


def _directory(value: object) -> object:
    if not isinstance(value, str):
        raise UnfitError(DIRECTORY)
    if value in DIRECTORIES:
        return DIRECTORIES[value]
    try:
        url = urlsplit(value)
        is_fit = url.scheme == "https" and bool(url.hostname) and url.port != 0
    except ValueError:
        is_fit = False
    # RFC 8555 6.1: nothing but HTTPS.
    if not is_fit:
        raise UnfitError(DIRECTORY, suggestion=closest(value, DIRECTORIES))
    return value


def _email(value: object) -> object:
    if value is None or (isinstance(value, str) and _EMAIL.fullmatch(value)):
        return value
    raise UnfitError(EMAIL)


def _retry(value: object) -> float:
    seconds = units.duration(value)
    if seconds < 1:
        raise UnfitError(RETRY)
    return seconds


def _mapping(value: object) -> object:
    if not isinstance(value, Mapping | Model):
        raise UnfitError("a mapping with at least domains:")
    return value


class ACME(Model):
    """Certificates from a certificate authority that speaks ACME (RFC 8555), one for each domain.

    ``email``: whom the authority may write to, None = nobody. ``directory``: its URL. ``ca``: a
    file with the certificates that its own TLS is verified with, None = the system's.
    ``challenge``: how it is shown that a domain is ours; ``auto`` is by what listeners there are.
    ``state``: the folder for keys, account and certificates. ``retry``: seconds until it is tried
    again after a first failure.
    """

    email: Annotated[str | None, BeforeValidator(_email)] = None
    domains: Annotated[
        tuple[Annotated[str, BeforeValidator(domain)], ...],
        BeforeValidator(_listed),
        AfterValidator(_distinct),
    ]
    directory: Annotated[str, BeforeValidator(_directory)] = DIRECTORIES["letsencrypt"]
    ca: Annotated[str, Field(min_length=1)] | None = None
    challenge: Literal["auto", "http-01", "tls-alpn-01"] = "auto"
    state: Annotated[str, Field(min_length=1)] = STATE
    retry: Annotated[float, BeforeValidator(_retry)] = 60.0


A_MAPPING = BeforeValidator(_mapping)
