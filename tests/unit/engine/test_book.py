from collections.abc import Callable

import pytest

from engine.book import Book, Level
from engine.order import BUY, SELL, Order
from tests.unit.engine.tables import book_of, order, show


def test_price_then_time() -> None:
    """BOOK-001"""
    book = book_of("1 buy 5@100", "2 buy 5@101", "3 buy 5@100", "4 sell 5@103", "5 sell 5@102")
    assert show(book) == ["2 5@101", "1 5@100", "3 5@100", "5 5@102", "4 5@103"]
    assert (book.best(BUY), book.best(SELL)) == (101, 102)


def test_displayed_stand_before_hidden() -> None:
    """BOOK-002"""
    book = book_of("1 sell 5@100 hidden", "2 sell 5@100", "3 sell 5@100 hidden", "4 sell 5@100")
    assert show(book) == ["2 5@100", "4 5@100", "1 5@100 hidden", "3 5@100 hidden"]


@pytest.mark.parametrize(
    "gone,left",
    [(1, ["2 6@100", "3 7@100"]), (2, ["1 5@100", "3 7@100"]), (3, ["1 5@100", "2 6@100"])],
)
@pytest.mark.parametrize("flag", ["", " hidden"])
def test_cancel_from_any_place(gone: int, left: list[str], flag: str) -> None:
    """BOOK-003"""
    book = book_of("1 sell 5@100" + flag, "2 sell 6@100" + flag, "3 sell 7@100" + flag)
    removed = book.orders[gone]
    book.remove(removed)
    assert show(book) == [line + flag for line in left]
    assert book.asks.levels[100].total == 18 - removed.leaves
    assert gone not in book.orders
    assert (removed.level, removed.before, removed.after) == (None, None, None)
    assert removed.leaves == 4 + gone


def test_last_order_takes_its_price_with_it() -> None:
    """BOOK-003"""
    book = book_of("1 buy 5@100", "2 buy 5@101", "3 buy 5@99", "4 sell 5@105", "5 sell 5@104", "6 sell 5@106")
    for gone, best_bid, best_ask in [
        (2, 100, 104),
        (5, 100, 105),
        (3, 100, 105),
        (6, 100, 105),
        (1, 0, 105),
        (4, 0, 0),
    ]:
        book.remove(book.orders[gone])
        book.check()
        assert (book.best(BUY), book.best(SELL)) == (best_bid, best_ask)
    assert show(book) == []


def test_smaller_quantity_keeps_its_place() -> None:
    """BOOK-004"""
    book = book_of("1 buy 10@100", "2 buy 55@100", "3 buy 40@100")
    book.reduce(book.orders[2], 50)
    assert show(book) == ["1 10@100", "2 50@100", "3 40@100"]
    assert book.depth(BUY, 1) == [(100, 100)]


def test_entered_anew_loses_its_place() -> None:
    """BOOK-005"""
    book = book_of("1 buy 10@100", "2 buy 55@100", "3 buy 40@100")
    amended = book.orders[2]
    book.remove(amended)
    amended.leaves = 50
    book.rest(amended)
    assert show(book) == ["1 10@100", "3 40@100", "2 50@100"]


@pytest.mark.parametrize("leaves", [0, 11])
def test_reduce_neither_empties_nor_grows(leaves: int) -> None:
    book = book_of("1 buy 10@100")
    with pytest.raises(AssertionError):
        book.reduce(book.orders[1], leaves)


def test_reduce_hidden() -> None:
    book = book_of("1 buy 10@100 hidden")
    book.reduce(book.orders[1], 4)
    assert show(book) == ["1 4@100 hidden"]
    assert book.bids.levels[100].displayed == 0


def test_only_what_rests_is_removed_or_reduced() -> None:
    book = Book()
    stranger = order("1 buy 10@100")
    with pytest.raises(AssertionError):
        book.remove(stranger)
    with pytest.raises(AssertionError):
        book.reduce(stranger, 5)


def test_hidden_counts_for_best_and_does_not_show() -> None:
    """BOOK-006"""
    book = book_of("1 buy 5@101 hidden", "2 buy 5@100", "3 sell 5@102 hidden")
    assert (book.best(BUY), book.depth(BUY, 10)) == (101, [(100, 5)])
    assert (book.best(SELL), book.depth(SELL, 10)) == (102, [])


def test_depth_shows_tips_of_the_best_prices() -> None:
    """BOOK-007"""
    book = book_of("1 sell 30@102 peak=10", "2 sell 5@102", "3 sell 7@103", "4 sell 1@104")
    assert book.depth(SELL, 2) == [(102, 15), (103, 7)]
    assert book.depth(SELL, 10) == [(102, 15), (103, 7), (104, 1)]
    assert book.depth(SELL, 0) == []


@pytest.mark.parametrize("text,tip", [("1 buy 25@100 peak=10", 10), ("1 buy 7@100 peak=10", 7), ("1 buy 9@100", 9)])
def test_tip(text: str, tip: int) -> None:
    """ICE-001"""
    assert book_of(text).orders[1].tip == tip


@pytest.mark.parametrize("leaves,tip", [(15, 10), (10, 10), (6, 6)])
def test_reduced_iceberg(leaves: int, tip: int) -> None:
    """ICE-006"""
    book = book_of("1 buy 30@100 peak=10")
    book.reduce(book.orders[1], leaves)
    book.check()
    assert (book.orders[1].tip, book.depth(BUY, 1)) == (tip, [(100, tip)])


def test_restored_in_walking_order_it_is_the_same_book() -> None:
    """BOOK-008"""
    book = book_of(
        "1 buy 5@100 hidden",
        "2 buy 30@100 peak=10",
        "3 buy 5@101",
        "4 buy 5@100",
        "5 sell 9@103 peak=4",
        "6 sell 5@102",
    )
    book.orders[2].tip = 3  # as after a trade of 7
    book.bids.levels[100].displayed -= 7
    lines = show(book)
    again = Book()
    for resting in book.resting():
        again.restore(resting)
    assert show(again) == lines
    assert "2 30@100 tip=3" in lines
    assert again.depth(BUY, 9) == book.depth(BUY, 9)


def cross_it(book: Book) -> None:
    book.rest(order("9 buy 1@102"))


def lie_about_displayed(book: Book) -> None:
    book.bids.levels[100].displayed += 1


def lie_about_total(book: Book) -> None:
    book.bids.levels[100].total += 1


def lie_about_best(book: Book) -> None:
    book.bids.best = book.bids.levels[99]


def twin_best(book: Book) -> None:
    book.bids.best = Level(100)


def drop_rank(book: Book) -> None:
    book.bids.ranks.pop(0)


def swap_rank(book: Book) -> None:
    book.bids.ranks.pop(0)
    book.bids.ranks.add(50)


def leave_empty_level(book: Book) -> None:
    book.bids.open(98)


def misplace_level(book: Book) -> None:
    book.bids.levels[100].price = 1


def cut_backward_link(book: Book) -> None:
    book.orders[2].before = None


def forget_last(book: Book) -> None:
    book.bids.levels[100].last = book.orders[1]


def make_ring(book: Book) -> None:
    book.orders[2].after = book.orders[1]
    book.orders[1].before = book.orders[2]


def drop_from_index(book: Book) -> None:
    del book.orders[1]


def index_stranger(book: Book) -> None:
    book.orders[9] = book.orders.pop(1)


def index_unplaced(book: Book) -> None:
    del book.orders[1]
    book.orders[9] = order("9 buy 1@100")


def set_order(name: str, value: object) -> Callable[[Book], None]:
    def damage(book: Book) -> None:
        setattr(book.orders[1], name, value)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        cross_it,
        lie_about_displayed,
        lie_about_total,
        lie_about_best,
        twin_best,
        drop_rank,
        swap_rank,
        leave_empty_level,
        misplace_level,
        cut_backward_link,
        forget_last,
        make_ring,
        drop_from_index,
        index_stranger,
        index_unplaced,
        set_order("price", 99),
        set_order("sign", SELL),
        set_order("tip", 0),
        set_order("tip", 6),
        set_order("tip", 4),
        set_order("leaves", 4),
        set_order("hidden", True),
        set_order("level", None),
    ],
)
def test_check_finds_damage(damage: Callable[[Book], None]) -> None:
    """BOOK-009"""
    book = book_of("1 buy 5@100", "2 buy 5@100", "3 buy 5@99", "4 sell 5@101", "5 sell 5@101 hidden")
    damage(book)
    with pytest.raises(AssertionError):
        book.check()


def test_check_finds_a_hidden_reserve() -> None:
    """BOOK-009"""
    book = book_of("1 buy 5@100 hidden")
    book.orders[1].peak = 3
    book.orders[1].tip = 3
    with pytest.raises(AssertionError):
        book.check()


def test_order_starts_unplaced() -> None:
    fresh: Order = order("1 buy 5@100")
    assert (fresh.filled, fresh.tip, fresh.time_ms, fresh.level) == (0, 0, 0, None)
