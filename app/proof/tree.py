"""The Merkle-sum tree: who it binds, how it hashes, what a path is. tools/verify_liabilities.py says the same in one page.

A node is (sum, hash). Its hash covers both children's sums and hashes, not the total of the sums alone, so that no two
users can be shown different parts of one total. What is hashed begins with a tag of its kind: a leaf is never taken for a node,
padding never for a claim, a tree of one asset or moment never for another's.
"""

import hmac
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

from exchange.liabilities import Claim

FORMAT: Final = "evermark-liabilities-1"
SUM_BYTES: Final = 16
SUM_MAX: Final = 2 ** (8 * SUM_BYTES) - 1
"""Every sum in a tree lies between 0 and this, and so has one fixed-width form."""
HEIGHT_MAX: Final = 32
_LEAF: Final = b"\x00evermark leaf"
_NODE: Final = b"\x01evermark node"
_PAD: Final = b"\x02evermark pad\x00"
_CONTEXT: Final = b"\x03evermark tree"

Node: TypeAlias = tuple[int, bytes]


class SumRange(ValueError):
    """A sum is negative, or too large to be written down."""


class Leaf(NamedTuple):
    """An account's place in a tree, with what only the exchange and the account know."""

    account_id: int
    place: int
    salt: bytes
    owner: str


class Tree(NamedTuple):
    """All levels from the leaves (padded to a power of two) to the root, and the accounts' leaves by account id."""

    levels: list[list[Node]]
    leaves: list[Leaf]

    @property
    def height(self) -> int:
        """How many nodes a path has."""
        return len(self.levels) - 1

    @property
    def root(self) -> Node:
        """The node that all leaves add up to."""
        return self.levels[-1][0]


def context_of(seq: int, state_hash: bytes, asset: str) -> bytes:
    """What one tree's leaves are bound to: the moment and the asset."""
    return sha256(_CONTEXT + seq.to_bytes(8, "big") + state_hash + asset.encode()).digest()


def salt_key(master_key: bytes, state_hash: bytes) -> bytes:
    """The key of one moment's salts: the same moment has the same tree, another one tells nothing of it."""
    return hmac.digest(master_key, b"evermark liabilities salt" + state_hash, "sha256")


def salt_of(key: bytes, asset: str, account_id: int) -> bytes:
    """An account's salt in one asset's tree."""
    return hmac.digest(key, account_id.to_bytes(8, "big") + asset.encode(), "sha256")


def sum_bytes(value: int) -> bytes:
    """A sum in its fixed width. Raises: SumRange."""
    if not 0 <= value <= SUM_MAX:
        raise SumRange(f"{value} is no sum of claims")
    return value.to_bytes(SUM_BYTES, "big")


def leaf_hash(context: bytes, salt: bytes, account_id: int, owner: str, value: int) -> bytes:
    """The hash of an account's leaf. It names the account and its owner: no two accounts can be shown one leaf."""
    who = sha256(salt + account_id.to_bytes(8, "big") + owner.encode()).digest()
    return sha256(_LEAF + context + who + sum_bytes(value)).digest()


def pad(context: bytes, index: int) -> Node:
    """A leaf of nobody: it adds nothing."""
    return 0, sha256(_PAD + context + index.to_bytes(8, "big")).digest()


def parent(left: Node, right: Node) -> Node:
    """The node above two. Raises: SumRange."""
    total = left[0] + right[0]
    sum_bytes(total)
    return total, sha256(_NODE + sum_bytes(left[0]) + left[1] + sum_bytes(right[0]) + right[1]).digest()


def build(claims: list[Claim], owners: dict[int, str], *, context: bytes, key: bytes, asset: str) -> Tree:
    """Build the tree of an asset. The leaves stand in the order of their hashes, which tells nothing of the accounts.

    `owners` are names by account id. Raises: SumRange.
    """
    made: list[tuple[bytes, int, int, bytes]] = []
    for claim in claims:
        account_id = claim.account_id
        salt = salt_of(key, asset, account_id)
        hashed = leaf_hash(context, salt, account_id, owners[account_id], claim.amount)
        made.append((hashed, claim.amount, account_id, salt))
    made.sort()
    leaves = [Leaf(account_id, place, salt, owners[account_id]) for place, (_, _, account_id, salt) in enumerate(made)]
    leaves.sort()
    level: list[Node] = [(amount, hashed) for hashed, amount, _, _ in made]
    width = 1 << max(0, len(level) - 1).bit_length()
    level += [pad(context, index) for index in range(len(level), width)]
    levels = [level]
    while len(level) > 1:
        level = [parent(level[place], level[place + 1]) for place in range(0, len(level), 2)]
        levels.append(level)
    assert len(levels) - 1 <= HEIGHT_MAX
    return Tree(levels, leaves)
