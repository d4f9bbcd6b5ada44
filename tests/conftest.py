"""What holds for all tests."""

from hypothesis import settings

# A machine that does other things as well must not fail a property by being slow.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
