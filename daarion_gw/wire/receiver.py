"""What the wire's two receivers share: heads that arrive in any pieces."""

from daarion_gw.errors import Fault

from .faults import WireError
from .fields import check_begun
from .limits import Limits


class HeadBuffer:
    """Collects bytes until a head is whole. Each byte is looked at a bounded number of times."""

    __slots__ = ("_limits", "_looked_at", "data")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._looked_at = 0
        self.data = b""

    def add(self, data: bytes) -> None:
        self.data = self.data + data if self.data else data

    def take_head(self) -> bytes | None:
        """The head up to the CRLF of its last line, or None while its end has not come.

        Raises `WireError` as soon as it is too large or cannot become a head any more.
        """
        data = self.data
        end = data.find(b"\r\n\r\n", self._looked_at)
        if end < 0:
            self._check_begun()
            return None
        if end + 4 > self._limits.head:
            self._check_first_line()
            raise WireError(Fault.FIELDS_TOO_LARGE, f"a head of {end + 4} bytes")
        if end > self._limits.request_line:
            # As where it comes in pieces: how TCP cuts a message must not decide about it.
            self._check_first_line()
        self._looked_at = 0
        self.data = data[end + 4 :]
        return data[: end + 2]

    def _check_begun(self) -> None:
        data = self.data
        # Behind the place where the first line must have ended it need not be looked for again.
        if self._looked_at <= self._limits.request_line:
            self._check_first_line()
        if len(data) > self._limits.head:
            raise WireError(Fault.FIELDS_TOO_LARGE, "a head that does not end")
        check_begun(data, self._looked_at)
        self._looked_at = max(0, len(data) - 3)

    def _check_first_line(self) -> None:
        # Its CRLF included: the line itself may be as long as the limit.
        longest = self._limits.request_line + 2
        if len(self.data) >= longest and self.data.find(b"\r\n", 0, longest) < 0:
            raise WireError(Fault.TARGET_TOO_LONG, "a first line that does not end")

    def take_all(self) -> bytes:
        data, self.data = self.data, b""
        self._looked_at = 0
        return data
