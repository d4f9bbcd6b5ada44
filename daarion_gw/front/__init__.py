"""The near side: listeners, HTTP shells, the resource tree, the exchange, the WebSocket relay."""
