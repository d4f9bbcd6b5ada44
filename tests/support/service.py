"""An upstream server that answers by itself, well or badly as the test says at the moment."""

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    service: "Service"

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that a test breaks off are no errors of the test."""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.service.sockets.append(self.connection)

    def do_GET(self) -> None:
        service = self.server.service
        if self.path == "/health":
            service.probed += 1
            self._answer(service.health, b"fine")
        else:
            service.asked += 1
            self._answer(service.status, service.name)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status >= 500:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Service:
    """status: of all answers but those at /health, which is ``health``; the body is its name."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.status = 200
        self.health = 200
        self.asked = 0
        self.probed = 0
        self.port = 0
        self.sockets: list[socket.socket] = []
        self._server: _Server | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def label(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, or listen again at the same place."""
        self._server = _Server(("127.0.0.1", self.port), _Answering)
        self._server.service = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """End all connections; new ones are refused from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self.sockets.clear()
