"""Keys of session tickets: they change by themselves, and every worker has the same ones.

A client comes back with a ticket that only the listener can read, and is spared the signature.
Python's ssl has no call for the keys: it leaves each context those that OpenSSL drew for it,
for as long as it lives, which only processes forked afterwards share. OpenSSL has the call,
so it is made through ctypes where CPython's layout is known, and left out elsewhere.

Not to be had this way: a second, older key that is still read. With each change of keys every
client makes one full handshake.
"""

import ctypes
import hashlib
import os
import ssl
import sys
import sysconfig
import time
from collections.abc import Callable
from typing import Any

# OpenSSL keeps a session for two hours: few tickets are cut short by a change.
PERIOD = 6 * 3600
SIZE = 80

_GET_TICKET_KEYS = 58
_SET_TICKET_KEYS = 59


class TicketKeys:
    """A secret that moves on with every period; the one before cannot be had from it.

    Whoever starts from the same secret in the same period comes to the same keys, as far as
    the clocks of the processes agree: ``state`` is what a worker has to be given.
    """

    def __init__(
        self,
        state: tuple[int, bytes] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._period, self._secret = state or (self.period, os.urandom(32))

    @property
    def period(self) -> int:
        """The number of the period that it is now."""
        return int(self._clock() // PERIOD)

    @property
    def state(self) -> tuple[int, bytes]:
        """The number of a period and its secret."""
        # A clock that was put back changes nothing: a secret that is gone is gone.
        for _ in range(self._period, self.period):
            self._secret = hashlib.sha256(b"next period" + self._secret).digest()
            self._period += 1
        return self._period, self._secret

    def take(self, state: tuple[int, bytes]) -> None:
        """Go on from another process's ``state``: from now on both have the same keys."""
        self._period, self._secret = state

    def keys(self, label: bytes) -> bytes:
        """80 bytes of keys for this period that are good for ``label`` alone."""
        _, secret = self.state
        return hashlib.shake_256(b"ticket keys" + secret + label).digest(SIZE)


# Of this process, and of those that are forked from it.
TICKET_KEYS = TicketKeys()


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


def can_set() -> bool:
    """Whether the keys of a context can be chosen here at all."""
    return _CONTROL is not None


def set_keys(context: ssl.SSLContext, keys: bytes) -> bool:
    """Give ``context`` its ticket keys (80 bytes); whether it has taken them."""
    if _CONTROL is None or len(keys) != SIZE:
        return False
    # struct PySSLContext begins with the object's head and goes on with SSL_CTX *ctx.
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if pointer is None or _CONTROL(pointer, _GET_TICKET_KEYS, 0, None) != SIZE:
        return False
    return _CONTROL(pointer, _SET_TICKET_KEYS, SIZE, keys) == 1
