"""Where a proof of liabilities lies: a folder for each moment under DATA_DIR/liabilities, which only the exchange may read.

`published.json` is for everybody: the statement. For each asset there is `ASSET.nodes`, the tree's nodes level by level
from the leaves (sum and hash in lines of one width), `ASSET.leaves`, by account id its place, its salt and where in
`ASSET.owners` its owner's name is. A path is read with a few seeks, however many accounts there are. Who has these files sees every
claim, so they stay here.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from app.faults import Fault
from app.proof.tree import FORMAT, HEIGHT_MAX, Node, Tree

FOLDER: Final = "liabilities"
STATEMENT: Final = "published.json"
_SUM_DIGITS: Final = 39
_NODE_LINE: Final = _SUM_DIGITS + 1 + 64 + 1
_ID_DIGITS: Final = 20
_LEAF_LINE: Final = 4 * (_ID_DIGITS + 1) + 64 + 1


class AssetStatement(msgspec.Struct, frozen=True):
    """What is said of one asset. Amounts are whole units of 10^-8 as text.

    total - shortfall + own = held: `own` is the exchange's own money, `held` all that came in and did not leave.
    """

    total: str
    root: str
    height: int
    claims: int
    shortfall: str
    shortfalls: int
    own: str
    held: str


class Statement(msgspec.Struct, frozen=True):
    """What is published: the root and the total of every asset's tree right after a command."""

    format: str
    seq: int
    time_ms: int
    state_hash: str
    assets: dict[str, AssetStatement]


class Sibling(msgspec.Struct, frozen=True):
    """The node beside a path's node."""

    sum: str
    hash: str


class ClaimPath(msgspec.Struct, frozen=True):
    """What one account needs to find its claim in the published total. For the account's owner alone."""

    format: str
    seq: int
    asset: str
    account: int
    owner: str
    value: str
    salt: str
    index: int
    siblings: list[Sibling]


class ProofExists(Fault):
    """Other liabilities were written for the same moment before."""


class ProofDamaged(Fault):
    """What lies in the folder is not what was written there."""


def folder_of(data_dir: Path, seq: int) -> Path:
    """Where the proof of a moment is."""
    return data_dir / FOLDER / str(seq)


def write(data_dir: Path, statement: Statement, trees: dict[str, Tree]) -> Path:
    """Write a proof, whole or not at all. The same one again changes nothing.

    Raises: ProofExists when the moment has another one.
    """
    place = folder_of(data_dir, statement.seq)
    text = msgspec.json.format(msgspec.json.encode(statement), indent=2) + b"\n"
    if place.exists():
        if (place / STATEMENT).read_bytes() != text:
            raise ProofExists(f"{place} holds other liabilities of this moment; nothing was written.")
        return place
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    making = place.with_name(f"{place.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700)
    for asset, tree in trees.items():
        _write_file(making / f"{asset}.nodes", _node_lines(tree))
        names = [leaf.owner.encode() for leaf in tree.leaves]
        _write_file(making / f"{asset}.leaves", _leaf_lines(tree, names))
        _write_file(making / f"{asset}.owners", names)
    _write_file(making / STATEMENT, [text])
    making.rename(place)
    return place


def _write_file(path: Path, lines: Iterable[bytes]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())


def _node_lines(tree: Tree) -> Iterator[bytes]:
    for level in tree.levels:
        for total, hashed in level:
            yield b"%0*d %s\n" % (_SUM_DIGITS, total, hashed.hex().encode())


def _leaf_lines(tree: Tree, names: list[bytes]) -> Iterator[bytes]:
    start = 0
    for leaf, name in zip(tree.leaves, names, strict=True):
        numbers = (leaf.account_id, leaf.place, start, len(name))
        yield b"%s %s\n" % (b" ".join(b"%0*d" % (_ID_DIGITS, number) for number in numbers), leaf.salt.hex().encode())
        start += len(name)


def seqs(data_dir: Path) -> list[int]:
    """The moments that have a proof, the newest first."""
    folder = data_dir / FOLDER
    found = [int(place.name) for place in folder.iterdir() if place.name.isdecimal()] if folder.is_dir() else []
    return sorted(found, reverse=True)


def statement(data_dir: Path, seq: int) -> Statement | None:
    """What was published of a moment; None when nothing was. Raises: ProofDamaged."""
    try:
        return msgspec.json.decode((folder_of(data_dir, seq) / STATEMENT).read_bytes(), type=Statement)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ProofDamaged(f"The liabilities at seq {seq} cannot be read: {error}") from error


def path_of(data_dir: Path, seq: int, asset: str, account_id: int) -> ClaimPath | None:
    """An account's path in an asset's tree; None when it has no claim there. Raises: ProofDamaged."""
    place = folder_of(data_dir, seq)
    found = statement(data_dir, seq)
    if found is None or asset not in found.assets:
        return None
    try:
        with (place / f"{asset}.leaves").open("rb") as leaves:
            line = _find(leaves, account_id)
        if line is None:
            return None
        index, start, size = int(line[1]), int(line[2]), int(line[3])
        with (place / f"{asset}.owners").open("rb") as owners:
            owners.seek(start)
            owner = owners.read(size).decode()
        with (place / f"{asset}.nodes").open("rb") as nodes:
            value, siblings = _climb(nodes, index, found.assets[asset].height)
    except (OSError, ValueError) as error:
        raise ProofDamaged(f"The liabilities at seq {seq} cannot be read: {error}") from error
    beside = [Sibling(str(total), hashed.hex()) for total, hashed in siblings]
    return ClaimPath(FORMAT, seq, asset, account_id, owner, str(value), line[4], index, beside)


def _find(leaves: BinaryIO, account_id: int) -> list[str] | None:
    """The words of an account's line, by halving. Raises: ValueError."""
    low = 0
    high, rest = divmod(leaves.seek(0, os.SEEK_END), _LEAF_LINE)
    if rest:
        raise ValueError("the leaves end in the middle of a line")
    while low < high:
        middle = (low + high) // 2
        leaves.seek(middle * _LEAF_LINE)
        words = leaves.read(_LEAF_LINE).decode("ascii").split()
        if len(words) != 5:
            raise ValueError("a line of the leaves is no line")
        if int(words[0]) == account_id:
            return words
        low, high = (middle + 1, high) if int(words[0]) < account_id else (low, middle)
    return None


def _climb(nodes: BinaryIO, index: int, height: int) -> tuple[int, list[Node]]:
    """A leaf's sum, and the node beside each node from it to the root. Raises: ValueError."""
    if not 0 <= height <= HEIGHT_MAX or index >> height:
        raise ValueError("a leaf lies outside of its tree")
    value, _ = _node(nodes, index)
    siblings: list[Node] = []
    start = 0
    for level in range(height):
        siblings.append(_node(nodes, start + (index ^ 1)))
        start += 1 << (height - level)
        index >>= 1
    return value, siblings


def _node(nodes: BinaryIO, number: int) -> Node:
    nodes.seek(number * _NODE_LINE)
    total, hashed = nodes.read(_NODE_LINE).decode("ascii").split()
    return int(total), bytes.fromhex(hashed)
