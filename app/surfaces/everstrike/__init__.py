"""Everstrike's REST API, at the root."""
