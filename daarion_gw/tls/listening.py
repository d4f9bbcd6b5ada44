"""What the connections of one listener share: where its certificates come from, and tickets."""

import ssl
from dataclasses import replace
from typing import Any

from .clients import Clients
from .context import Profile
from .store import Store
from .tickets import TICKET_KEYS, TicketKeys, set_keys


class Listening:
    """Begins the TLS of each connection; raises ConfigurationError where ``store`` cannot serve.

    Which certificate a client sees is chosen by the store while it shakes hands. Tickets are of
    the listener, whatever name they were given for: OpenSSL reads them before it asks. They are
    good for as long as the certificates and the profile are the same, so that no session goes on
    at a listener that would not have begun it.
    """

    def __init__(
        self,
        store: Store,
        profile: Profile = Profile(),  # noqa: B008 (it is frozen)
        ticket_keys: TicketKeys = TICKET_KEYS,
    ) -> None:
        store.serve(profile)
        self._store = store
        self.profile = profile
        self._ticket_keys = ticket_keys
        self._keyed: tuple[ssl.SSLContext, int] | None = None
        # What is shown in the store's place to whoever comes to validate a domain (RFC 8737).
        self.challenges = store.challenges
        # Written to and read empty within one call, so all connections share it: a buffer
        # of OpenSSL's never gives back what it once needed.
        self.incoming = ssl.MemoryBIO()

    @property
    def asks(self) -> bool:
        """Whether clients are asked for certificates."""
        return self.profile.clients is not None

    def prepare(self, clients: Clients | None) -> Profile:
        """What `ask` would make of it; raises ConfigurationError, and changes nothing yet."""
        profile = replace(self.profile, clients=clients)
        self._store.serve(profile)
        return profile

    def ask(self, clients: Clients | None) -> None:
        """Ask new clients for what was prepared."""
        self.profile = self.prepare(clients)
        self._keyed = None

    def connection(self, outgoing: ssl.MemoryBIO) -> Any:
        """The TLS of a new connection (ssl.SSLObject), which has not begun."""
        context = self._store.context(self.profile)
        period = self._ticket_keys.period
        if self._keyed is None or self._keyed[1] != period or self._keyed[0] is not context:
            self._keyed = context, period
            label = self._store.label + self.profile.label
            set_keys(context, self._ticket_keys.keys(label))
        return context.wrap_bio(self.incoming, outgoing, server_side=True)
