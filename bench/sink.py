"""An origin for uploads: reads a whole body, drops it in the kernel, then says what it got.

Run as `python sink.py PORT`. The answer is JSON: {"received": bytes, "head": [[name, value], …]}.
"""

import json
import socket
import sys
import threading

PIECE = 1 << 20


def serve(port: int) -> None:
    """Accept for ever, one thread per connection."""
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    while True:
        near, _ = listener.accept()
        threading.Thread(target=_connection, args=(near,), daemon=True).start()


def _connection(near: socket.socket) -> None:
    received = b""
    with near:
        while True:
            while b"\r\n\r\n" not in received:
                piece = near.recv(65536)
                if not piece:
                    return
                received += piece
            head, _, received = received.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")[1:]
            fields = [[part.strip() for part in line.split(":", 1)] for line in lines]
            size = _read_body(near, fields, received)
            received = b""
            body = json.dumps({"received": size, "head": fields}).encode()
            near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def _read_body(near: socket.socket, fields: list[list[str]], early: bytes) -> int:
    """Return the number of body bytes. Only declared lengths: that is what the clients send."""
    declared = [value for name, value in fields if name.lower() == "content-length"]
    length = int(declared[0]) if declared else 0
    size = len(early)
    buffer = bytearray(PIECE)
    while size < length:
        count = near.recv_into(buffer, min(PIECE, length - size), socket.MSG_TRUNC)
        if not count:
            break
        size += count
    return size


if __name__ == "__main__":
    serve(int(sys.argv[1]))
