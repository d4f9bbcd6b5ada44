"""Settings of a context that OpenSSL has and Python's ssl does not: made through ctypes.

Only where the layout of CPython's object is known, and the library is the very one that Python's
ssl is bound to. Elsewhere nothing can be set, and whoever asks has to do without.
"""

import ctypes
import ssl
import sys
import sysconfig
from typing import Any


def _library() -> Any:
    """The names of the library that Python's ssl is bound to, or None where they are no use."""
    known = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info < (3, 15)
    if not known or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return None
    if not ssl.OPENSSL_VERSION.startswith("OpenSSL 3."):
        return None
    try:
        import _ssl

        library = ctypes.CDLL(_ssl.__file__)
        ctrl, suites = library.SSL_CTX_ctrl, library.SSL_CTX_set_ciphersuites
    except (ImportError, OSError, AttributeError):
        # Python was linked so that the library's own names are not to be seen.
        return None
    ctrl.restype = ctypes.c_long
    ctrl.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    suites.restype = ctypes.c_int
    suites.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    return library


_LIBRARY = _library()


def can_control() -> bool:
    """Whether anything can be set here at all."""
    return _LIBRARY is not None


def control(context: ssl.SSLContext, command: int, number: int, data: bytes | None) -> int:
    """What SSL_CTX_ctrl says to this ``command`` (ssl.h); 0 where it is out of reach."""
    pointer = _pointer(context)
    return 0 if pointer is None else _LIBRARY.SSL_CTX_ctrl(pointer, command, number, data)


def set_suites(context: ssl.SSLContext, suites: str) -> bool:
    """Let TLS 1.3 have these suites, in this order; whether ``context`` has taken them."""
    pointer = _pointer(context)
    if pointer is None:
        return False
    return _LIBRARY.SSL_CTX_set_ciphersuites(pointer, suites.encode("ascii")) == 1


def _pointer(context: ssl.SSLContext) -> int | None:
    if _LIBRARY is None:
        return None
    # struct PySSLContext begins with the object's head and goes on with SSL_CTX *ctx.
    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
