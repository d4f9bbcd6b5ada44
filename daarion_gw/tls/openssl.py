"""Settings of a context that OpenSSL has and Python's ssl does not: made through ctypes.

Only where the layout of CPython's object is known, and the library is the very one that Python's
ssl is bound to. Elsewhere nothing can be set, and whoever asks has to do without.
"""

import ctypes
import ssl
import sys
import sysconfig
from collections.abc import Callable
from typing import Any


def _ctx_ctrl() -> Callable[..., int] | None:
    """OpenSSL's SSL_CTX_ctrl, from the very library that Python's ssl is bound to."""
    known = sys.implementation.name == "cpython" and (3, 11) <= sys.version_info < (3, 15)
    if not known or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return None
    if not ssl.OPENSSL_VERSION.startswith("OpenSSL 3."):
        return None
    try:
        import _ssl

        function: Any = ctypes.CDLL(_ssl.__file__).SSL_CTX_ctrl
    except (ImportError, OSError, AttributeError):
        # Python was linked so that the library's own names are not to be seen.
        return None
    function.restype = ctypes.c_long
    function.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    return function


_CONTROL = _ctx_ctrl()


def can_control() -> bool:
    """Whether `control` can do anything here."""
    return _CONTROL is not None


def control(context: ssl.SSLContext, command: int, number: int, data: bytes | None) -> int:
    """What SSL_CTX_ctrl says to this ``command`` (ssl.h); 0 where it is out of reach."""
    if _CONTROL is None:
        return 0
    # struct PySSLContext begins with the object's head and goes on with SSL_CTX *ctx.
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    return 0 if pointer is None else _CONTROL(pointer, command, number, data)
