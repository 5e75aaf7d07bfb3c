"""Matching: orders, price levels, books, triggers. Knows no money."""
