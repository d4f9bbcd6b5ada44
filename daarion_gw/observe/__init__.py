"""What happened: counters, the access log. Knows no Twisted."""
