"""The roots that this machine knows: for the question whether clients will find the way to one.

They are read when a chain seems to have a gap, which a good one has not.
"""

import ssl
import warnings
from functools import cache
from pathlib import Path

from cryptography import x509


def is_known(name: x509.Name) -> bool:
    """Whether a root of the system's has this name."""
    return name in _names()


@cache
def _names() -> frozenset[x509.Name]:
    return frozenset(name for file in _files() for name in _subjects(file))


def _files() -> list[Path]:
    """Where OpenSSL looks by itself, or as SSL_CERT_FILE and SSL_CERT_DIR say: one file or many."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        return [Path(paths.cafile)]
    if paths.capath is None:
        return []
    # Debian's folder has the same ones in a single file too.
    whole = Path(paths.capath) / "ca-certificates.crt"
    return [whole] if whole.exists() else sorted(Path(paths.capath).glob("*.[0-9]"))


def _subjects(file: Path) -> list[x509.Name]:
    with warnings.catch_warnings():
        # Some old roots bend the rules; that is nobody's business here.
        warnings.simplefilter("ignore")
        try:
            return [found.subject for found in x509.load_pem_x509_certificates(file.read_bytes())]
        except (OSError, ValueError):
            # Without it there is a warning too many, which is better than none at all.
            return []
