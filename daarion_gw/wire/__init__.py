"""Bytes to events and back: HTTP/1.1 and WebSocket framing.

Knows no sockets, no reactor and no clock; imports nothing but the standard library.
"""
