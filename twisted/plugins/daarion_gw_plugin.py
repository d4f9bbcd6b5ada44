"""Tells twistd that there is a daarion-gw."""

from twisted.application.service import ServiceMaker

daarion_gw = ServiceMaker(
    "daarion-gw",
    "daarion_gw.tap",
    "The single point of entry of a microservice stack: HTTP and WebSocket gateway.",
    "daarion-gw",
)
