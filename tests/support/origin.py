"""An upstream server of which the test itself is the program: it sees and sends exact bytes."""

import select
import socket
import ssl

from tests.support.stream import Far
from tests.support.waiting import PATIENCE


class Origin:
    """Listens on the loopback, or on a UNIX socket; tests accept connections one by one."""

    def __init__(self, unix: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._unix = unix
        self._tls = tls
        self._accepted: list[Far] = []
        self.port = 0
        self.listen()

    def listen(self, backlog: int = 128) -> None:
        """Start, or start again at the same place."""
        if self._unix is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self._unix)
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", self.port))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(backlog)

    @property
    def url(self) -> str:
        if self._unix is not None:
            return f"unix:{self._unix}"
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def accept(self, within: float = PATIENCE) -> Far:
        """The next connection that the gateway makes."""
        self.listener.settimeout(within)
        try:
            sock, _ = self.listener.accept()
        except TimeoutError:
            raise AssertionError(f"no connection came within {within:g} s") from None
        if self._tls is not None:
            sock.settimeout(PATIENCE)
            sock = self._tls.wrap_socket(sock, server_side=True)
        far = Far(sock)
        self._accepted.append(far)
        return far

    @property
    def is_untouched(self) -> bool:
        """Whether no connection waits to be accepted."""
        self.listener.settimeout(0)
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return True
        self._accepted.append(Far(sock))
        return False

    def forget(self) -> None:
        """Close what is left of former tests."""
        while not self.is_untouched:
            pass
        for far in self._accepted:
            far.close()
        self._accepted.clear()

    def stop(self) -> None:
        """Stop listening: connections are refused from now on."""
        self.listener.close()

    def close(self) -> None:
        self.forget()
        self.stop()


def first_asked(*origins: Origin) -> tuple[Origin, Far]:
    """Whichever of ``origins`` is connected to first, and that connection."""
    listening = {origin.listener: origin for origin in origins}
    ready, _, _ = select.select(list(listening), [], [], PATIENCE)
    assert ready, "none of them was asked"
    origin = listening[ready[0]]
    return origin, origin.accept()
