"""How far an exchange has come. What follows from it is not known here."""

from enum import Enum, auto


class Phase(Enum):
    """Where an exchange is on its way."""

    # No server is asked: there is no place, or none can be reached, or it is too soon.
    WAITING = auto()
    CONNECTING = auto()
    # The request is being sent, or was, and the answer has not begun.
    ASKING = auto()
    ANSWERING = auto()
    SWITCHED = auto()
    DONE = auto()
