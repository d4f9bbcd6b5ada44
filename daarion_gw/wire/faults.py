"""How the wire says that a message cannot be passed on."""

from daarion_gw.errors import Fault


class WireError(Exception):
    """A message that must be refused: the fault and, for the operator, what exactly it was.

    Raised inside ``wire`` only for input that is wrong, never for input that is not
    complete; the receivers catch it and tell their sink.
    """

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail
        # The beginning of the message, where it never became one: for the log.
        self.line = b""
