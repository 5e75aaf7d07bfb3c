"""Worked examples of venues as rows of text, and what of ours each of them calls."""
