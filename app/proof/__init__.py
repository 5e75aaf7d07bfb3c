"""Proof of liabilities: a Merkle-sum tree over what the exchange owes, and each account's path in it."""
