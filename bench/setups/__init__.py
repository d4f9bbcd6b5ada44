"""How each proxy is set up: one file = one proxy.

Each function writes a configuration into its folder and returns the command to start. All do the
same work on fields and pass bodies and WebSockets on; README.md in the folder above lists it.
"""
