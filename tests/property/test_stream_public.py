"""Laws of the public stream, over lives of a whole exchange, with clients that are slow now and then: nothing that counts is left
out, and what is told last is what stands.
"""

import asyncio
import io
from random import Random
from typing import Any, cast
from zlib import crc32

import pytest

from app.db.liquidation_rows import slice_row, step_row
from app.db.projector import Projector
from app.identity import Identity
from app.stream.client import Client
from app.stream.hub import Hub
from app.stream.socket import Socket
from app.surfaces.everstrike.answers import Json
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.pairs import Pair, liquidation_json
from exchange import views
from exchange.events import PositionDeleveraged, PositionTakenOver, Traded
from tests.simulation.life import Life, read_journal
from tests.support.ears import Counter, Ear

COMMANDS = 6_000
SEEDS = (4, 8)
CATEGORIES = ("depth", "match", "trades", "liquidation", "index", "book")


def quoted(levels: list[tuple[int, int]], pair: Pair) -> list[Json]:
    return [{"price": price / pair.price_units_in_one, "qty": qty / pair.lots_in_one} for price, qty in levels]


def check_book(results: list[Any], pair: Pair) -> dict[str, dict[float, float]]:
    """Follow snapshots and deltas as a client does that trusts nothing. Gives the book at the end."""
    sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
    seq = -1
    for result in results:
        if result["type"] == "snapshot":
            sides = {"bids": {}, "asks": {}}
        else:
            assert result["prev_seq"] == seq, "a gap"
        seq = result["seq"]
        for name, side in sides.items():
            for level in result[name]:
                if level["qty"]:
                    side[level["price"]] = level["qty"]
                else:
                    del side[level["price"]]
        bids = sorted(sides["bids"].items(), reverse=True)
        asks = sorted(sides["asks"].items())
        assert not bids or not asks or bids[0][0] < asks[0][0], "crossed"
        whole, lot = pair.price_units_in_one, pair.lots_in_one
        text = ":".join(f"{round(price * whole)}:{round(qty * lot)}" for price, qty in (*bids[:25], *asks[:25]))
        assert crc32(text.encode()) == result["checksum"]
    return sides


@pytest.mark.spec("STREAM-021", "STREAM-022", "STREAM-023", "STREAM-026", "STREAM-032", "STREAM-033", "STREAM-071")
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_that_counts_is_left_out(seed: int) -> None:
    journal = io.BytesIO()
    Life(seed, COMMANDS, journal).run()
    journal.seek(0)
    random = Random(seed)
    projector = Projector("")
    counter = Counter(projector)
    hub = Hub(cast(Desk, counter), cast(Identity, None), projector.open_order)
    ears: dict[str, tuple[Ear, Ear]] = {}
    pairs: dict[str, Pair] = {}
    traded: dict[str, list[str]] = {}
    liquidated: dict[str, list[Json]] = {}
    sequencer = counter.sequencer
    for seq, (time_ms, command) in enumerate(read_journal(journal), 1):
        events = sequencer.exchange.apply(command, time_ms)
        sequencer.seq = seq
        hub.tell(seq, time_ms, command, events)
        projector.tell(seq, time_ms, command, events)
        for pair in counter.pairs.all():
            if pair.name not in ears:
                pairs[pair.name] = pair
                ears[pair.name] = (Ear(), Ear())
                traded[pair.name], liquidated[pair.name] = [], []
                for ear in ears[pair.name]:
                    client = Client(cast(Socket, ear), "x", "x", 0.0)
                    channel = hub.channel(pair.name)
                    for category in CATEGORIES:
                        topic = channel.topic(category)
                        assert topic is not None
                        hub.subscribe(client, topic)
        for index, event in enumerate(events):
            if isinstance(event, Traded):
                name = counter.pairs.of(event.market_id).name
                traded[name].append(f"{2:08x}{event.trade_id:024x}")
                if event.is_liquidation:
                    row = slice_row(seq, index, time_ms, event)
                    liquidated[name].append(liquidation_json(row, pairs[name]))
            elif isinstance(event, PositionTakenOver | PositionDeleveraged):
                name = counter.pairs.of(event.market_id).name
                liquidated[name].append(liquidation_json(step_row(seq, index, time_ms, event), pairs[name]))
        if random.random() < 0.3:
            await asyncio.sleep(0.02 if random.random() < 0.05 else 0)
        for _, lazy in ears.values():
            if random.random() < 0.002:
                lazy.is_slow = True
            elif lazy.is_slow and random.random() < 0.01:
                lazy.wake()
    for _, lazy in ears.values():
        lazy.wake()
    await asyncio.sleep(0.1)
    assert sum(map(len, liquidated.values())) > 0
    for name, both in ears.items():
        pair = pairs[name]
        bids, asks = views.depth(sequencer.exchange, pair.market_id, 1_000)
        for ear in both:
            assert [trade["id"] for trade in ear.of("match")] == traded[name]
            assert [trade["id"] for result in ear.of("trades") for trade in result["trades"]] == traded[name]
            assert ear.of("liquidation") == liquidated[name]
            depth = ear.of("depth")[-1]
            assert (depth["bids"], depth["asks"]) == (quoted(bids[:40], pair), quoted(asks[:40], pair))
            book = check_book(ear.of("book"), pair)
            assert sorted(book["bids"].items(), reverse=True) == [
                (level["price"], level["qty"]) for level in quoted(bids, pair)
            ]
            view = views.market(sequencer.exchange, pair.market_id)
            assert view is not None
            told = ear.of("index")[-1]["mark"]
            assert told == (view.mark_price / pair.price_units_in_one if view.mark_price else None)
    assert any(len(both[0].of("book")) > len(both[1].of("book")) for both in ears.values()), "nobody was slow"
