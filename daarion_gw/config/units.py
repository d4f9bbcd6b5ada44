"""The units of the configuration: durations, sizes, shares, counts and switches.

Text or number in, number out. Sizes are binary multiples, as nginx has them: ``1K`` is 1024
bytes. Knows nothing of YAML or of the settings that use it.
"""

from __future__ import annotations

import math
import re

from daarion_gw.config.problems import UnfitError

DURATION = "a duration such as 250ms, 5s, 2m, 24h, 1d, seconds as a bare number, or off"
SIZE = "a size such as 64K, 100M, 1G, bytes as a bare number, or off"
SWITCH = "true or false"
SHARE = "a share such as 20% or 0.2"
COUNT = "a whole number"

_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_DURATION = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?(ms|s|m|h|d|)", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?(%?)", re.ASCII)
_SWITCHES = {"true": True, "on": True, "false": False, "off": False}

# Longer than any timer makes sense, and far below where float arithmetic of clocks gets coarse.
_LONGEST = 10 * 365 * 86400.0
_LARGEST = 2**63 - 1
# More of anything that is counted here than a machine has.
_MOST = 10**9


def duration(value: object) -> float:
    """Seconds of ``250ms``, ``5s``, ``1.5``, …; ``off`` is 0. Raises ``UnfitError``."""
    if _is_off(value):
        return 0.0
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        value = float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError(DURATION)
    return _seconds_in_range(value)


def optional_duration(value: object) -> float | None:
    """Like ``duration``, with None for ``off`` and for 0."""
    return None if value is None else duration(value) or None


def size(value: object) -> int:
    """Bytes of ``64K``, ``100M``, ``1.5G``, ``4096``, …; ``off`` is 0. Raises ``UnfitError``."""
    if _is_off(value):
        return 0
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        value = _whole(match[1], _BYTES[match[2].upper()])
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnfitError(SIZE)
    return _bytes_in_range(value)


def optional_size(value: object) -> int | None:
    """Like ``size``, with None for ``off`` and for 0."""
    return None if value is None else size(value) or None


def switch(value: object) -> bool:
    """True or False; the words true, on, false and off stand for them. Raises ``UnfitError``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _SWITCHES:
        return _SWITCHES[value.lower()]
    raise UnfitError(SWITCH)


def share(value: object) -> float:
    """0.2 of ``20%`` or ``0.2``; ``off`` is 0. Raises ``UnfitError``."""
    if _is_off(value):
        return 0.0
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        value = float(match[1]) / (100 if match[2] else 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError(SHARE)
    if not 0 <= value <= 1:
        raise UnfitError(SHARE, reason="a share is between 0% and 100%")
    return float(value)


def count(value: object) -> int:
    """A whole number; ``off`` is 0. Raises ``UnfitError``."""
    if _is_off(value):
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit():
        # Out of a variable.
        value = int(value[:12])
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnfitError(COUNT)
    if not 0 <= value <= _MOST:
        raise UnfitError(COUNT, reason=f"it is not between 0 and {_MOST}")
    return value


def optional_count(value: object) -> int | None:
    """Like ``count``, with None for ``off`` and for 0."""
    return None if value is None else count(value) or None


def duration_text(seconds: float) -> str:
    """The shortest way to write a duration: 86400 → ``1d``, 0.25 → ``250ms``, 0 → ``off``."""
    if not seconds:
        return "off"
    for unit in ("d", "h", "m", "s"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    if seconds * 1000 == round(seconds * 1000):
        return f"{seconds * 1000:.0f}ms"
    return repr(float(seconds))


def size_text(count: int) -> str:
    """The shortest way to write a size: 104857600 → ``100M``, 0 → ``off``."""
    if not count:
        return "off"
    for unit in ("T", "G", "M", "K"):
        if count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return str(count)


def _is_off(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() == "off")


def _seconds_in_range(seconds: float) -> float:
    if math.isnan(seconds) or seconds < 0:
        raise UnfitError(DURATION, reason="a duration cannot be negative")
    if seconds > _LONGEST:
        raise UnfitError(DURATION, reason="longer than ten years")
    return float(seconds)


def _bytes_in_range(count: int) -> int:
    if count < 0:
        raise UnfitError(SIZE, reason="a size cannot be negative")
    if count > _LARGEST:
        raise UnfitError(SIZE, reason="larger than any file can be")
    return count


def _whole(number: str, factor: int) -> int:
    """``number`` times ``factor``, exactly; a fraction of a byte is a mistake."""
    digits, _, fraction = number.partition(".")
    scale = int("1" + "0" * len(fraction))
    count, rest = divmod(int(digits + fraction) * factor, scale)
    if rest:
        raise UnfitError(SIZE, reason="not a whole number of bytes")
    return count
