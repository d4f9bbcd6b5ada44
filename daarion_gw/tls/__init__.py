"""TLS towards clients, on the standard library's ssl: certificates, tickets, connections."""
