"""The gateway as its users run it: a twistd process of its own, with a configuration file."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.stream import Client
from tests.support.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
ANYWHERE = "tcp:0:interface=127.0.0.1"
# It starts in half a second; a machine that runs other things too takes longer.
START = 30.0
_PORT = re.compile(r"listening on .*\(127\.0\.0\.1:(\d+)\)")


def environment(**variables: str) -> dict[str, str]:
    """This process's environment without the gateway's own variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAARION_")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def twistd(*arguments: str) -> list[str]:
    """The command line that starts a gateway with the Python that runs the tests."""
    run = "from twisted.scripts.twistd import run; run()"
    return [sys.executable, "-c", run, "-n", "--pidfile=", "daarion-gw", *arguments]


class GatewayProcess:
    """A running gateway. ``folder`` is where its files are and where it works.

    session: whether it has a session of its own, as if at a terminal of its own. files:
    descriptors that it inherits.
    """

    def __init__(
        self,
        folder: Path,
        configuration: str,
        listen: Sequence[str] = (ANYWHERE,),
        command: Sequence[str] | None = None,
        session: bool = False,
        files: Sequence[int] = (),
        **variables: str,
    ) -> None:
        self.folder = folder
        self.file = folder / "gateway.yaml"
        self.file.write_text(configuration)
        self._output = folder / "output.log"
        self._clients: list[Client] = []
        flags = [word for place in listen for word in ("--listen", place)]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command or twistd("--config", "gateway.yaml", "--admin", "off", *flags),
                cwd=folder,
                env=environment(**variables),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=session,
                pass_fds=files,
            )
        try:
            until(self._is_up, START, "the gateway's start")
        except AssertionError:
            self.kill()
            raise AssertionError(f"the gateway did not start:\n{self.output}") from None

    def _is_up(self) -> bool:
        assert self.process.poll() is None
        return " routes of " in self.output

    @property
    def output(self) -> str:
        """Everything it has written so far: its log, and its access log without a file."""
        return self._output.read_text(errors="replace")

    @property
    def ports(self) -> list[int]:
        return [int(port) for port in _PORT.findall(self.output)]

    # clients

    def connect(
        self, index: int = 0, receive_buffer: int | None = None, patience: float = PATIENCE
    ) -> Client:
        """A new client connection to the listener ``index`` of those on TCP."""
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(patience)
        client = self._kept(sock)
        sock.connect(("127.0.0.1", self.ports[index]))
        return client

    def connect_tls(
        self,
        index: int,
        context: ssl.SSLContext,
        name: str,
        session: ssl.SSLSession | None = None,
    ) -> Client:
        """session: of a connection of the same context, which it would like to resume."""
        sock = socket.create_connection(("127.0.0.1", self.ports[index]), PATIENCE)
        wrapped = context.wrap_socket(
            sock, server_hostname=name, suppress_ragged_eofs=False, session=session
        )
        return self._kept(wrapped)

    def connect_unix(self, path: Path) -> Client:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        return self._kept(sock)

    def _kept(self, sock: socket.socket) -> Client:
        client = Client(sock)
        self._clients.append(client)
        return client

    def forget_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def refuses_connections(self) -> bool:
        try:
            self.connect().close()
        except (ConnectionRefusedError, ConnectionResetError):
            # Reset: it came into the queue of a listener that was then closed.
            return True
        return False

    # what it tells

    def entries(self, name: str = "access.log") -> list[dict[str, Any]]:
        """The lines of its JSON access log so far."""
        file = self.folder / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def entry(self, **wanted: object) -> dict[str, Any]:
        """The first line of its access log with these members; it is written once a second."""

        def look() -> dict[str, Any] | None:
            for entry in self.entries():
                if all(entry.get(name) == value for name, value in wanted.items()):
                    return entry
            return None

        found = until(look, what=f"a line of the access log with {wanted}")
        assert found is not None
        return found

    def says(self, text: str, within: float = PATIENCE) -> None:
        """Wait until its log has ``text``."""
        until(lambda: text in self.output, within, what=f"{text!r} in the gateway's log")

    @property
    def memory(self) -> int:
        """Its resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def is_quiet(self, during: float = 0.5) -> bool:
        """Whether it has next to nothing to do for a while: what it was sent is dealt with."""
        before = self._processor_time
        time.sleep(during)
        return self._processor_time - before < during / 10

    @property
    def _processor_time(self) -> float:
        """What it has used, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # signals

    def reload(self) -> None:
        """SIGHUP, and wait for what it says about it."""
        before = self.output.count("reloaded")
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.output.count("reloaded") > before, what="the reload")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, within: float = PATIENCE) -> int:
        return self.process.wait(within)

    def stop(self, tracebacks: int = 0) -> None:
        """End it, and see that it ended well and that nothing in it went wrong unseen."""
        self.forget_clients()
        self.terminate()
        try:
            code = self.exit_code()
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the gateway does not stop:\n{self.output[-4000:]}") from None
        assert code == 0, self.output[-4000:]
        assert self.output.count("Traceback") == tracebacks, self.output[-8000:]
        assert "Unhandled" not in self.output, self.output[-8000:]

    def kill(self) -> None:
        self.forget_clients()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
