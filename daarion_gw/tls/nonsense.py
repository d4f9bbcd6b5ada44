"""Names of hosts that are none, as clients may send them: they are not to fill the log.

A name has to be ASCII. Where it is not, Python's ssl ends the handshake with an alert before it
asks anybody, which is right, and writes a traceback to the standard error, which whoever can
connect could do as often as they like.
"""

import sys
from typing import Any

_is_in_place = False


def keep_quiet() -> None:
    """Say nothing of such names from now on; everything else goes to whom it went before."""
    global _is_in_place
    if _is_in_place:
        return
    _is_in_place = True
    before = sys.unraisablehook

    def tell(found: Any) -> None:
        # ssl names the bytes that the client has sent as the object.
        is_name = isinstance(found.object, bytes)
        if not (is_name and isinstance(found.exc_value, UnicodeDecodeError)):
            before(found)

    sys.unraisablehook = tell
