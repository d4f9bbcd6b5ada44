"""Status and metrics: a site of its own on a port of its own."""
