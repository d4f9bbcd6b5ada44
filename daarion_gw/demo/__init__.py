"""The stand-in upstreams, one for every service of the default table."""
