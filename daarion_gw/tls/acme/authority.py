"""A certificate authority as its client sees it (RFC 8555): account, orders, advice.

On the libraries ``acme`` and ``josepy``, which block: everything here runs in a thread of its own
and knows neither Twisted nor when it is called.
"""

import datetime
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import josepy
import requests
from acme import challenges, client, errors, messages
from cryptography.hazmat.primitives import serialization

from daarion_gw import __version__
from daarion_gw.config.acme import ACME

from . import keys
from .folder import ALPN, StateFolder
from .plan import LOOK_USUALLY, Window

# Seconds for one question to the authority, and for all that it takes to come to a decision.
QUESTION, DECISION = 20, 90.0
# A nonce may be refused for no fault of ours, again and again (RFC 8555 6.5).
NONCES = 8


class RefusedError(Exception):
    """No certificate was to be had; the message says why. wish: seconds until it may be tried."""

    def __init__(self, reason: str, wish: float = 0.0) -> None:
        super().__init__(reason)
        self.wish = wish


class _Network(client.ClientNetwork):
    """Tries another nonce more than once, and notes when the authority wants to be asked again."""

    def __init__(self, key: josepy.JWK, ca: str | None) -> None:
        agent = f"daarion-gw/{__version__}"
        super().__init__(key, alg=josepy.ES256, user_agent=agent, timeout=QUESTION)
        # A file stands for itself (requests' own convention).
        self.verify_ssl = ca or True
        self.wish = 0.0
        self.session.hooks["response"].append(self._note)

    def _note(self, answer: requests.Response, **_words: Any) -> None:
        self.wish = seconds_of(answer) if answer.status_code >= 400 else 0.0

    def post(self, *words: Any, **named: Any) -> requests.Response:
        """See there: one try more with a new nonce is too few where many are refused."""
        for _ in range(NONCES - 1):
            try:
                return super().post(*words, **named)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*words, **named)


class _NewOrder(messages.NewOrder):
    """One that says which certificate it renews (RFC 9773 5)."""

    replaces: str = josepy.field("replaces", omitempty=True)


class Authority:
    """The authority of ``settings``. Publishes challenges in ``folder`` while they are pending.

    settle: called with the kind of challenge once one is published; it returns when every process
    answers it. Raises `RefusedError` from all methods, and OSError where ``folder`` cannot be
    written.
    """

    def __init__(self, settings: ACME, folder: StateFolder, settle: Callable[[str], None]) -> None:
        self._settings = settings
        self._folder = folder
        self._settle = settle
        self._kept = folder.account(settings.directory)
        if "key" not in self._kept:
            # Before it is known to anybody: an account without its key is lost.
            self._keep(key=keys.new_key().decode("ascii"))
        loaded = serialization.load_pem_private_key(self._kept["key"].encode("ascii"), None)
        self._key = josepy.JWKEC(key=loaded)
        self._network = _Network(self._key, settings.ca)
        self._client: client.ClientV2 | None = None

    # what is asked for

    def obtain(self, name: str, kind: str, replaced: str | None) -> tuple[bytes, bytes]:
        """A certificate with its chain, and its key. replaced: what it renews, as ARI names it."""
        try:
            return self._obtain(name, kind, replaced)
        except _FAILURES as error:
            raise self._refusal(error) from error

    def window(self, ari: str) -> Window:
        """What the authority advises on the certificate of that name (RFC 9773 4)."""
        try:
            base = self._directory().directory.to_partial_json().get("renewalInfo")
            if base is None:
                return Window()
            answer = self._network.get(f"{base.rstrip('/')}/{ari}")
        except _FAILURES as error:
            raise self._refusal(error) from error
        try:
            told = answer.json()["suggestedWindow"]
            start, end = (_moment(told[word]) for word in ("start", "end"))
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError("its renewal information cannot be understood") from error
        return Window(start, end, seconds_of(answer) or LOOK_USUALLY)

    # account

    def _directory(self) -> client.ClientV2:
        if self._client is None:
            told = client.ClientV2.get_directory(self._settings.directory, self._network)
            self._client = client.ClientV2(told, self._network)
        return self._client

    def _signed_in(self) -> client.ClientV2:
        """The client with our account; one that is not there yet is opened."""
        asking = self._directory()
        email = self._settings.email
        if "uri" not in self._kept:
            wanted = messages.NewRegistration.from_data(email=email, terms_of_service_agreed=True)
            try:
                uri = asking.new_account(wanted).uri
            except errors.ConflictError as error:
                # It knows the key.
                uri = error.location
            self._keep(uri=uri, email=email)
        body = messages.Registration()
        account = messages.RegistrationResource(body=body, uri=self._kept["uri"])
        self._network.account = account
        if self._kept.get("email") != email:
            contact = {"contact": (f"mailto:{email}",) if email else ()}
            asking.update_registration(account, messages.Registration(**contact))
            self._keep(email=email)
        return asking

    def _keep(self, **changed: Any) -> None:
        self._kept = {"directory": self._settings.directory, **self._kept, **changed}
        self._folder.keep_account(self._settings.directory, self._kept)

    # an order

    def _obtain(self, name: str, kind: str, replaced: str | None) -> tuple[bytes, bytes]:
        key = keys.new_key()
        asking = self._signed_in()
        try:
            order = self._order(asking, name, key, replaced)
        except messages.Error as error:
            if error.code != "accountDoesNotExist":
                raise
            # It has forgotten us: the same key opens another account.
            del self._kept["uri"]
            self._network.account = None
            order = self._order(self._signed_in(), name, key, replaced)
        with ExitStack() as pending:
            for authorization in order.authorizations:
                if authorization.body.status != messages.STATUS_VALID:
                    self._prove(asking, authorization, name, kind, pending)
            deadline = datetime.datetime.now() + datetime.timedelta(seconds=DECISION)
            chain = asking.poll_and_finalize(order, deadline).fullchain_pem.encode("ascii")
        if not keys.belongs(chain, key, name):
            raise RefusedError("what it issued is for another key or another name")
        return chain, key

    def _order(
        self, asking: client.ClientV2, name: str, key: bytes, replaced: str | None
    ) -> messages.OrderResource:
        answer = self._ordered(asking, name, replaced)
        body = messages.Order.from_json(answer.json())
        proofs = []
        for uri in body.authorizations:
            told = messages.Authorization.from_json(self._post(asking, uri, None).json())
            proofs.append(messages.AuthorizationResource(body=told, uri=uri))
        return messages.OrderResource(
            body=body,
            uri=answer.headers["Location"],
            authorizations=proofs,
            csr_pem=keys.request_for(key, name),
        )

    def _ordered(
        self, asking: client.ClientV2, name: str, replaced: str | None
    ) -> requests.Response:
        wanted = (messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name),)
        uri = asking.directory["newOrder"]
        if replaced is not None and "renewalInfo" in asking.directory.to_partial_json():
            try:
                return self._post(asking, uri, _NewOrder(identifiers=wanted, replaces=replaced))
            except messages.Error as error:
                # It may not know that certificate, or have seen it replaced: then it is a new
                # one like any other (RFC 9773 5).
                if error.code in ("accountDoesNotExist", "rateLimited"):
                    raise
        return self._post(asking, uri, messages.NewOrder(identifiers=wanted))

    def _post(self, asking: client.ClientV2, uri: str, what: Any) -> requests.Response:
        return self._network.post(uri, what, new_nonce_url=asking.directory["newNonce"])

    def _prove(
        self,
        asking: client.ClientV2,
        authorization: messages.AuthorizationResource,
        name: str,
        kind: str,
        pending: ExitStack,
    ) -> None:
        """Publish the answer to a challenge until ``pending`` is closed, and say so."""
        offered = {each.chall.to_json()["type"]: each for each in authorization.body.challenges}
        chosen = offered.get(kind)
        if chosen is None:
            kinds = ", ".join(sorted(offered)) or "none"
            raise RefusedError(f"it offers no {kind} for this domain, only: {kinds}")
        token = chosen.chall.to_json()["token"]
        thumbprint = josepy.b64encode(self._key.thumbprint()).decode("ascii")
        answer = f"{token}.{thumbprint}"
        if kind == ALPN:
            published = self._folder.publish(kind, name, keys.challenge(name, answer))
        else:
            published = self._folder.publish(kind, checked(token), answer.encode("ascii"))
        pending.callback(published.unlink, missing_ok=True)
        self._settle(kind)
        # Whatever the kind, what is sent is an empty object: look now (RFC 8555 7.5.1).
        self._post(asking, chosen.uri, challenges.HTTP01Response(key_authorization=answer))

    def _refusal(self, error: Exception) -> RefusedError:
        if isinstance(error, RefusedError):
            return error
        return RefusedError(in_words(error, self._settings), self._network.wish)


def checked(token: str) -> str:
    """A token, which becomes a file's name: letters of base64url and no others (RFC 8555 8.3)."""
    if not token or len(token) > 200 or not token.replace("-", "").replace("_", "").isalnum():
        raise RefusedError("its token is none")
    if not token.isascii():
        raise RefusedError("its token is none")
    return token


def seconds_of(answer: requests.Response) -> float:
    """What Retry-After says, in seconds; 0 without one, and where it is a date."""
    told = answer.headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdigit() and len(told) < 8 else 0.0


def _moment(text: str) -> float:
    """UNIX seconds of a time as RFC 3339 writes it."""
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.timestamp()


_FAILURES = (
    errors.Error,
    josepy.Error,
    requests.RequestException,
    RefusedError,
    # An answer without what it must have; and what the library makes of a refused connection.
    KeyError,
    ValueError,
)


def in_words(error: Exception, settings: ACME) -> str:
    """Why the authority did not do it, in words for the operator."""
    if isinstance(error, errors.ValidationError):
        told = [
            f"{each.error.detail or each.error.typ} ({each.chall.to_json()['type']})"
            for proof in error.failed_authzrs
            for each in proof.body.challenges
            if each.error is not None
        ]
        return f"the domain could not be validated: {'; '.join(told)}"
    if isinstance(error, errors.IssuanceError):
        return f"the order failed: {error.error.detail or error.error.typ}"
    if isinstance(error, messages.Error):
        return f"it refused: {error.detail or error.title or error.typ} ({error.typ})"
    if isinstance(error, errors.TimeoutError):
        return f"it did not decide within {DECISION:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        trusted = settings.ca or "the system's certificate authorities"
        return f"{settings.directory}: its certificate is not to be believed, going by {trusted}"
    if isinstance(error, requests.exceptions.Timeout):
        return f"{settings.directory}: no answer within {QUESTION} s"
    is_unreachable = str(error).startswith("Requesting ")
    if isinstance(error, requests.exceptions.ConnectionError) or is_unreachable:
        return f"{settings.directory} cannot be reached: {_short(error)}"
    return f"{settings.directory}: {type(error).__name__}: {_short(error)}"


def _short(error: Exception) -> str:
    """The innermost reason: the library wraps it several times."""
    deepest: BaseException = error
    while deepest.__cause__ or deepest.__context__:
        deepest = deepest.__cause__ or deepest.__context__ or deepest
    text = getattr(deepest, "strerror", None) or str(deepest) or type(deepest).__name__
    return " ".join(text.split())[:300]
