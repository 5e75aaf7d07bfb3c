"""From the journal to a proof: replay to a command, build every asset's tree, write it down."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from app.db.connect import Connection
from app.db.secrets import master_key
from app.faults import Fault
from app.history import NEWEST, reading
from app.proof import files
from app.proof.files import AssetStatement, ClaimPath, Statement
from app.proof.tree import FORMAT, Tree, build, context_of, salt_key
from app.recovery import Recovered, replay_to
from app.settings import Settings
from app.wire import MONEY_DECIMALS, plain
from exchange import views
from exchange.liabilities import backing, claims
from exchange.limits import FUND_ACCOUNT_ID

FUND_OWNER: Final = "the insurance fund"


class NoSuchMoment(Fault):
    """The journal has no such command, or there is no proof of it."""


class Unsound(Fault):
    """Conservation does not hold at this state: there is nothing to prove."""


class Proof(NamedTuple):
    """A proof and where it lies."""

    statement: Statement
    place: Path

    @property
    def digest(self) -> str:
        """The statement's short name, which users compare: nobody may be shown another one."""
        text = json.dumps(msgspec.to_builtins(self.statement), sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()


async def publish(settings: Settings, seq: int | None) -> Proof:
    """Write the proof of liabilities right after a command, the newest for None.

    Raises: DatabaseUnusable, JournalDamaged, SettingsInvalid, NoSuchMoment, Unsound, ProofExists.
    """
    async with reading() as connection:
        found = await replay_to(connection, NEWEST if seq is None else seq)
        if seq is not None and found.seq < seq:
            raise NoSuchMoment(f"The journal ends at seq {found.seq}.")
        owners = await owner_names(connection)
    key = master_key(settings.master_key, settings.data_dir, is_embedded=settings.is_embedded)
    statement, trees = prove(found, owners, key)
    return Proof(statement, files.write(settings.data_dir, statement, trees))


def amount(text: str) -> str:
    """A statement's amount for people."""
    return plain(int(text), MONEY_DECIMALS)


async def owner_names(connection: Connection) -> dict[int, str]:
    """Everybody's name by owner id."""
    return {row["owner_id"]: row["name"] for row in await connection.fetch("SELECT owner_id, name FROM users")}


def prove(found: Recovered, owners: dict[int, str], key: bytes) -> tuple[Statement, dict[str, Tree]]:
    """Build the tree of every asset at a state, and the statement of them. Cost: O(accounts x assets).

    Raises: Unsound.
    """
    exchange = found.exchange
    state_hash = exchange.state_hash()
    salts = salt_key(key, state_hash)
    trees: dict[str, Tree] = {}
    said: dict[str, AssetStatement] = {}
    for asset in views.assets(exchange):
        listed = claims(exchange, asset.asset_id)
        named = {claim.account_id: owner_of(claim.account_id, claim.owner_id, owners) for claim in listed}
        context = context_of(found.seq, state_hash, asset.symbol)
        tree = trees[asset.symbol] = build(listed, named, context=context, key=salts, asset=asset.symbol)
        lacking = [claim.shortfall for claim in listed if claim.shortfall]
        against = backing(exchange, asset.asset_id)
        total, root = tree.root
        if total - sum(lacking) + against.own != against.held:
            raise Unsound(f"The claims on {asset.symbol} at seq {found.seq} do not add up to what is held.")
        said[asset.symbol] = AssetStatement(
            str(total),
            root.hex(),
            tree.height,
            len(listed),
            str(sum(lacking)),
            len(lacking),
            str(against.own),
            str(against.held),
        )
    return Statement(FORMAT, found.seq, exchange.time_ms, state_hash.hex(), said), trees


def owner_of(account_id: int, owner_id: int, owners: dict[int, str]) -> str:
    """The name that stands in an account's leaf."""
    return FUND_OWNER if account_id == FUND_ACCOUNT_ID else owners.get(owner_id, "")


def path(settings: Settings, seq: int | None, asset: str, account_id: int) -> ClaimPath:
    """An account's path in a proof that was written, the newest for None.

    Raises: ProofDamaged; NoSuchMoment when there is no such proof, asset or claim.
    """
    written = files.seqs(settings.data_dir)
    if seq is None and written:
        seq = written[0]
    if seq not in written:
        raise NoSuchMoment("There are no such liabilities yet: evermark liabilities --at SEQ writes them.")
    claim = files.path_of(settings.data_dir, seq, asset, account_id)
    if claim is None:
        raise NoSuchMoment(f"Account {account_id} has no claim on {asset} in the liabilities at seq {seq}.")
    return claim
