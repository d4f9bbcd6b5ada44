"""How far the state machines of hypothesis go: some seconds each."""

import os

from hypothesis import HealthCheck, Phase, settings

# Making a failure short takes minutes: for people, not where only whether it fails is asked.
_PHASES = [
    phase
    for phase in Phase
    if phase is not Phase.explain and not (phase is Phase.shrink and "TEST_PATIENCE" in os.environ)
]
BOUNDED = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    phases=_PHASES,
    suppress_health_check=[HealthCheck.too_slow],
)
