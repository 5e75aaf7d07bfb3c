"""The local book, told by the exchange's own maker of messages."""

import random
from decimal import Decimal

import msgspec
import pytest

from app.stream.book import checksum
from evermark_client import BookBroken, LocalBook
from evermark_client.book import BookMessage
from evermark_client.models import Level

Levels = dict[int, int]


def empty() -> LocalBook:
    return LocalBook("USD_BTC_PERP", price_decimals=2, qty_decimals=4)


def wire(levels: Levels) -> list[Level]:
    return [Level(price=Decimal(price).scaleb(-2), qty=Decimal(qty).scaleb(-4)) for price, qty in levels.items()]


def right(bids: Levels, asks: Levels) -> int:
    """The checksum as the exchange computes it."""
    return checksum(sorted(bids.items(), reverse=True), sorted(asks.items()))


def snapshot(seq: int, bids: Levels, asks: Levels) -> BookMessage:
    return BookMessage(type="snapshot", seq=seq, checksum=right(bids, asks), bids=wire(bids), asks=wire(asks))


@pytest.mark.spec("CLT-032")
def test_the_worked_checksum() -> None:
    book = empty()
    said = (
        b'{"type":"snapshot","seq":812,"checksum":2298095944,"bids":[{"price":60000.0,"qty":0.0003},'
        b'{"price":59999.5,"qty":1.0}],"asks":[{"price":60000.5,"qty":0.002}]}'
    )
    book.apply(msgspec.json.decode(said, type=BookMessage))
    assert book.checksum() == 2298095944
    assert book.is_whole
    assert book.best_bid == Level(price=Decimal("60000.00"), qty=Decimal("0.0003"))
    assert book.best_ask == Level(price=Decimal("60000.50"), qty=Decimal("0.0020"))


def life(seed: int, messages: int) -> tuple[list[BookMessage], list[tuple[Levels, Levels]]]:
    """What the exchange tells of a book that changes, and the book after each message."""
    dice = random.Random(seed)
    sides: tuple[Levels, Levels] = ({}, {})
    told = [snapshot(1, {}, {})]
    books: list[tuple[Levels, Levels]] = [({}, {})]
    for _ in range(messages):
        changes: tuple[Levels, Levels] = ({}, {})
        for side, first in ((0, 6_000_000), (1, 6_000_100)):
            for _ in range(dice.randrange(0 if side else 1, 4)):
                price = first + (1 if side else -1) * dice.randrange(60)
                qty = dice.choice((0, dice.randrange(1, 10_000)))
                changes[side][price] = qty
                if qty:
                    sides[side][price] = qty
                else:
                    sides[side].pop(price, None)
        seq = told[-1].seq + dice.randrange(1, 9)
        if dice.random() < 0.02:
            told.append(snapshot(seq, *sides))
        else:
            told.append(
                BookMessage(
                    type="delta",
                    prev_seq=told[-1].seq,
                    seq=seq,
                    checksum=right(*sides),
                    bids=wire(changes[0]),
                    asks=wire(changes[1]),
                )
            )
        books.append((dict(sides[0]), dict(sides[1])))
    return told, books


@pytest.mark.spec("CLT-030")
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_exchanges_book_after_each_message(seed: int) -> None:
    book = empty()
    told, books = life(seed, 500)
    for message, (bids, asks) in zip(told, books, strict=True):
        book.apply(message)
        assert book.seq == message.seq
        assert book.bids() == wire(dict(sorted(bids.items(), reverse=True)))
        assert book.asks(7) == wire(dict(sorted(asks.items())[:7]))
    assert book.messages == len(told)


@pytest.mark.spec("CLT-031")
def test_a_message_that_is_missing_doubled_or_out_of_turn_breaks_it() -> None:
    told, _ = life(7, 60)
    deltas = [number for number, message in enumerate(told) if message.type == "delta"]
    for number in deltas[:-1]:
        if told[number + 1].type == "snapshot":
            continue
        for order in ((number + 1,), (number, number), (number + 1, number)):
            book = empty()
            for message in told[:number]:
                book.apply(message)
            for place in order[:-1]:
                if place == number:
                    book.apply(told[place])
                    continue
                with pytest.raises(BookBroken):
                    book.apply(told[place])
            with pytest.raises(BookBroken):
                book.apply(told[order[-1]])
            assert not book.is_whole
            with pytest.raises(BookBroken):
                book.bids()
            with pytest.raises(BookBroken):
                book.apply(told[number + 1])
            whole = snapshot(9_999, {1: 1}, {2: 2})
            book.apply(whole)
            assert book.is_whole


@pytest.mark.spec("CLT-031")
@pytest.mark.parametrize("change", [(6_000_000, 4), (5_999_949, 10_000), (6_000_000, 0)])
def test_a_wrong_level_breaks_it(change: tuple[int, int]) -> None:
    book = empty()
    bids = {6_000_000: 3, 5_999_950: 10_000}
    book.apply(snapshot(1, bids, {}))
    told = BookMessage(type="delta", prev_seq=1, seq=2, checksum=right(bids, {}), bids=wire(dict([change])), asks=[])
    with pytest.raises(BookBroken, match="checksum"):
        book.apply(told)


@pytest.mark.spec("CLT-031")
def test_a_price_between_the_units_breaks_it() -> None:
    level = Level(price=Decimal("0.001"), qty=Decimal(1))
    with pytest.raises(BookBroken, match="more than 2 decimals"):
        empty().apply(BookMessage(type="snapshot", seq=1, checksum=0, bids=[level], asks=[]))
