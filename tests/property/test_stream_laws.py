"""Laws of the private stream, over lives of a whole exchange: what is told is enough, in order, and the same each time."""

import io
import json
from collections.abc import Iterator
from typing import cast

import msgspec
import pytest

from app.db.projector import Projector
from app.db.rows import StoredOrder
from app.sequencer import Sequencer
from app.stream.private import Sheet, Teller
from app.stream.refill import open_orders
from app.stream.ring import Ring
from app.surfaces.everstrike.answers import Json, balance_json, order_of_view, position_json
from app.surfaces.everstrike.pairs import Pairs
from exchange import views
from exchange.commands import Command
from exchange.exchange import Exchange
from tests.simulation.life import Life, read_journal
from tests.support.mirror import ENDS, Mirror

COMMANDS = 6_000
SEEDS = (1, 8)
CHECK_EVERY = 250
OWN_ORDER = {"fills", "time", "leverage", "trigger_price", "msg"}
"""What REST has from elsewhere, or changes without an event: a trailing stop's trigger, the leverage of an account."""
POSITION = ("pair", "size", "realized", "funding", "fees", "cum_pnl")
BALANCE = ("pnl", "fees", "withdrawn")
"""What moves with events only: the rest follows the mark."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Standing:
    """What pairs want of a sequencer: the exchange as it is."""

    def __init__(self) -> None:
        self.exchange = Exchange()


def payload(data: bytes) -> bytes:
    """What a short or middle frame holds."""
    return data[4:] if data[1] == 126 else data[2:]


def told(
    journal: io.BytesIO, standing: Standing, ring: Ring, projector: Projector
) -> Iterator[tuple[int, int, Command, list[Sheet]]]:
    """Play a journal as the running exchange does: the stream is told first, the projector behind it."""
    teller = Teller(ring, Pairs(cast(Sequencer, standing)), projector.open_order, str)
    journal.seek(0)
    for seq, (time_ms, command) in enumerate(read_journal(journal), 1):
        events = standing.exchange.apply(command, time_ms)
        for account in views.accounts(standing.exchange):
            ring.follow(account.account_id, seq - 1, with_extras=True)
        sheets = teller.tell(seq, time_ms, events, standing.exchange)
        projector.tell(seq, time_ms, command, events)
        yield seq, time_ms, command, sheets


def compare(mirror: Mirror, exchange: Exchange, account_id: int, pairs: Pairs, projector: Projector) -> None:
    """Hold a mirror against what REST says."""
    resting = {}
    for view in views.orders(exchange, account_id):
        row = projector.open_order(view.order_id)
        assert row is not None
        found = order_of_view(view, pairs.of(view.market_id), str(account_id), row.request, [])
        resting[str(found["id"])] = found
    assert mirror.orders.keys() == resting.keys()
    for order_id, found in resting.items():
        known = json.loads(_encode(found))
        assert {name: known[name] for name in known.keys() - OWN_ORDER} == {
            name: mirror.orders[order_id][name] for name in known.keys() - OWN_ORDER
        }
    positions = {}
    for position in views.positions(exchange, account_id):
        found = json.loads(_encode(position_json(position, pairs.of(position.market_id))))
        positions[found["pair"]] = [found[name] for name in POSITION] + [found["stats"]["notional_entry"]]
    assert positions == {
        pair: [found[name] for name in POSITION] + [found["stats"]["notional_entry"]]  # type: ignore[index]
        for pair, found in mirror.positions.items()
    }
    balances = {
        pairs.symbol(view.asset_id): json.loads(_encode(balance_json(view)))
        for view in views.balances(exchange, account_id)
    }
    assert {asset: [found[name] for name in BALANCE] for asset, found in balances.items()} == {
        asset: [found[name] for name in BALANCE] for asset, found in cast(dict[str, Json], mirror.balances).items()
    }


@pytest.fixture(scope="module", params=SEEDS)
def journal(request: pytest.FixtureRequest) -> io.BytesIO:
    found = io.BytesIO()
    Life(request.param, COMMANDS, found).run()
    return found


@pytest.mark.spec("STREAM-045")
def test_what_is_told_is_what_rest_says(journal: io.BytesIO) -> None:
    standing, ring, projector = Standing(), Ring(), Projector("")
    pairs = Pairs(cast(Sequencer, standing))
    mirrors: dict[int, Mirror] = {}
    categories: set[str] = set()
    for seq, _, _, sheets in told(journal, standing, ring, projector):
        for sheet in sheets:
            mirror = mirrors.setdefault(sheet.account_id, Mirror())
            for entry in sheet.entries:
                message = json.loads(payload(entry.frame))
                categories.add(message["category"])
                mirror.take(message)
        if seq % CHECK_EVERY == 0:
            for account in views.accounts(standing.exchange):
                mirror = mirrors.get(account.account_id, Mirror())
                compare(mirror, standing.exchange, account.account_id, pairs, projector)
    assert categories >= ENDS | {"order_amended", "order_triggered", "position_closed", "deposit_completed"}


@pytest.mark.spec("STREAM-053")
def test_a_journal_played_again_tells_the_same(journal: io.BytesIO) -> None:
    """From the middle, with the open orders taken from the state, as a start does it."""
    standing, ring, projector = Standing(), Ring(), Projector("")
    orders: dict[int, StoredOrder] = {}
    later: Teller | None = None
    twin = Exchange()
    compared = 0
    for seq, time_ms, command, sheets in told(journal, standing, ring, projector):
        if later is None and seq == COMMANDS // 2:
            accounts = {account.account_id for account in views.accounts(standing.exchange)}
            journal_twin = io.BytesIO(journal.getvalue())
            for number, (then_ms, told_before) in enumerate(read_journal(journal_twin), 1):
                twin.apply(told_before, then_ms)
                if number == seq:
                    break
            resting = {view.order_id for one in accounts for view in views.orders(twin, one)}
            requests = {one: row.request for one in resting if (row := projector.open_order(one)) is not None}
            orders.update(open_orders(twin, accounts, requests))
            later = Teller(ring, Pairs(cast(Sequencer, standing)), orders.get, str, is_lasting=True)
        elif later is not None:
            again = later.tell(seq, time_ms, twin.apply(command, time_ms), twin)
            assert [sheet.entries for sheet in again] == [sheet.entries for sheet in sheets]
            compared += len(again)
    assert compared > COMMANDS // 10
