"""People: who signs up, logs in, and is told what matters. Keys and owners themselves are app/identity.py's."""
