"""How much of what happened in the last seconds went wrong. Pure: the time is passed in.

It keeps no list of what happened: the window is cut into parts, and whole parts fall out of it.
"""

_PARTS = 10


class Window:
    """``seen``: how many there were, ``bad``: how many of them failed, as of the last `add`."""

    __slots__ = ("_bads", "_length", "_part", "_seens", "bad", "seen")

    def __init__(self, seconds: float) -> None:
        self._length = seconds / _PARTS
        self.clear()

    def clear(self) -> None:
        self._part = -1
        self._seens = [0] * _PARTS
        self._bads = [0] * _PARTS
        self.seen = 0
        self.bad = 0

    def add(self, now: float, is_bad: bool) -> None:
        """One more, at the time ``now`` (seconds, never falling)."""
        part = int(now / self._length)
        if part != self._part:
            self._move(part)
        place = part % _PARTS
        self._seens[place] += 1
        self.seen += 1
        if is_bad:
            self._bads[place] += 1
            self.bad += 1

    def _move(self, part: int) -> None:
        """Forget the parts that are older than the window."""
        gone = min(part - self._part, _PARTS)
        for place in range(part - gone + 1, part + 1):
            place %= _PARTS
            self.seen -= self._seens[place]
            self.bad -= self._bads[place]
            self._seens[place] = self._bads[place] = 0
        self._part = part
