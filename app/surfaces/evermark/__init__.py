"""Our own addresses, under /v1."""
