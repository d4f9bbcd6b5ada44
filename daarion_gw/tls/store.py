"""The certificates of a gateway, by the names that clients ask for.

The first of them is for clients that name no host, or one that no certificate has; a strict
store refuses those. Everything that a handshake needs is made beforehand: it costs one look into
a dict, or two, however many certificates there are. This module must not know who listens, nor
who reads what becomes of the certificates.
"""

import hashlib
import ssl
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from daarion_gw.config.problems import ConfigurationError, Problem

from .certificate import Certificate, Standing
from .challenges import Challenges
from .clients import Clients
from .context import Profile, new_context
from .nonsense import keep_quiet
from .pair import Change, Pair, plain
from .sources import LAYOUTS, Files, Source

_REFUSED = ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
_INVALID = (Standing.EARLY, Standing.EXPIRED)
_EXPECTED = " or ".join(" and ".join(layout) for layout in LAYOUTS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a store would be after a change that has been found to be possible.

    clients: what its listeners would ask clients for, which is nothing to the store itself.
    """

    sources: tuple[Source, ...]
    strict: bool
    pairs: dict[Files, Pair]
    clients: Clients | None = None


class Store:
    """Made of `sources_of` the settings; raises ConfigurationError with all that is wrong.

    Listeners whose strings name their files have a store of their own: `of_files`.
    """

    def __init__(
        self,
        sources: Sequence[Source] = (),
        strict: bool = False,
        file: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """file: in which the sources are written, for mistakes in it."""
        self._clock = clock
        self.challenges = Challenges()
        self._profiles: dict[Profile, ssl.SSLContext] = {}
        self._pairs: dict[Files, Pair] = {}
        self._sources: dict[Source, list[Files]] = {}
        # Why a folder cannot be looked into, for those with which it is so.
        self._closed: dict[Source, str] = {}
        self.take(self.plan(sources, strict, file))

    @classmethod
    def of_files(cls, cert_file: str, key_file: str) -> "Store":
        """With a single certificate."""
        return cls([Source("", files=(cert_file, key_file))])

    # what is in it

    @property
    def certificates(self) -> list[Certificate]:
        """What is served, the one for nameless clients first."""
        return [pair.certificate for pair in self._pairs.values() if pair.certificate is not None]

    @property
    def problems(self) -> list[str]:
        """Why what is in some files now is not served."""
        broken = [pair.problem for pair in self._pairs.values() if pair.problem]
        return broken + list(self._closed.values())

    @property
    def is_strict(self) -> bool:
        """Whether clients have to name a host that a certificate has."""
        return self._strict

    @property
    def awaits(self) -> bool:
        """Whether it is right for it to be empty."""
        return any(source.is_awaited for source in self._sources)

    def names(self) -> dict[str, Certificate]:
        """Every name with the certificate that is shown for it."""
        found = {name: pair.certificate for name, pair in self._by_name.items()}
        return {name: each for name, each in found.items() if each is not None}

    def find(self, name: str) -> Pair | None:
        """Whose certificate is good for ``name``; a wildcard stands for one label."""
        name = name.lower()
        found = self._by_name.get(name)
        if found is None:
            label, _, rest = name.partition(".")
            if label:
                found = self._by_name.get(f"*.{rest}")
        return found

    # for listeners

    def serve(self, profile: Profile) -> None:
        """Have contexts of this kind from now on; raises ConfigurationError."""
        if profile in self._profiles:
            return
        for pair in self._pairs.values():
            try:
                pair.add(profile)
            except (OSError, ValueError) as error:
                # It was good a moment ago.
                raise ConfigurationError([_problem(plain(error))]) from error
        # What a handshake begins with when there is no certificate.
        self._profiles[profile] = new_context(profile)
        self._settle()

    def keep(self, profiles: Set[Profile]) -> None:
        """Contexts of any other kind are wanted no more."""
        for profile in self._profiles.keys() - profiles:
            del self._profiles[profile], self._begin[profile]
            for pair in self._pairs.values():
                pair.contexts.pop(profile, None)

    def context(self, profile: Profile) -> ssl.SSLContext:
        """What the handshake of a client begins with, whatever it will ask for."""
        return self._begin[profile]

    def context_for(self, name: str, profile: Profile) -> ssl.SSLContext | None:
        """The context that shows a certificate for ``name``."""
        pair = self.find(name)
        return pair.contexts[profile] if pair is not None else None

    def _choose(self, profile: Profile, tls: Any, name: str | None, _: ssl.SSLContext) -> Any:
        """The client has said whom it wants (`ssl.SSLContext.sni_callback`)."""
        context = self.context_for(name, profile) if name is not None else None
        if context is not None:
            tls.context = context
        elif self._strict or self._is_empty:
            return _REFUSED
        return None

    # changes

    def plan(self, sources: Sequence[Source], strict: bool = False, file: str = "") -> Plan:
        """Read what is new; raises ConfigurationError, and changes nothing yet.

        A pair that is here already goes on, whatever has become of its files: `look` sees to
        them. One in a folder that cannot be used takes nobody else's place; it is told.
        """
        pairs: dict[Files, Pair] = {}
        problems: list[Problem] = []
        for source in sources:
            try:
                found = source.pairs()
            except OSError as error:
                problems.append(_problem(plain(error), source.place, file))
                continue
            if not found and not source.is_awaited:
                what = f"{source.folder}: there is no certificate in it"
                problems.append(_problem(what, source.place, file, f"{_EXPECTED}, in it or in "
                                         "folders below it"))  # fmt: skip
            for files in found:
                pairs[files] = pair = pairs.get(files) or self._opened(files)
                if pair.certificate is None and source.files is not None:
                    problems.append(_problem(pair.problem, source.place, file))
        if problems:
            raise ConfigurationError(problems)
        is_served = any(pair.certificate is not None for pair in pairs.values())
        if pairs and not is_served and not any(source.is_awaited for source in sources):
            raise ConfigurationError(
                [_problem(pair.problem, "tls.certificates", file) for pair in pairs.values()]
            )
        return Plan(tuple(sources), strict, pairs)

    def _opened(self, files: Files) -> Pair:
        """The pair that is here, or a new one with what is in its files, good or not."""
        known = self._pairs.get(files)
        if known is not None and known.certificate is not None:
            return known
        pair = Pair(files)
        try:
            pair.load(self._profiles)
        except (OSError, ValueError) as error:
            pair.refuse(error)
        # What is to be said of it now is said by who plans.
        pair.turn(self._clock())
        return pair

    def take(self, plan: Plan) -> None:
        """Be as planned."""
        self._strict = plan.strict
        self._pairs = plan.pairs
        self._sources = {source: [] for source in plan.sources}
        self._closed = {}
        self.challenges.settle(next((each.challenges for each in plan.sources
                                     if each.challenges is not None), None))  # fmt: skip
        self._settle()

    def look(self) -> list[Change]:
        """Take what has changed in files and folders, and in time; what is to be told of it.

        Meant to be called once a second.
        """
        changes = self._look_into_folders()
        has_changed = False
        now = self._clock()
        for pair in self._pairs.values():
            before = pair.certificate
            change = pair.look(self._profiles)
            has_changed |= pair.certificate is not before
            has_turned = pair.turn(now)
            if change is not None:
                changes += _told(change, pair.certificate, now)
            elif has_turned:
                has_changed = True
                changes += _standing(pair.certificate, now)
        if has_changed:
            self._settle()
        return changes

    def _look_into_folders(self) -> list[Change]:
        """Find new pairs. One that is there no more is served until the settings are read anew."""
        changes = []
        for source in self._sources:
            if source.folder is None:
                continue
            try:
                found = source.pairs()
            except OSError as error:
                if source not in self._closed:
                    self._closed[source] = plain(error)
                    changes.append(Change(f"cannot look for certificates: {plain(error)}", False))
                continue
            self._closed.pop(source, None)
            self._sources[source] = found
        order = [files for source, known in self._sources.items()
                 for files in ([source.files] if source.files is not None else known)]  # fmt: skip
        if not order:
            return changes
        pairs = {files: self._pairs.get(files) or Pair(files) for files in order}
        # Those that are gone by now, and were before they could be seen to be in a folder.
        pairs |= {files: pair for files, pair in self._pairs.items() if files not in pairs}
        self._pairs = {files: pair for files, pair in pairs.items() if not pair.is_gone}
        return changes

    def _settle(self) -> None:
        """Make what handshakes look at from what there is."""
        now = self._clock()
        usable = [(pair, pair.certificate) for pair in self._pairs.values()
                  if pair.certificate is not None]  # fmt: skip
        # certbot leaves the old one where it is when it begins anew under another name.
        ranked = sorted(usable, key=lambda each: each[1].standing(now) in _INVALID)
        self._by_name: dict[str, Pair] = {}
        for pair, certificate in ranked:
            for name in certificate.names:
                self._by_name.setdefault(name, pair)
        self._is_empty = not usable
        self._begin = {
            profile: usable[0][0].contexts[profile] if usable else empty
            for profile, empty in self._profiles.items()
        }
        fingerprints = sorted(certificate.fingerprint for _, certificate in usable)
        self.label = hashlib.sha256(b"".join(fingerprints)).digest()
        # A single certificate is shown to everybody: nobody has to be asked.
        must_choose = self._strict or len(usable) != 1
        if must_choose:
            keep_quiet()
        for profile, context in self._begin.items():
            choose: Any = partial(self._choose, profile) if must_choose else None
            context.sni_callback = choose


def _problem(found: str, place: str = "", file: str = "", expected: str | None = None) -> Problem:
    return Problem(file if place else "", None, None, place, found, expected)


def _told(change: Change, certificate: Certificate | None, now: float) -> list[Change]:
    """A change with what there is to be said of the certificate."""
    if not change.is_good or certificate is None:
        return [change]
    findings = [Change(found.text, is_good=False) for found in certificate.findings(now)]
    return [Change(f"{change.text}: {certificate.line(now)}", is_good=True), *findings]


def _standing(certificate: Certificate | None, now: float) -> list[Change]:
    """What there is to be said because of the time that it is."""
    if certificate is None or certificate.standing(now) is Standing.FINE:
        return []
    return [Change(found.text, is_good=False) for found in certificate.findings(now)[:1]]
