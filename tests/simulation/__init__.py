"""A long seeded life of an exchange: `python -m tests.simulation`. With --compiled it lives on the compiled core."""

import sys

from app import compiled

# Here, because the core must not be imported before.
if "--compiled" in sys.argv and not compiled.use():
    sys.exit("There is no compiled core for these sources: make compile")
