"""A small upstream: `http_answers.py PORT`.

`/slow?s=2` sends half of its body at once and the rest after the seconds given; anything else is
answered with the target as it came.
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/slow?s="):
            self.answer_slowly(float(self.path.removeprefix("/slow?s=")))
        else:
            self.begin_answer(len(self.path))
            self.wfile.write(self.path.encode())

    def answer_slowly(self, seconds: float) -> None:
        self.begin_answer(8)
        self.wfile.write(b"half")
        self.wfile.flush()
        time.sleep(seconds)
        self.wfile.write(b"rest")

    def begin_answer(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing: only what goes wrong belongs in the log."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
