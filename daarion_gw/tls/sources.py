"""Where certificates lie: pairs of files, and folders of such pairs.

It looks at names only; what is in the files is not known here.
"""

from dataclasses import dataclass
from pathlib import Path

from daarion_gw.config.tls import TLS

from .acme.folder import StateFolder

# A certificate with its chain, and its key: as certbot, OpenSSL's users and Kubernetes name them.
LAYOUTS = (
    ("fullchain.pem", "privkey.pem"),
    ("cert.pem", "key.pem"),
    ("tls.crt", "tls.key"),
)

Files = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of the settings. place: of the entry, for who wrote it.

    files: of a certificate and its key; or folder, with any number of them. is_awaited: there
    may be none yet. challenges: what is shown to whoever has to be convinced before there is.
    """

    place: str
    files: Files | None = None
    folder: Path | None = None
    is_awaited: bool = False
    challenges: Path | None = None

    def pairs(self) -> list[Files]:
        """The files that there are; raises OSError when the folder cannot be looked into."""
        if self.files is not None:
            return [self.files]
        assert self.folder is not None
        try:
            return pairs_in(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            if self.is_awaited:
                return []
            raise


def sources_of(tls: TLS) -> list[Source]:
    """All of them, in the order of the settings; those that are got by ACME come last."""
    sources = []
    for number, each in enumerate(tls.certificates):
        place = f"tls.certificates[{number}]"
        if each.folder is not None:
            sources.append(Source(place, folder=Path(each.folder)))
        else:
            assert each.cert is not None and each.key is not None
            sources.append(Source(place, files=(each.cert, each.key)))
    if tls.acme is not None:
        state = StateFolder(Path(tls.acme.state))
        source = Source(
            "tls.acme", folder=state.certificates, is_awaited=True, challenges=state.alpn
        )
        sources.append(source)
    return sources


def pairs_in(folder: Path) -> list[Files]:
    """The pair in ``folder`` itself, if there is one, then those of its sub-folders by name."""
    found = [_pair(folder)]
    for inner in sorted(folder.iterdir()):
        # Kubernetes keeps what it links to beside the links, under names with a dot.
        if not inner.name.startswith(".") and inner.is_dir():
            found.append(_pair(inner))
    return [pair for pair in found if pair is not None]


def _pair(folder: Path) -> Files | None:
    """The files that make a pair, or that would if the other one were there as well."""
    half: Files | None = None
    for layout in LAYOUTS:
        cert, key = (folder / name for name in layout)
        there = cert.exists(), key.exists()
        if all(there):
            return str(cert), str(key)
        if any(there) and half is None:
            half = str(cert), str(key)
    return half
