"""All kinds of work, in the order of the table. A new one is one class and one line here."""

from bench.growth import Growth, Size
from bench.http2 import MultiplexedGet, MultiplexedMegabyte
from bench.idle import IdleMemory, Start
from bench.latency import Latency
from bench.secure import Handshake, SecureGet, SecureMegabyte
from bench.websocket import Echo
from bench.workers import Workers
from bench.works import Download, SmallGet, Upload, Work

WORKS: tuple[Work, ...] = (
    SmallGet(),
    Workers(),
    Download(),
    Upload(),
    Echo("WebSocket echo, 125 B", 125, 64),
    Echo("WebSocket echo, 64 KiB", 65536, 16),
    SecureGet(),
    Handshake(),
    SecureMegabyte(),
    MultiplexedGet(),
    MultiplexedMegabyte(),
    Latency(),
    Start(),
    IdleMemory("memory per idle connection", (1_000, 10_000), websocket=False),
    IdleMemory("memory per idle WebSocket", (1_000, 5_000), websocket=True),
    Growth("more routes", Size(routes=10), Size(routes=1_000)),
    Growth("more connections", Size(connections=10), Size(connections=10_000)),
    Growth("more servers", Size(servers=1), Size(servers=100)),
)
