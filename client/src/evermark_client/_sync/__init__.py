# Written by tools/unasync.py from the async half: edit that one.
"""The client for programs without coroutines."""
