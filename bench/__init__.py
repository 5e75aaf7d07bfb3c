"""Benchmarks, each a module to run: `python -m bench.book`. With --compiled it measures the compiled core."""

import sys

from app import compiled

# Here, because the core must not be imported before.
if "--compiled" in sys.argv and not compiled.use():
    sys.exit("There is no compiled core for these sources: make compile")
