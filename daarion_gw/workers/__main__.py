"""What the master starts: one worker. Nobody else does."""

from daarion_gw.workers.worker import main

main()
