"""The exchange itself: commands in, events out. Composes engine, risk and funding. Pure."""
