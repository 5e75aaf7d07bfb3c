"""The Merkle-sum tree, held against the program that users check it with, and against an exchange that cheats."""

import ast
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.proof.tree import SUM_MAX, Node, SumRange, Tree, build, context_of, salt_key, salt_of, sum_bytes
from exchange.liabilities import Claim
from exchange.state import Account
from tools.verify_liabilities import check

ROOT = Path(__file__).parents[4]
STATE = bytes(32)
KEY = salt_key(bytes(range(32)), STATE)
SEQ = 7


def claim(account_id: int, amount: int) -> Claim:
    found = Claim(Account(account_id, account_id), 1)
    found.amount = amount
    return found


def tree_of(*amounts: int, asset: str = "USD", seq: int = SEQ) -> Tree:
    """A tree of accounts 1, 2, ... of owners user1, user2, ..."""
    claims = [claim(place, amount) for place, amount in enumerate(amounts, 1)]
    owners = {one.account_id: f"user{one.account_id}" for one in claims}
    return build(claims, owners, context=context_of(seq, STATE, asset), key=KEY, asset=asset)


def published(tree: Tree, asset: str = "USD", seq: int = SEQ) -> dict[str, Any]:
    total, root = tree.root
    said = {"total": str(total), "root": root.hex(), "height": tree.height, "shortfall": "0", "own": "0"}
    return {
        "format": "evermark-liabilities-1",
        "seq": seq,
        "time_ms": 0,
        "state_hash": STATE.hex(),
        "assets": {asset: {**said, "held": str(total)}},
    }


def path_of(tree: Tree, account_id: int, asset: str = "USD", seq: int = SEQ) -> dict[str, Any]:
    leaf = next(leaf for leaf in tree.leaves if leaf.account_id == account_id)
    beside = [level[(leaf.place >> height) ^ 1] for height, level in enumerate(tree.levels[:-1])]
    return {
        "format": "evermark-liabilities-1",
        "seq": seq,
        "asset": asset,
        "account": account_id,
        "owner": leaf.owner,
        "value": str(tree.levels[0][leaf.place][0]),
        "salt": leaf.salt.hex(),
        "index": leaf.place,
        "siblings": [{"sum": str(total), "hash": hashed.hex()} for total, hashed in beside],
    }


@pytest.mark.parametrize("count, height", [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (9, 4)])
def test_leaves_are_padded_to_a_power_of_two(count: int, height: int) -> None:
    """POL-005."""
    tree = tree_of(*range(1, count + 1))
    assert tree.height == height
    assert [len(level) for level in tree.levels] == [2**width for width in range(height, -1, -1)]
    assert [total for total, _ in tree.levels[0]].count(0) == 2**height - count
    assert tree.root[0] == count * (count + 1) // 2


def test_the_hashes_are_these() -> None:
    """POL-006: a tree of two, computed here once more by hand."""
    tree = tree_of(5, 9)
    context = sha256(b"\x03evermark tree" + (7).to_bytes(8, "big") + STATE + b"USD").digest()
    nodes = []
    for account_id, amount in ((1, 5), (2, 9)):
        salt = salt_of(KEY, "USD", account_id)
        who = sha256(salt + account_id.to_bytes(8, "big") + b"user%d" % account_id).digest()
        nodes.append((sha256(b"\x00evermark leaf" + context + who + amount.to_bytes(16, "big")).digest(), amount))
    (left, low), (right, high) = sorted(nodes)
    top = sha256(b"\x01evermark node" + low.to_bytes(16, "big") + left + high.to_bytes(16, "big") + right).digest()
    assert tree.root == (14, top)
    assert top.hex() == "337c84002b9c56469127cff5be5acdac8378867a1a40615ed5ba800c73c31d7c"


def test_the_same_moment_has_the_same_tree_and_another_one_other_leaves() -> None:
    """POL-007: and the order of the leaves is not that of the accounts."""
    assert tree_of(1, 2, 3, 4, 5) == tree_of(1, 2, 3, 4, 5)
    first, second = tree_of(*[1] * 50), tree_of(*[1] * 50, seq=8)
    assert not {hashed for _, hashed in first.levels[0]} & {hashed for _, hashed in second.levels[0]}
    assert salt_key(bytes(range(32)), STATE) != salt_key(bytes(range(32)), bytes([1] * 32))
    places = [leaf.place for leaf in first.leaves]
    assert sorted(places) == list(range(50)) and places != sorted(places)


def test_the_verifier_is_one_page_and_needs_nothing() -> None:
    """POL-008."""
    path = ROOT / "tools" / "verify_liabilities.py"
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 100
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert names <= sys.stdlib_module_names
    said = subprocess.run([sys.executable, "-I", str(path), "--help"], capture_output=True, text=True, check=True)
    assert "published.json" in said.stdout


@given(st.lists(st.integers(0, 2**80), min_size=1, max_size=40), st.data())
def test_every_claim_is_found_in_the_total(amounts: list[int], data: st.DataObject) -> None:
    """POL-009."""
    tree = tree_of(*amounts)
    said = published(tree)
    assert said["assets"]["USD"]["total"] == str(sum(amounts))
    account_id = data.draw(st.integers(1, len(amounts)))
    path = path_of(tree, account_id)
    assert path["value"] == str(amounts[account_id - 1])
    check(said, path, f"user{account_id}", account_id)


Change = Callable[[dict[str, Any], dict[str, Any]], None]


def of_path(**more: Any) -> Change:
    return lambda _, path: path.update(more)


def of_asset(**more: Any) -> Change:
    return lambda said, _: said["assets"]["USD"].update(more)


def of_sibling(level: int, **more: Any) -> Change:
    return lambda _, path: path["siblings"][level].update(more)


def shortened(_: dict[str, Any], path: dict[str, Any]) -> None:
    """Take the node above the leaf for the leaf."""
    beside = path["siblings"].pop(0)
    path["value"] = str(int(path["value"]) + int(beside["sum"]))
    path["index"] >>= 1


def shortened_on_both_sides(said: dict[str, Any], path: dict[str, Any]) -> None:
    shortened(said, path)
    said["assets"]["USD"]["height"] -= 1


def lengthened(said: dict[str, Any], path: dict[str, Any]) -> None:
    path["siblings"].append({"sum": "0", "hash": "00" * 32})
    said["assets"]["USD"]["height"] += 1


def less(said: dict[str, Any], path: dict[str, Any]) -> None:
    """Publish a smaller total than the root has."""
    said["assets"]["USD"].update(total="29", held="29")


def swapped(_: dict[str, Any], path: dict[str, Any]) -> None:
    path["index"] ^= 1


@pytest.mark.parametrize(
    "change, why",
    [
        (of_path(value="3"), "published root"),
        (of_path(value="04"), "leading zeros"),
        (of_path(value="-4"), "no sum"),
        (of_path(value=4), "no sum"),
        (of_path(value="4.0"), "no sum"),
        (of_path(value="٤"), "no sum"),
        (of_path(value=str(2**128 + 4)), "too large"),
        (of_path(salt="00" * 32), "published root"),
        (of_path(salt="00" * 31), "no hash"),
        (of_path(owner="user5"), "somebody else's"),
        (of_path(account=5), "somebody else's"),
        (of_path(seq=8), "different moments"),
        (of_path(format="evermark-liabilities-2"), "format"),
        (of_path(index=2**20), "outside of the tree"),
        (of_path(index=-1), "outside of the tree"),
        (of_path(index=True), "outside of the tree"),
        (of_sibling(0, sum="0"), "published root"),
        (of_sibling(1, sum="-1"), "no sum"),
        (of_sibling(1, sum=str(2**128 - 1)), "too large"),
        (of_sibling(2, hash="00" * 32), "published root"),
        (of_sibling(2, hash="ab" * 33), "no hash"),
        (of_asset(total="29"), "published total"),
        (of_asset(held="29"), "what is held"),
        (of_asset(shortfall="1"), "what is held"),
        (of_asset(own="-1"), "no sum"),
        (of_asset(height=2), "another length"),
        (of_asset(height=99), "height"),
        (less, "published total"),
        (swapped, "published root"),
        (shortened, "another length"),
        (shortened_on_both_sides, "published root"),
        (lengthened, "published root"),
    ],
)
def test_what_was_changed_does_not_prove(change: Change, why: str) -> None:
    """POL-010: account 4 claims 4 of 5 accounts' 30."""
    tree = tree_of(2, 7, 11, 4, 6)
    said, path = published(tree), path_of(tree, 4)
    check(said, path, "user4", 4)
    said, path = deepcopy(said), deepcopy(path)
    change(said, path)
    with pytest.raises(ValueError, match=why):
        check(said, path, "user4", 4)


def test_no_leaf_serves_two_users() -> None:
    """POL-011: two users with the same claim; the second one is shown the first one's path, in its own name."""
    tree = tree_of(5, 5, 8)
    said, path = published(tree), path_of(tree, 1)
    with pytest.raises(ValueError, match="somebody else's"):
        check(said, path, "user2", 2)
    path.update(account=2, owner="user2")
    with pytest.raises(ValueError, match="published root"):
        check(said, path, "user2", 2)
    with pytest.raises(ValueError, match="published root"):
        check(said, {**path_of(tree, 1), "owner": "another user1"}, "another user1", 1)


def test_a_tree_is_of_one_asset_and_one_moment() -> None:
    """POL-012: a path of another tree, or a root published under another name, proves nothing."""
    dollars, coins, later = tree_of(5, 9), tree_of(5, 9, asset="BTC"), tree_of(5, 9, seq=8)
    said = published(dollars)
    said["assets"]["BTC"] = said["assets"]["USD"]
    for path in ({**path_of(coins, 1), "asset": "USD"}, path_of(coins, 1), {**path_of(later, 1), "seq": SEQ}):
        with pytest.raises(ValueError, match="published root"):
            check(said, path, "user1", 1)


def test_an_honest_tree_has_no_room_for_a_negative_sum_or_one_too_large() -> None:
    """POL-013."""
    for amount in (-1, 2**128):
        with pytest.raises(SumRange):
            sum_bytes(amount)
        with pytest.raises(SumRange):
            tree_of(3, amount)
    with pytest.raises(SumRange):
        tree_of(SUM_MAX, 1)
    assert tree_of(SUM_MAX, 0).root[0] == SUM_MAX


def cheated(amounts: list[int]) -> Tree:
    """A tree as a cheat builds it, who hides claims under negative ones: sums wrap around at 2^128."""
    honest = tree_of(*[max(0, amount) for amount in amounts])
    level: list[Node] = []
    for place, (_, hashed) in enumerate(honest.levels[0]):
        leaf = next((leaf for leaf in honest.leaves if leaf.place == place), None)
        level.append(((amounts[leaf.account_id - 1] if leaf is not None else 0) % 2**128, hashed))
    levels = [level]
    while len(level) > 1:
        level = [wrapped(level[place], level[place + 1]) for place in range(0, len(level), 2)]
        levels.append(level)
    return Tree(levels, honest.leaves)


def wrapped(left: Node, right: Node) -> Node:
    text = b"".join(total.to_bytes(16, "big") + hashed for total, hashed in (left, right))
    return (left[0] + right[0]) % 2**128, sha256(b"\x01evermark node" + text).digest()


@given(st.lists(st.integers(-1_000, 1_000), min_size=2, max_size=17))
def test_who_cheats_is_seen_or_owes_it_all(amounts: list[int]) -> None:
    """POL-014: accounts with claims above zero look. Either one of them refuses, or the total covers them all."""
    tree = cheated(amounts)
    said = published(tree)
    honest = [account_id for account_id, amount in enumerate(amounts, 1) if amount > 0]
    try:
        for account_id in honest:
            check(said, path_of(tree, account_id), f"user{account_id}", account_id)
    except ValueError:
        assert min(amounts) < 0
    else:
        assert not honest or tree.root[0] >= sum(amount for amount in amounts if amount > 0)
