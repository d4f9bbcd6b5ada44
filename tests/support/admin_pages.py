"""What a gateway's admin listener says, for tests that ask it."""

import json
import re
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

_ADMIN = re.compile(r"admin on .*\(127\.0\.0\.1:(\d+)\)")


class AdminPages:
    """Mixed into a running gateway whose log says where its admin listener is."""

    output: str

    def page(self, path: str) -> bytes:
        """A page of the admin listener."""
        found = _ADMIN.search(self.output)
        assert found is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}{path}", timeout=30) as got:
            return got.read()

    def status(self) -> Any:
        return json.loads(self.page("/status"))

    def numbers(self) -> dict[tuple[str, ...], float]:
        """All samples by name and the values of their labels."""
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.page("/metrics").decode())
            for sample in family.samples
        }
