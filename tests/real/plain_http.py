"""A plain HTTP client for tests: the target goes out byte for byte as it was written."""

import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def json(self) -> dict:
        return json.loads(self.body)


def ask(
    method: str,
    url: str,
    body: bytes | Iterable[bytes] | dict | None = None,
    *,
    fields: dict[str, str] | None = None,
    source: str = "127.0.0.1",
    timeout: float = 60.0,
) -> Answer:
    """One request on a connection of its own; a dict as body is sent as JSON.

    `source` is the loopback address that the client comes from.
    """
    parts = urlsplit(url)
    target = url.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
    fields = dict(fields or {})
    if isinstance(body, dict):
        fields.setdefault("Content-Type", "application/json")
        body = json.dumps(body).encode()
    connection = http.client.HTTPConnection(
        parts.hostname, parts.port, timeout=timeout, source_address=(source, 0)
    )
    try:
        connection.request(method, target, body, fields)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()
