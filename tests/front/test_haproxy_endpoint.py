"""Behind a balancer that speaks the PROXY protocol: Twisted's own ``haproxy:`` endpoints."""

import json
import os
import threading

import pytest

from tests.support.gateway import ANYWHERE, GatewayProcess
from tests.support.message import answer, get

CONFIG = """
gateway: {access_log: {format: json, file: access.log}}
routes: {/api/: "${ORIGIN}"}
"""
BODY = os.urandom(5 << 20)


@pytest.fixture(scope="module")
def running(tmp_path_factory, far_side):
    folder = tmp_path_factory.mktemp("gateway")
    listen = (f"haproxy:{ANYWHERE}",)
    gateway = GatewayProcess(folder, CONFIG, listen, ORIGIN=far_side["ORIGIN"].url)
    try:
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture
def client(gateway):
    client = gateway.connect()
    client.send(b"PROXY TCP4 203.0.113.9 127.0.0.1 40000 80\r\n")
    return client


def test_the_client_is_whom_the_balancer_names(gateway, client):
    got = client.ask(get("/nothing", "X-Forwarded-For: 198.51.100.1"))
    assert got.status == 404
    assert "detail" not in json.loads(got.body), "it is a stranger"
    assert gateway.entry(target="/nothing")["client"] == "203.0.113.9"


def test_the_server_is_told_so(client, origin):
    client.send(get("/api/x", "X-Forwarded-For: 198.51.100.1"))
    far = origin.accept()
    assert far.request().value(b"x-forwarded-for") == b"203.0.113.9"
    far.send(answer(200))
    assert client.answer().status == 200


def test_large_bodies_pass(client, origin):
    client.send(get("/api/large"))
    far = origin.accept()
    far.request()
    sender = threading.Thread(target=far.send, args=(answer(200, BODY),))
    sender.start()
    assert client.answer().body == BODY
    sender.join()
