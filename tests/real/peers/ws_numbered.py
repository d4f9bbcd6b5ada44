"""WebSockets that send numbered messages: `ws_numbered.py PORT PATH COUNT`.

Each sends one, compares its echo with all of it, and sends the next after a moment: one that is
lost, doubled or changed is found out. It ends when its input ends, and then says as a line of JSON
how many messages came back, and what went wrong.
"""

import asyncio
import json
import sys

MASK = b"\x5a\xc3\x17\x9e"
PATIENCE = 15.0
PAUSE = 0.02


class Peer:
    """One WebSocket."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.messages = 0
        self.wrong: str | None = None

    async def open(self, port: int, path: str) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        fields = [
            "Host: 127.0.0.1",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        self.writer.write("\r\n".join([f"GET {path} HTTP/1.1", *fields, "", ""]).encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise SystemExit(f"refused: {head!r}")

    async def talk(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            text = b"%04d %010d" % (self.name, self.messages)
            masked = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(text))
            self.writer.write(bytes([0x82, 0x80 | len(text)]) + MASK + masked)
            try:
                echo = await asyncio.wait_for(self.reader.readexactly(2 + len(text)), PATIENCE)
            except (OSError, EOFError, TimeoutError) as error:
                self.wrong = f"{self.name}: {error!r} instead of the echo of {text!r}"
                return
            if echo != bytes([0x82, len(text)]) + text:
                self.wrong = f"{self.name}: {echo!r} instead of the echo of {text!r}"
                return
            self.messages += 1
            await asyncio.sleep(PAUSE)


async def main(port: int, path: str, count: int) -> None:
    peers = [Peer(name) for name in range(count)]
    for peer in peers:
        await peer.open(port, path)
    print("open", flush=True)
    stop = asyncio.Event()
    talking = [asyncio.create_task(peer.talk(stop)) for peer in peers]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    stop.set()
    await asyncio.gather(*talking)
    wrong = [peer.wrong for peer in peers if peer.wrong is not None]
    print(json.dumps({"messages": sum(peer.messages for peer in peers), "wrong": wrong}))


asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
