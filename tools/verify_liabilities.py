"""Check that a claim is part of what an exchange publishes as the total of its liabilities. No library is needed.

    python3 verify_liabilities.py published.json path.json --owner NAME --account NUMBER

published.json is the exchange's statement, the same for everybody: compare the digest that is printed with other users'.
path.json is yours; owner and account are what you know to be yours. Then the claim that is printed must be what you know to
have. The exit code is 0 when the claim is in the total, and 1 when that is not proven.
"""

import argparse
import json
import sys
from hashlib import sha256
from typing import Any

FORMAT, SUM_LIMIT, HEIGHT_MAX = "evermark-liabilities-1", 1 << 128, 32


def need(condition: bool, why: str) -> None:
    """Raise unless the condition holds."""
    if not condition:
        raise ValueError(why)


def whole(text: Any) -> int:
    """Read a sum: decimal digits, one spelling, never negative, never too wide to be hashed."""
    need(isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 40, f"{text!r} is no sum")
    need(text == str(int(text)) and int(text) < SUM_LIMIT, f"{text} has leading zeros or is too large")
    return int(text)


def raw(text: Any) -> bytes:
    """Read a hash or a salt: 32 bytes in lower-case hex digits."""
    need(isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef"), f"{text!r} is no hash")
    return bytes.fromhex(text)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says one key twice: two readers could take it for two things."""
    need(len(dict(pairs)) == len(pairs), "a key stands twice")
    return dict(pairs)


def load(name: str) -> Any:
    """Read a file; an API's whole answer will do."""
    with open(name, encoding="utf-8") as file:
        found = json.load(file, object_pairs_hook=once)
    return found.get("result", found)


def climb(path: Any, context: bytes, owner: str, account: int, height: int) -> tuple[int, bytes]:
    """From the leaf, made of what the user knows, to the sum and hash that the path leads to."""
    who = sha256(raw(path["salt"]) + account.to_bytes(8, "big") + owner.encode()).digest()
    total, index, siblings = whole(path["value"]), path["index"], path["siblings"]
    top = sha256(b"\x00evermark leaf" + context + who + total.to_bytes(16, "big")).digest()
    need(len(siblings) == height, "the path has another length than the tree is high")
    need(type(index) is int and 0 <= index < 1 << height, "the index lies outside of the tree")
    for level, beside in enumerate(siblings):
        pair = [(total, top), (whole(beside["sum"]), raw(beside["hash"]))]
        if index >> level & 1:
            pair.reverse()
        total = pair[0][0] + pair[1][0]
        need(total < SUM_LIMIT, "a sum is too large")
        top = sha256(b"\x01evermark node" + b"".join(s.to_bytes(16, "big") + h for s, h in pair)).digest()
    return total, top


def check(published: Any, path: Any, owner: str, account: int) -> None:
    """Raise where the path does not prove the claim."""
    need(published["format"] == path["format"] == FORMAT, "the format is another one")
    need(path["owner"] == owner and path["account"] == account, "the path is somebody else's")
    need(path["seq"] == published["seq"], "statement and path are of different moments")
    asset, height = published["assets"][path["asset"]], published["assets"][path["asset"]]["height"]
    need(type(height) is int and 0 <= height <= HEIGHT_MAX, "the height is out of range")
    context = published["seq"].to_bytes(8, "big") + raw(published["state_hash"]) + path["asset"].encode()
    total, top = climb(path, sha256(b"\x03evermark tree" + context).digest(), owner, account, height)
    need(top == raw(asset["root"]), "the path does not lead to the published root")
    need(total == whole(asset["total"]), "the path does not lead to the published total")
    balance = total - whole(asset["shortfall"]) + whole(asset["own"])
    need(balance == whole(asset["held"]), "total - shortfall + own is not what is held")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("published")
    parser.add_argument("path")
    parser.add_argument("--owner", required=True)
    parser.add_argument("--account", required=True, type=int)
    given = parser.parse_args()
    try:
        published, path = load(given.published), load(given.path)
        check(published, path, given.owner, given.account)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        sys.exit(f"NOT PROVEN: {error!r}")
    digest = sha256(json.dumps(published, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    units = (int(path["value"]), int(published["assets"][path["asset"]]["total"]))
    claim, total = (f"{unit // 10**8}.{unit % 10**8:08}" for unit in units)
    print(f"account {given.account} of {given.owner}: {claim} of {total} {path['asset']} at seq {path['seq']}")
    print(f"statement {digest}")
