"""A client comes back to any of the workers with the ticket that one of them gave it."""

import os
import socket
import ssl

import pytest

from daarion_gw.tls.tickets import can_set
from tests.support.certificates import NAME, client_context, make_certificate
from tests.support.message import get
from tests.support.waiting import PATIENCE, until
from tests.workers.crew import Crew, kill

CONFIG = "gateway: {access_log: off}\nroutes: {}\n"


def visit(crew: Crew, context: ssl.SSLContext, session: ssl.SSLSession | None):
    """Connect, ask, and give (whether the session was resumed, the next one, who served)."""
    sock = socket.create_connection(("127.0.0.1", crew.ports[0]), PATIENCE)
    with context.wrap_socket(sock, server_hostname=NAME, session=session) as client:
        client.sendall(get("/nowhere"))
        answer = client.recv(1 << 16)
        who = answer.partition(b"X-Request-Id: ")[2].partition(b"-")[0]
        return client.session_reused, client.session, who


@pytest.mark.skipif(not can_set(), reason="this Python does not let ticket keys be chosen")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_is_good_for_all(tmp_path, version):
    cert, key = make_certificate(tmp_path)
    place = f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
    crew = Crew(tmp_path, CONFIG, listen=(place,))
    try:
        context = client_context(cert)
        context.minimum_version = context.maximum_version = version
        resumed, session, who = visit(crew, context, None)
        assert not resumed
        seen = {who}
        for _ in range(40):
            resumed, session, who = visit(crew, context, session)
            assert resumed
            seen.add(who)
            if len(seen) == 2:
                break
        assert len(seen) == 2, "both have served"
        gone = crew.pids
        for pid in gone:
            kill(pid)
        until(lambda: len(crew.pids) == 2 and not set(crew.pids) & set(gone), what="others")
        assert visit(crew, context, session)[0], "those that follow have the same keys"
        assert os.getpid() not in gone
        crew.stop()
    finally:
        crew.kill()
