"""A certificate and its key over time: two files, and the last good thing that was in them.

Files are looked at from outside; they are read when they have changed. What cannot be used is
not taken: the one before goes on. It is complained of when the files have come to rest, for
they are written one after the other.
"""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from daarion_gw.config.reading import Stamp, stamp

from .certificate import DAY, Certificate, Standing, load_into, read
from .context import Profile, new_context
from .sources import Files


@dataclass(frozen=True, slots=True)
class Change:
    """Something has become of a certificate. is_good: it need not worry anybody."""

    text: str
    is_good: bool


class Pair:
    """certificate: what is served, or None as long as there was nothing good. contexts: that
    show it, by what listeners ask for. problem: why what is in the files now is not served.
    """

    def __init__(self, files: Files) -> None:
        self.files = files
        self._paths = Path(files[0]), Path(files[1])
        self.certificate: Certificate | None = None
        self.contexts: dict[Profile, ssl.SSLContext] = {}
        self.problem = ""
        self._is_told = False
        self._stamps: tuple[Stamp, Stamp] | None = None
        self._mark: tuple[Standing, int] | None = None

    def load(self, profiles: Iterable[Profile]) -> None:
        """Take what is in the files now; raises OSError or ValueError, and keeps what there was."""
        # Before they are read, so that a change from then on is one.
        self._stamps = self._now()
        certificate = read(*self.files)
        contexts = {profile: self._context(profile) for profile in profiles}
        if not contexts:
            # Nobody listens yet: OpenSSL's word on it is wanted all the same.
            self._context(Profile())
        self.certificate, self.contexts = certificate, contexts
        self.problem = ""
        self._mark = None

    def add(self, profile: Profile) -> None:
        """Have a context for ``profile`` too; raises like `load`."""
        if self.certificate is not None and profile not in self.contexts:
            self.contexts[profile] = self._context(profile)

    def _context(self, profile: Profile) -> ssl.SSLContext:
        context = new_context(profile)
        load_into(context, *self.files)
        return context

    def refuse(self, error: Exception) -> None:
        """What is in the files now is not taken, as `load` has said; it is told with others."""
        self.problem = plain(error)
        self._is_told = True

    @property
    def is_gone(self) -> bool:
        """Whether it is nothing but a name: no file is left, and nothing is served."""
        return self.certificate is None and self._stamps == (None, None)

    # once a second

    def look(self, profiles: Iterable[Profile]) -> Change | None:
        """Take what has changed; what is to be told of it."""
        stamps = self._now()
        if stamps == self._stamps:
            return self._complaint() if self.problem and not self._is_told else None
        before, problem = self.certificate, self.problem
        self._stamps = stamps
        try:
            self.load(profiles)
        except (OSError, ValueError) as error:
            self.problem = plain(error)
            self._is_told = False
            return None
        assert self.certificate is not None
        if self.certificate != before:
            return Change("new", is_good=True)
        was_told = problem and self._is_told
        return Change("the same again", is_good=True) if was_told else None

    def _complaint(self) -> Change:
        self._is_told = True
        what = "it is not served" if self.certificate is None else "the old one stays"
        return Change(f"certificate not taken, {what}: {self.problem}", is_good=False)

    def _now(self) -> tuple[Stamp, Stamp]:
        cert, key = self._paths
        return stamp(cert), stamp(key)

    def turn(self, now: float) -> bool:
        """Whether its standing is another than when this was asked last; days left count."""
        if self.certificate is None:
            return False
        standing = self.certificate.standing(now)
        days = int((self.certificate.not_after - now) // DAY) if standing is Standing.SOON else 0
        before, self._mark = self._mark, (standing, days)
        return before != self._mark


def plain(error: Exception) -> str:
    """What is wrong, in words that name the file."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
