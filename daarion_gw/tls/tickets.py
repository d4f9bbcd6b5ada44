"""Keys of session tickets: they change by themselves, and every worker has the same ones.

A client comes back with a ticket that only the listener can read, and is spared the signature.
Python's ssl has no call for the keys: it leaves each context those that OpenSSL drew for it,
for as long as it lives, which only processes forked afterwards share. OpenSSL has the call
(`openssl`); where it cannot be made, it is left out.

Not to be had this way: a second, older key that is still read. With each change of keys every
client makes one full handshake.
"""

import hashlib
import os
import ssl
import time
from collections.abc import Callable

from .openssl import can_control, control

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


def can_set() -> bool:
    """Whether the keys of a context can be chosen here at all."""
    return can_control()


def set_keys(context: ssl.SSLContext, keys: bytes) -> bool:
    """Give ``context`` its ticket keys (80 bytes); whether it has taken them."""
    if len(keys) != SIZE or control(context, _GET_TICKET_KEYS, 0, None) != SIZE:
        return False
    return control(context, _SET_TICKET_KEYS, SIZE, keys) == 1
