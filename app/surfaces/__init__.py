"""The APIs that this exchange speaks, one folder each: decode, submit, encode."""
