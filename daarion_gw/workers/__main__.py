"""What the master starts: the process that workers are forked from. Nobody else does."""

import gc
import socket

# What is loaded stays: to look through it again and again is a twentieth of the time.
gc.disable()

from daarion_gw.workers.forks import ORDERS, ForkServer  # noqa: E402
from daarion_gw.workers.worker import main  # noqa: E402

files = ForkServer(socket.socket(fileno=ORDERS)).serve()
gc.enable()
main(files)
