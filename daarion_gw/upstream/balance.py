"""Who of several servers gets the next exchange. Pure: no network, no clock.

A policy is asked with those that may be asked now, in the order of the configuration, and two
of them at least: who may is not known here. They are the same object as long as nothing changes.
"""

import random
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from heapq import heapify, heapreplace
from itertools import count
from math import log
from typing import TYPE_CHECKING, Protocol

from daarion_gw.config.resilience import Balance
from daarion_gw.wire.fields import values
from daarion_gw.wire.request import RequestHead

if TYPE_CHECKING:
    from .member import Member

Weights = Mapping["Member", int]


class Request(Protocol):
    """What the choice of a server may depend on. client: the address, as logs have it."""

    head: RequestHead

    @property
    def client(self) -> bytes: ...


class Policy(Protocol):
    """One way to choose."""

    def choose(self, candidates: Sequence["Member"], request: Request) -> "Member": ...


def policy_of(balance: Balance, weights: Weights, chance: random.Random | None = None) -> Policy:
    """The policy that ``balance`` names, for servers with these weights."""
    match balance.policy:
        case "round_robin":
            return RoundRobin(weights)
        case "least_busy":
            return LeastBusy(weights)
        case "two_choices":
            return TwoChoices(weights, chance or random.Random())
        case "hash":
            return Rendezvous(weights, balance.source, balance.name)
        case "first":
            return First()


class RoundRobin:
    """In turn, each as often as its weight says, and spread as evenly as can be.

    Who is due first comes first: one of weight 3 is due every third of a round, and each begins
    at a place of its own within the first. Who may not be asked neither gains nor loses. As
    long as the candidates are the same object a choice costs the same, however many they are.
    """

    def __init__(self, weights: Weights) -> None:
        self._step = {member: 1 / weight for member, weight in weights.items()}
        places = enumerate(self._step.items())
        self._due = {
            member: (place + 0.5) / len(weights) * step for place, (member, step) in places
        }
        # When the last one was due (rounds).
        self._now = 0.0
        self._of: Sequence[Member] = ()
        self._line: list[tuple[float, int, Member]] = []

    def choose(self, candidates: Sequence["Member"], request: Request) -> "Member":
        if candidates is not self._of:
            self._line_up(candidates)
        line = self._line
        now, place, best = line[0]
        self._now = now
        due = self._due[best] = now + self._step[best]
        heapreplace(line, (due, place, best))
        return best

    def _line_up(self, candidates: Sequence["Member"]) -> None:
        due, now = self._due, self._now
        self._of = candidates
        # Who was away does not make up for it.
        due.update((member, now) for member in candidates if due[member] < now)
        self._line = [(due[member], place, member) for place, member in enumerate(candidates)]
        heapify(self._line)


def _load(member: "Member", weights: Weights) -> float:
    """How busy it would be with one more."""
    return (member.pool.counters.in_flight + 1) / weights[member]


class LeastBusy:
    """The one with the fewest exchanges under way for its weight; equals take turns."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._turn = count()

    def choose(self, candidates: Sequence["Member"], request: Request) -> "Member":
        weights = self._weights
        first = next(self._turn) % len(candidates)
        best = candidates[first]
        least = _load(best, weights)
        for member in (*candidates[first + 1 :], *candidates[:first]):
            load = _load(member, weights)
            if load < least:
                best, least = member, load
        return best


class TwoChoices:
    """The less busy of two taken at random: no herd runs to the one that looks idle to all."""

    def __init__(self, weights: Weights, chance: random.Random) -> None:
        self._weights = weights
        self._chance = chance

    def choose(self, candidates: Sequence["Member"], request: Request) -> "Member":
        one, other = self._chance.sample(candidates, 2)
        weights = self._weights
        return other if _load(other, weights) < _load(one, weights) else one


class First:
    """The first in the file: the others are its reserve."""

    def choose(self, candidates: Sequence["Member"], request: Request) -> "Member":
        return candidates[0]


class Rendezvous:
    """The same server for the same key, in every process, and whoever else comes or goes.

    Each server draws a number out of its own name and the key, a heavier one a larger number;
    the largest wins. When one is away only its keys move (weighted rendezvous hashing).
    """

    def __init__(self, weights: Weights, source: str, name: str) -> None:
        self._weights = weights
        self._names = {member: member.server.url.encode() for member in weights}
        self._source = source
        self._name = name.encode("latin-1")

    def choose(self, candidates: Sequence["Member"], request: Request) -> "Member":
        key = self._key(request)
        return max(candidates, key=lambda member: self._score(member, key))

    def _score(self, member: "Member", key: bytes) -> float:
        digest = blake2b(key, digest_size=8, key=blake2b(self._names[member]).digest()).digest()
        # 52 bits and a half: neither 0 nor 1 can come of it.
        drawn = ((int.from_bytes(digest) >> 12) + 0.5) / (1 << 52)
        return self._weights[member] / -log(drawn)

    def _key(self, request: Request) -> bytes:
        found = None
        if self._source == "header":
            head = request.head
            found = head.host if self._name == b"host" else head.value(self._name)
        elif self._source == "cookie":
            found = next(iter(cookies(request.head, self._name)), None)
        return found or request.client


def cookies(head: RequestHead, name: bytes) -> list[bytes]:
    """The values of the cookie ``name``, in the order in which the client sent them."""
    found = []
    for line in values(head.fields.kept, b"cookie"):
        for pair in line.split(b";"):
            known, _, value = pair.strip(b" \t").partition(b"=")
            if known == name:
                found.append(value)
    return found
