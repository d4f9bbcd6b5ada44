"""Certificates that the gateway gets by itself (ACME, RFC 8555), and renews before they end.

One process asks (`renewals`), in a thread (`authority`); every process answers what the authority
then asks of the domain, from files in the state folder (`folder`).
"""
