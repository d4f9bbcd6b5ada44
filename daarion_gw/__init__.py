"""daarion-gw: the single point of entry of a microservice stack on one box."""

__version__ = "0.1.0"
