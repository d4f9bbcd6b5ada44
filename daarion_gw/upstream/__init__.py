"""The far side: connections to upstream servers, their pool, and the names they are found by."""
