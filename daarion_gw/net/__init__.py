"""TCP as Twisted gives it, made lean: transports that send at once, one timer for all deadlines."""
