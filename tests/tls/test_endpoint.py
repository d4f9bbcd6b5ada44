"""The endpoint string: its parts, its mistakes, and that Twisted finds it."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.internet.interfaces import IProtocolNegotiationFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from zope.interface import implementer

from daarion_gw.front.listeners import ListenError, endpoint
from daarion_gw.net.transport import Accepted
from daarion_gw.tls.connection import TLSConnection
from daarion_gw.tls.endpoint import BACKLOG, parse
from tests.tls.in_memory import Pair, Plain, listening_with

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(certificate):
    cert, key = certificate
    return f"privateKey={key}:certKey={cert}"


def listen(description, factory=None):
    """The factory, and where the reactor was asked to listen."""
    reactor = MemoryReactor()
    place = endpoint(reactor, description)
    assert IStreamServerEndpoint.providedBy(place)
    place.listen(factory or Factory.forProtocol(Plain))
    ((port, wrapping, backlog, interface),) = reactor.tcpServers
    return wrapping, (port, backlog, interface)


def test_everything_named(files):
    _, where = listen(rf"daarion-tls:8443:interface=\:\:1:{files}:backlog=7")
    assert where == (8443, 7, "::1")


def test_what_is_not_named(files):
    _, where = listen(f"daarion-tls:443:{files}")
    assert where == (443, BACKLOG, "")


def test_each_connection_gets_tls_before_it(files):
    factory, _ = listen(f"daarion-tls:443:{files}")
    protocol = factory.buildProtocol(None)
    assert type(protocol) is TLSConnection and type(protocol.wrapped) is Plain


def test_a_factory_may_refuse_a_connection(files):
    class Closed(Factory):
        def buildProtocol(self, addr):
            return None

    factory, _ = listen(f"daarion-tls:443:{files}", Closed())
    assert factory.buildProtocol(None) is None


def test_a_wrapped_factory_is_started_and_stopped(files):
    told = []

    class Told(Factory):
        noisy = False

        def startFactory(self):
            told.append("start")

        def stopFactory(self):
            told.append("stop")

    factory, _ = listen(f"daarion-tls:443:{files}", Told())
    factory.doStart()
    factory.doStop()
    assert told == ["start", "stop"]


def test_a_factory_says_what_may_be_agreed(certificate):
    @implementer(IProtocolNegotiationFactory)
    class Both(Factory):
        def acceptableProtocols(self):
            return [b"h2", b"http/1.1"]

    cert, key = certificate
    reactor = MemoryReactor()
    place = parse(reactor, "0", privateKey=str(key), certKey=str(cert))
    place.listen(Both())
    pair = Pair(reactor.tcpServers[0][1].listening, cert)
    pair.shake()
    assert pair.near.negotiatedProtocol == b"h2"
    # Nothing was agreed with a client that knows neither.
    pair = Pair(listening_with(*certificate), cert)
    pair.context.set_alpn_protocols(["spdy/1"])
    pair.client = pair.context.wrap_bio(
        pair._to_client, pair.from_client, server_hostname="gw.example"
    )
    pair.shake()
    assert pair.near.negotiatedProtocol is None


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("daarion-tls:443:privateKey=k.pem", "certKey is missing: both files have to be named"),
        ("daarion-tls:443:certKey=c.pem", "privateKey is missing"),
        ("daarion-tls:443:certKey=c.pem:privateKey=k.pem", "c.pem: No such file or directory"),
        ("daarion-tls:99999:{files}", "the port '99999' is no number from 0 to 65535"),
        ("daarion-tls:https:{files}", "the port 'https' is no number"),
        ("daarion-tls:{files}", "one port is expected; its form is daarion-tls:PORT"),
        ("daarion-tls:1:2:{files}", "one port is expected"),
        ("daarion-tls:443:{files}:interfac=x", "it has no 'interfac'; its form is daarion-tls:"),
        ("daarion-tls:443:{files}:backlog=-1", "the backlog '-1' is no number"),
    ],
)
def test_a_mistake_is_said_plainly(files, description, said):
    with pytest.raises(ListenError) as caught:
        endpoint(MemoryReactor(), description.format(files=files))
    assert said in str(caught.value)


FIND = """
import sys
sys.path[:] = [sys.argv[1]] + [path for path in sys.path if path not in ("", sys.argv[2])]
from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactor
place = serverFromString(MemoryReactor(), sys.argv[3])
print(type(place).__module__, sys.modules["daarion_gw"].__file__)
"""


def found(folder, text):
    done = subprocess.run(
        [sys.executable, "-c", FIND, str(folder), str(ROOT), text],
        capture_output=True, text=True, cwd=folder, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_twisted_finds_it_in_a_checkout(files):
    module, package = found(ROOT, f"daarion-tls:0:{files}")
    assert module == "daarion_gw.tls.endpoint"
    assert Path(package).parent.parent == ROOT


def test_twisted_finds_it_where_only_the_packages_of_setup_cfg_are_installed(tmp_path, files):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for package in setup["options"]["packages"].split():
        folder = package.replace(".", "/")
        (tmp_path / folder).mkdir(parents=True)
        for source in (ROOT / folder).glob("*.py"):
            shutil.copy(source, tmp_path / folder)
    module, package = found(tmp_path, f"daarion-tls:0:{files}")
    assert module == "daarion_gw.tls.endpoint"
    assert Path(package).parent.parent == tmp_path


def test_a_real_port_makes_transports_that_send_at_once(certificate, tmp_path):
    code = """
import sys
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port
from daarion_gw.net.transport import send_at_once, Accepted
serverFromString(reactor, sys.argv[1]).listen(Factory()).addCallback(
    lambda port: (send_at_once(port), print(type(port) is Port, port.transport is Accepted)))
"""
    cert, key = certificate
    text = f"daarion-tls:0:interface=127.0.0.1:privateKey={key}:certKey={cert}"
    done = subprocess.run(
        [sys.executable, "-c", code, text], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert (done.stdout, done.stderr) == ("True True\n", "")
    assert Accepted is not None
