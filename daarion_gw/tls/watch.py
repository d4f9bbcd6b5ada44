"""All certificates of a process: given to its listeners, looked after, told of and counted.

A gateway has one, and so has the master of several workers, which serves nobody itself: it says
for all of them what becomes of the files that each of them looks at.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from twisted.internet import endpoints

from daarion_gw.config.problems import ConfigurationError, Problem
from daarion_gw.config.tls import TLS
from daarion_gw.observe.counters import Counters

from .certificate import Certificate, read
from .clients import clients_of
from .endpoint import PREFIX, TLSEndpoint
from .listening import Listening
from .pair import plain
from .sources import sources_of
from .store import Plan, Store

NONE = (
    "it has no certificate: name one in its string (privateKey=FILE:certKey=FILE), or any number "
    "in gateway.yaml (tls: {certificates: [{cert: FILE, key: FILE}]})"
)
UNUSED = (
    f"tls: no listener shows the certificates that it has or gets: {PREFIX}:443 in listen would"
)

# Text with a format and its values, as a Logger's methods take it.
Say = Callable[..., None]


class Watch:
    """store: those of the settings, for all listeners that name no files of their own.

    tell, warn: to the log. file: of the settings. Raises ConfigurationError.
    """

    def __init__(
        self,
        tls: TLS,
        file: str | None,
        counters: Counters,
        tell: Say,
        warn: Say,
    ) -> None:
        self._counters = counters
        self._tell = tell
        self._warn = warn
        self._clients = clients_of(tls, file or "")
        self._places: list[TLSEndpoint] = []
        self._asking: list[TLSEndpoint] = []
        self.store = Store(sources_of(tls), tls.strict, file or "")
        self._stores = [self.store]
        # Of listeners of Twisted's, which read them once.
        self._fixed: list[Certificate] = []
        self._is_needed = False

    def give(self, places: Iterable[tuple[str, Any]]) -> None:
        """Let listeners have what they show; raises ConfigurationError.

        places: their strings with their endpoints.
        """
        problems = []
        for text, place in places:
            if isinstance(place, TLSEndpoint):
                problem = self._give(place)
            elif text.startswith("ssl:"):
                problem = self._note(text)
            else:
                problem = ""
            if problem:
                problems.append(Problem("", None, None, f"cannot listen on {text!r}", problem))
        if problems:
            raise ConfigurationError(problems)
        self._count()

    def ask(self, places: Iterable[tuple[str, Any]]) -> None:
        """Have clients of these listeners asked for certificates, if the settings say so."""
        self._asking = [place for _, place in places if isinstance(place, TLSEndpoint)]
        for place in self._asking:
            place.clients = self._clients

    def _give(self, place: TLSEndpoint) -> str:
        self._places.append(place)
        if place.store is not None:
            self._stores.append(place.store)
            return ""
        place.store = self.store
        self._is_needed = True
        return "" if self.store.certificates or self.store.awaits else NONE

    def _note(self, text: str) -> str:
        """Twisted has them read by now, and says nothing of what clients will not like."""
        found = _seen(text)
        if isinstance(found, str):
            return found
        self._fixed.append(found)
        return ""

    # a reload

    def plan(self, tls: TLS, file: str | None) -> Plan:
        """What `take` would make of new settings; changes nothing, or raises ConfigurationError."""
        clients = clients_of(tls, file or "")
        for listening in _listening(self._asking):
            listening.prepare(clients)
        plan = self.store.plan(sources_of(tls), tls.strict, file or "")
        if self._is_needed and not plan.pairs and tls.acme is None:
            problem = f"no certificate is left for {PREFIX}:, which this gateway listens on"
            raise ConfigurationError([Problem(file or "", None, None, "tls", problem)])
        return replace(plan, clients=clients)

    def take(self, plan: Plan) -> None:
        """Go on as planned, and look at all files at once."""
        before = set(self.store.certificates)
        problems = set(self.store.problems)
        self.store.take(plan)
        for listening in _listening(self._asking):
            listening.ask(plan.clients)
        self._forget()
        self._describe([each for each in self.store.certificates if each not in before])
        for problem in self.store.problems:
            if problem not in problems:
                self._warn("certificate not served: {problem}", problem=problem)
        self.look()
        self._count()

    def _forget(self) -> None:
        """What listeners were like before is over; open connections keep what they have of it."""
        for store in self._stores:
            shown = [place for place in self._places if place.store is store]
            store.keep({listening.profile for listening in _listening(shown)})

    # telling

    def tell(self) -> None:
        """What there is, for the log of the start."""
        self._describe(self.certificates())
        for problem in self.problems():
            self._warn("certificate not served: {problem}", problem=problem)
        if self.is_unused:
            self._warn(UNUSED)

    def _describe(self, certificates: Iterable[Certificate]) -> None:
        now = time.time()
        for certificate in certificates:
            self._tell("{line}", line=certificate.line(now))
            for found in certificate.findings(now):
                self._warn("{found}", found=found.text)

    def look(self) -> None:
        """Once a second: what has changed in files, folders and time."""
        self.store.challenges.look()
        changes = [change for store in self._stores for change in store.look()]
        for change in changes:
            say = self._tell if change.is_good else self._warn
            say("{what}", what=change.text)
        if changes:
            self._count()

    @property
    def is_unused(self) -> bool:
        """Whether there are, or will be, certificates of the settings that no listener shows."""
        return bool(self.store.certificates or self.store.awaits) and not self._is_needed

    def certificates(self) -> list[Certificate]:
        """All that are served."""
        return [each for store in self._stores for each in store.certificates] + self._fixed

    def problems(self) -> list[str]:
        """Why what is in some files now is not served."""
        return [problem for store in self._stores for problem in store.problems]

    def _count(self) -> None:
        """Until when each name has a certificate, for the metrics."""
        until: dict[str, float] = {}
        shown = [(name, each) for store in self._stores for name, each in store.names().items()]
        shown += [(name, each) for each in self._fixed for name in each.names]
        shown += [(each.cert_file, each) for each in self.certificates() if not each.names]
        for name, each in shown:
            # Of two listeners that show different ones the worse counts.
            until[name] = min(each.not_after, until.get(name, each.not_after))
        self._counters.certificates = until

    def described(self) -> dict[str, Any]:
        """For the status page."""
        now = time.time()
        served = [
            {
                "names": list(each.names),
                "issuer": each.issuer,
                "not_before": _time(each.not_before),
                "not_after": _time(each.not_after),
                "standing": each.standing(now).value,
                "files": [each.cert_file, each.key_file],
            }
            for each in self.certificates()
        ]
        return {"strict": self.store.is_strict, "served": served, "problems": self.problems()}


def _listening(places: Iterable[TLSEndpoint]) -> list[Listening]:
    """Of those that listen already."""
    return [place.listening for place in places if place.listening is not None]


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def mistake_in(text: str) -> str:
    """What is wrong with the files of a string of Twisted's ``ssl:``, if it is they."""
    found = _seen(text)
    return found if isinstance(found, str) else ""


def _seen(text: str) -> Certificate | str:
    try:
        return read(*_files_of(text))
    except (OSError, ValueError) as error:
        return plain(error)


def _files_of(text: str) -> tuple[str, str, str | None]:
    """Certificate, key and chain of a string of Twisted's ``ssl:``, which has defaults for them."""
    arguments, words = endpoints._parse(text)
    key, cert = (*arguments[2:4], None, None)[:2]
    key = words.get("privateKey") or key or "server.pem"
    cert = words.get("certKey") or cert or key
    return cert, key, words.get("extraCertChain")
