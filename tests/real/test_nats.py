"""NATS over WebSocket behind `/ws/`, with its own Python client."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from tests.real.installed import need_module, need_program
from tests.real.proxies import Proxy
from tests.real.running import accepts, free_port, running

T = TypeVar("T")

# The client library uses an option of aiohttp that goes out of use.
pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type:DeprecationWarning")

MESSAGE_BYTES = 900_000

CONFIG = """\
listen: "127.0.0.1:{port}"
server_name: real
jetstream {{ store_dir: "{folder}/jetstream" }}
websocket {{ listen: "127.0.0.1:{websocket_port}", no_tls: true, compression: true }}
"""


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, module_proxy) -> Iterator[Proxy]:
    """The proxy with a NATS server of its own behind `/ws/`."""
    program = need_program("nats-server")
    need_module("nats")
    need_module("aiohttp")
    folder = tmp_path_factory.mktemp("nats")
    port, websocket_port = free_port(), free_port()
    config = folder / "nats.conf"
    config.write_text(CONFIG.format(port=port, folder=folder, websocket_port=websocket_port))
    with running(
        [program, "-c", config],
        folder / "log",
        ready=lambda: accepts(port) and accepts(websocket_port),
    ):
        yield module_proxy({"/ws/": {"to": f"http://127.0.0.1:{websocket_port}"}})


@asynccontextmanager
async def client_of(front: Proxy) -> AsyncIterator[Any]:
    import nats

    client = await nats.connect(
        f"{front.ws_url}/ws/", allow_reconnect=False, connect_timeout=10, verbose=True
    )
    try:
        yield client
    finally:
        await client.close()


def tell(story: Coroutine[Any, Any, T]) -> T:
    """Run a story; one that hangs is a failure."""
    return asyncio.run(asyncio.wait_for(story, 60))


def test_a_published_message_reaches_a_subscriber(front: Proxy) -> None:
    async def story() -> bytes:
        async with client_of(front) as listener, client_of(front) as speaker:
            heard = await listener.subscribe("city.news")
            await listener.flush()
            await speaker.publish("city.news", "Доброго ранку".encode())
            return (await heard.next_msg(timeout=10)).data

    assert tell(story()).decode() == "Доброго ранку"


def test_a_request_is_answered(front: Proxy) -> None:
    async def story() -> bytes:
        async with client_of(front) as service, client_of(front) as asker:

            async def double(message: Any) -> None:
                await message.respond(message.data * 2)

            await service.subscribe("double", cb=double)
            await service.flush()
            return (await asker.request("double", b"ab", timeout=10)).data

    assert tell(story()) == b"abab"


def test_a_thousand_messages_keep_their_order(front: Proxy) -> None:
    async def story() -> list[int]:
        async with client_of(front) as listener, client_of(front) as speaker:
            heard = await listener.subscribe("count")
            await listener.flush()
            for number in range(1000):
                await speaker.publish("count", str(number).encode())
            return [int((await heard.next_msg(timeout=10)).data) for _ in range(1000)]

    assert tell(story()) == list(range(1000))


def test_a_message_of_900_kilobytes_passes_both_ways(front: Proxy) -> None:
    payload = random.Random(900).randbytes(MESSAGE_BYTES)

    async def story() -> bytes:
        async with client_of(front) as listener, client_of(front) as speaker:
            heard = await listener.subscribe("large")
            await listener.flush()
            await speaker.publish("large", payload)
            return (await heard.next_msg(timeout=20)).data

    received = tell(story())
    assert len(received) == MESSAGE_BYTES
    assert hashlib.sha256(received).digest() == hashlib.sha256(payload).digest()


def test_jetstream_acknowledges_and_keeps(front: Proxy) -> None:
    async def story() -> tuple[int, bytes, int]:
        async with client_of(front) as client:
            stream = client.jetstream()
            await stream.add_stream(name="orders", subjects=["orders.*"])
            first = await stream.publish("orders.new", b"tea")
            second = await stream.publish("orders.new", b"bread")
            assert (first.seq, second.seq) == (1, 2)
            kept = await stream.pull_subscribe("orders.*", durable="kitchen")
            [order] = await kept.fetch(1, timeout=10)
            await order.ack_sync(timeout=10)
            waiting = await kept.consumer_info()
            return first.seq, order.data, waiting.num_pending

    assert tell(story()) == (1, b"tea", 1)
