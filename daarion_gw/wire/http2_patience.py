"""How much of what is of no use a client may ask for (RFC 9113 10.5).

Everything in HTTP/2 is allowed, and most of it can be done so often that it is an attack. What
brings nothing is paid for from a purse that time fills again, and useful work too. It keeps no
clock: the time is handed in.
"""

from typing import Final

from .http2_frames import ConnectionFault, ErrorCode

# A stream that ends in a reset has cost an upstream's connection (CVE-2023-44487). A page that
# is left resets all of its own, some hundred, at once; nobody goes on like that.
RESETS_AT_ONCE: Final = 500
RESETS_PER_SECOND: Final = 33.0
# Frames that cost an answer or a look, and carry nothing: PING, SETTINGS, PRIORITY, empty DATA,
# WINDOW_UPDATE, CONTINUATION, types that nobody knows (CVE-2019-9512, -9513, -9515, -9518).
TRIFLES_AT_ONCE: Final = 1_000
TRIFLES_PER_SECOND: Final = 50.0
# A client answers a DATA frame with a WINDOW_UPDATE for its stream, one for the connection, and
# a PING to measure its way.
TRIFLES_PER_USE: Final = 3


class Purse:
    """So much at once, and so much per second."""

    __slots__ = ("_filled_at", "_left", "_most", "_rate")

    def __init__(self, most: int, rate: float, now: float) -> None:
        self._most = most
        self._rate = rate
        self._left = float(most)
        self._filled_at = now

    def pay(self, price: int, now: float) -> bool:
        """Take ``price`` out; whether there was enough. now: in seconds, of any one clock."""
        self._left -= price
        if self._left >= 0:
            return True
        filled = self._left + (now - self._filled_at) * self._rate
        self._left = min(filled, self._most)
        self._filled_at = now
        return self._left >= 0

    def earn(self, gain: int) -> None:
        """Put ``gain`` in; it holds no more than what it began with."""
        left = self._left + gain
        self._left = left if left < self._most else self._most


class Patience:
    """One connection's two purses. now: to be set before anything is paid.

    Who cannot pay has its connection ended (`ConnectionFault`, ENHANCE_YOUR_CALM).
    """

    __slots__ = ("_resets", "_trifles", "now")

    def __init__(self, now: float) -> None:
        self.now = now
        self._trifles = Purse(TRIFLES_AT_ONCE, TRIFLES_PER_SECOND, now)
        self._resets = Purse(RESETS_AT_ONCE, RESETS_PER_SECOND, now)

    def trifle(self, price: int = 1) -> None:
        """The client asked for something that brings nothing."""
        if not self._trifles.pay(price, self.now):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames of no use")

    def reset(self) -> None:
        """A stream ended before its time, and that was the client's doing."""
        if not self._resets.pay(1, self.now):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many streams that were reset")

    def useful(self) -> None:
        """Something was done that a client may answer with frames of its own."""
        self._trifles.earn(TRIFLES_PER_USE)
