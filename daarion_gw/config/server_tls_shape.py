"""What may stand below ``tls:`` of an upstream or of a server, and in the files that it names.

Like `shape`, whose part it is. Who validates says by the context how a file is read (`FileReader`);
without one only the names are looked at.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, model_validator

from daarion_gw.config import addresses
from daarion_gw.config.problems import UnfitError
from daarion_gw.config.server_tls import PEMFile, ServerTLS

PINS = "sha256/ and the base64 of the SHA-256 of a public key (44 characters), or a list of them"
NAME = "the name or address in the server's certificate, such as app.internal"
BOTH = "cert: and key:, both or none"
TRUSTED = "a file with certificates in PEM form (-----BEGIN CERTIFICATE-----)"
# HPKP writes one slash (RFC 7469), curl writes two.
_PIN = re.compile(r"sha256//?([A-Za-z0-9+/]{43}=)")

# Name, as written → what is in the file. Raises OSError.
FileReader = Callable[[str], bytes]


def _text_of(value: object, info: ValidationInfo, expected: str) -> PEMFile:
    """The file of that name, with what is in it."""
    if isinstance(value, PEMFile):
        return value
    if not isinstance(value, str) or not value:
        raise UnfitError(expected)
    read: FileReader | None = info.context
    if read is None:
        return PEMFile(path=value)
    try:
        return PEMFile(path=value, text=read(value).decode("utf-8"))
    except UnicodeDecodeError:
        raise UnfitError(expected, reason="it is no text; DER is not read") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UnfitError(expected, reason=f"cannot be read: {why}") from None
    except ValueError:
        raise UnfitError(expected, reason="no file can have this name") from None


def _certificates(value: object, info: ValidationInfo) -> PEMFile:
    file = _text_of(value, info, TRUSTED)
    if file.text or info.context is not None:
        # Not above: only who has such files needs to load it.
        from daarion_gw import pem

        try:
            pem.certificates(file.text.encode())
        except pem.PEMError as error:
            raise UnfitError(TRUSTED, reason=str(error)) from None
    return file


def _key(value: object, info: ValidationInfo) -> PEMFile:
    from daarion_gw import pem

    file = _text_of(value, info, pem.A_KEY)
    if not file.text and info.context is None:
        return file
    try:
        key = pem.private_key(file.text.encode())
    except pem.PEMError as error:
        raise UnfitError(pem.A_KEY, reason=str(error)) from None
    shown: PEMFile | None = info.data.get("cert")
    if shown is not None and shown.text:
        certificate = pem.certificates(shown.text.encode())[0]
        if not pem.belongs_to(key, certificate):
            reason = f"it does not belong to the certificate in {shown.path}"
            raise UnfitError(f"the private key of {shown.path}", reason=reason)
    return file


def _pins(value: object) -> tuple[str, ...]:
    members = value if isinstance(value, list | tuple) else [value]
    return tuple(map(_pin, members)) or _none()


def _none() -> tuple[str, ...]:
    raise UnfitError(PINS, reason="the list is empty")


def _pin(value: object) -> str:
    match = _PIN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise UnfitError(PINS)
    b64decode(match[1], validate=True)
    return match[1]


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise UnfitError(NAME)
    # An IPv6 address needs no brackets where no port can follow.
    return addresses.host_name(f"[{value}]" if ":" in value and value[0] != "[" else value, NAME)


class WrittenServerTLS(ServerTLS):
    """``tls:`` of an upstream, or of a server."""

    ca: Annotated[PEMFile | None, BeforeValidator(_certificates)] = None
    server_name: Annotated[str | None, BeforeValidator(_name)] = None
    pin: Annotated[tuple[str, ...] | None, BeforeValidator(_pins)] = None
    cert: Annotated[PEMFile | None, BeforeValidator(_certificates)] = None
    key: Annotated[PEMFile | None, BeforeValidator(_key)] = None

    @model_validator(mode="before")
    @classmethod
    def _together(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            said = [name for name in ("cert", "key") if value.get(name) is not None]
            if len(said) == 1:
                missing = "key" if said == ["cert"] else "cert"
                raise UnfitError(BOTH, reason=f"{missing}: is missing")
        return value


def overlaid(below: ServerTLS | None, above: ServerTLS | None) -> ServerTLS | None:
    """What an upstream says of all its servers, and one of them of itself: key by key."""
    if below is None and above is None:
        return None
    said = {
        name: getattr(each, name)
        for each in (below, above) if each is not None
        for name in each.model_fields_set
    }  # fmt: skip
    return ServerTLS(**said)


def _of_upstream(value: WrittenServerTLS | None, info: ValidationInfo) -> WrittenServerTLS | None:
    servers = info.data.get("servers", ())
    if value is not None and any(item.url.scheme != "https" for item in servers):
        raise UnfitError("https:// or wss:// in servers", reason="they do not speak TLS")
    return value


def _of_server(value: WrittenServerTLS | None, info: ValidationInfo) -> WrittenServerTLS | None:
    if value is None or "url" not in info.data:
        return value
    if info.data["url"].scheme != "https":
        raise UnfitError("https:// or wss:// in url", reason="the server does not speak TLS")
    if value.ca is not None and not info.data.get("verify", True):
        raise UnfitError("either ca: or verify: off", reason="with verify: off no CA is asked")
    return value


OfUpstream = Annotated[WrittenServerTLS | None, AfterValidator(_of_upstream)]
OfServer = Annotated[WrittenServerTLS | None, AfterValidator(_of_server)]
