"""Several processes that serve as one: a master that binds and watches, workers that accept."""
