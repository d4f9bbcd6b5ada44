"""What a proxy adds to the time of a request, at one rate for all. See native/pace.c."""

import statistics

from bench import native
from bench.peers import GATEWAY, Ground
from bench.processes import NotStartedError, Running
from bench.works import CONNECTIONS, Effort, Work, wrk


class Latency(Work):
    """Median and 99th percentile of the time through the proxy, less that straight to the origin.

    The rate is half of what the gateway manages at most in this run: others stand at less or at
    more than half of their load, but all are asked for the same.
    """

    name = "added latency"
    unit = "µs of time"

    def __init__(self) -> None:
        self.rate = 0

    def rows(self, effort: Effort) -> tuple[str, ...]:
        """Both come from one measurement."""
        return ("added latency, p50", "added latency, p99")

    def obstacle(self, ground: Ground) -> str:
        """The client is compiled."""
        try:
            ground.builder.build("pace")
        except NotStartedError as error:
            return str(error)
        return ""

    def measure(self, proxy: Running, ground: Ground, effort: Effort) -> tuple[float, ...]:
        """Straight and through the proxy, one after the other: both see the same machine."""
        if not self.rate:
            measure_of_all = ground.running.get(GATEWAY.name, proxy)
            # For so short a load the first second is mostly warming up.
            wrk(measure_of_all, 1)
            self.rate = wrk(measure_of_all, 2)["requests"] // 4
        program = ground.builder.build("pace")
        added: dict[str, list[float]] = {"p50": [], "p99": []}
        # Seconds by themselves: a neighbour's burst spoils one of them and not the figure.
        for _ in range(max(1, round(effort.seconds))):
            load = (CONNECTIONS, self.rate, 1)
            straight = native.run(program, ground.origin.port, "/small", *load)
            through = native.run(program, proxy.port, "/bench/small", *load)
            for name, each in added.items():
                each.append(max(0.0, through[name] - straight[name]) / 1e6)
        return statistics.median(added["p50"]), statistics.median(added["p99"])
