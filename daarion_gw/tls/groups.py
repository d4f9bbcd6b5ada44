"""The groups of a key exchange: Mozilla's, and the hybrid post-quantum one where there is one.

Python's ssl can set no more than a single group, which would shut out everybody else. Where the
list cannot be set (`openssl`) OpenSSL's own holds: it has these, and some that nobody asks for.
"""

import ssl
from typing import Final

from .openssl import control

# Mozilla's "intermediate", https://ssl-config.mozilla.org/guidelines/
GROUPS: Final = "X25519:P-256:P-384"
# OpenSSL has it from 3.5 on. The question mark: a build without it is none the worse. The stroke:
# a client that knows it and began with another one is asked to begin again.
HYBRID: Final = "?X25519MLKEM768/"
HYBRID_SINCE: Final = (3, 5)

_SET_GROUPS_LIST = 92


def groups_for(version: tuple[int, ...]) -> str:
    """The list for an OpenSSL of this version, as its SSL_CTX_set1_groups_list reads it."""
    return HYBRID + GROUPS if version[:2] >= HYBRID_SINCE else GROUPS


def set_groups(context: ssl.SSLContext) -> bool:
    """Let ``context`` agree on these groups only; whether it has taken them."""
    groups = groups_for(ssl.OPENSSL_VERSION_INFO)
    return control(context, _SET_GROUPS_LIST, 0, groups.encode("ascii")) == 1
