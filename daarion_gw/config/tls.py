"""The settings of TLS towards clients: ``tls:`` of the file. Frozen data; paths as written.

What the certificates themselves say is not looked at here: `daarion_gw.tls` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field

from daarion_gw.config.acme import A_MAPPING, ACME
from daarion_gw.config.model import Model, Switch
from daarion_gw.config.problems import UnfitError
from daarion_gw.config.tls_policy import (
    Redirect,
    WrittenClientCertificates,
    WrittenStrictTransport,
)

A_CERTIFICATE = "a mapping with cert: and key:, or with folder:"
Path = Annotated[str, Field(min_length=1)]


class Certificate(Model):
    """A certificate with its chain, and its key: two files in PEM form; or a folder of them.

    ``folder``: as certbot's ``live/`` is laid out, one sub-folder per name.
    """

    cert: Path | None = None
    key: Path | None = None
    folder: Path | None = None


def _either(value: object) -> object:
    if isinstance(value, Certificate):
        return value
    if not isinstance(value, Mapping):
        raise UnfitError(A_CERTIFICATE)
    if value.keys() - Certificate.model_fields.keys():
        # Said where the unknown key stands.
        return value
    names = {name for name in Certificate.model_fields if value.get(name) is not None}
    if names not in ({"cert", "key"}, {"folder"}):
        reason = f"it has {', '.join(sorted(names))}" if names else None
        raise UnfitError(A_CERTIFICATE, reason=reason)
    return value


def _list(value: object) -> object:
    if isinstance(value, Mapping):
        return (value,)
    if not isinstance(value, list | tuple):
        raise UnfitError(f"{A_CERTIFICATE}, or a list of those")
    return value


class TLS(Model):
    """TLS of the ``daarion-tls:`` listeners.

    ``certificates``: the first is for clients that name no name, or one that no certificate has.
    ``strict``: those are refused instead. ``acme``: those that the gateway gets by itself, None =
    none. ``acme_webroot``: the folder into which another program (certbot) writes what a
    certificate authority will ask for, below ``.well-known/acme-challenge/``.
    ``client_certificates``: None = nobody is asked.

    These two hold for every kind of listener. ``hsts``: None = off. ``redirect``: whether requests
    without TLS are sent to https, at a port if it is one; ``auto``: those to port 80, where there
    is a listener with TLS.
    """

    certificates: Annotated[
        tuple[Annotated[Certificate, BeforeValidator(_either)], ...], BeforeValidator(_list)
    ] = ()
    strict: Switch = False
    acme: Annotated[ACME, A_MAPPING] | None = None
    acme_webroot: Path | None = None
    client_certificates: WrittenClientCertificates = None
    hsts: WrittenStrictTransport = None
    redirect: Redirect = "auto"
