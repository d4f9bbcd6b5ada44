"""What the operator wrote: settings, the route table, loading with good errors. No Twisted."""
