import pytest

from engine.matching import cross, crosses, fillable, in_reach, next_maker, trade, would_take
from engine.order import BUY, SELL, SelfMatch
from tests.unit.engine.tables import EDGE, book_of, order, show, take

MODES = list(SelfMatch)


@pytest.mark.parametrize(
    "resting,taker,trades,left",
    [
        pytest.param(
            ["1 sell 5@101", "2 sell 5@100", "3 sell 5@100"], "9 buy 12@101", ["2 5@100", "3 5@100", "1 2@101"], 0,
            id="MATCH-001 buy",
        ),
        pytest.param(
            ["1 buy 5@100", "2 buy 5@101", "3 buy 5@101"], "9 sell 12@100", ["2 5@101", "3 5@101", "1 2@100"], 0,
            id="MATCH-001 sell",
        ),
        pytest.param(["1 sell 5@100"], "9 buy 5@100", ["1 5@100"], 0, id="MATCH-002 equal buy"),
        pytest.param(["1 sell 5@100"], "9 buy 5@99", [], 5, id="MATCH-002 below"),
        pytest.param(["1 buy 5@100"], "9 sell 5@100", ["1 5@100"], 0, id="MATCH-002 equal sell"),
        pytest.param(["1 buy 5@100"], "9 sell 5@101", [], 5, id="MATCH-002 above"),
        pytest.param(["1 sell 5@100", "2 sell 5@102"], "9 buy 12@101", ["1 5@100"], 7, id="MATCH-003"),
        pytest.param([], f"9 buy 12@{EDGE}", [], 12, id="MATCH-003 empty book"),
        pytest.param(
            ["1 sell 5@100 hidden", "2 sell 5@100", "3 sell 5@101"], "9 buy 12@101", ["2 5@100", "1 5@100", "3 2@101"], 0,
            id="MATCH-007",
        ),
        pytest.param(
            ["1 sell 30@100 peak=10", "2 sell 10@100 hidden", "3 sell 10@100"], "9 buy 45@100",
            ["1 10@100", "3 10@100", "1 10@100", "1 10@100", "2 5@100"], 0,
            id="ICE-002",
        ),
        pytest.param(
            ["1 sell 30@100 peak=10", "2 sell 12@100 peak=5"], "9 buy 42@100",
            ["1 10@100", "2 5@100", "1 10@100", "2 5@100", "1 10@100", "2 2@100"], 0,
            id="ICE-003",
        ),
        pytest.param(
            ["1 sell 20@100", "2 sell 10@100"], "9 buy 30@100 peak=10", ["1 20@100", "2 10@100"], 0, id="ICE-007"
        ),
    ],
)  # fmt: skip
def test_cross(resting: list[str], taker: str, trades: list[str], left: int) -> None:
    book = book_of(*resting)
    incoming = order(taker)
    wanted = incoming.leaves
    assert take(book, incoming) == trades
    assert (incoming.leaves, incoming.filled) == (left, wanted - left)


def test_partly_filled_maker_keeps_its_place() -> None:
    """MATCH-004"""
    book = book_of("1 sell 10@100", "2 sell 5@100")
    assert take(book, order("8 buy 4@100")) == ["1 4@100"]
    assert show(book) == ["1 6@100", "2 5@100"]
    assert take(book, order("9 buy 8@100")) == ["1 6@100", "2 2@100"]
    assert show(book) == ["2 3@100"]


@pytest.mark.parametrize(
    "resting,taker,answer",
    [
        ("1 sell 5@100", "9 buy 5@100", True),
        ("1 sell 5@100", "9 buy 5@99", False),
        ("1 sell 5@100 hidden", "9 buy 5@100", True),
        ("1 sell 5@100 owner=9", "9 buy 5@100", True),
        ("1 buy 5@100", "9 sell 5@100", True),
        ("1 buy 5@100", "9 sell 5@101", False),
        ("1 buy 5@100", "9 buy 5@100", False),
    ],
)
def test_would_take(resting: str, taker: str, answer: bool) -> None:
    """MATCH-005"""
    incoming = order(taker)
    book = book_of(resting)
    assert would_take(book, incoming.sign, incoming.price) is answer
    assert (next_maker(book, incoming) is not None) is answer


@pytest.mark.parametrize(
    "sign,limit,price,answer",
    [(BUY, 100, 100, True), (BUY, 100, 101, False), (SELL, 100, 100, True), (SELL, 100, 99, False)],
)
def test_crosses(sign: int, limit: int, price: int, answer: bool) -> None:
    """MATCH-002"""
    assert crosses(sign, limit, price) is answer


def test_trade_changes_both_orders_alike() -> None:
    """MATCH-006"""
    book = book_of("1 sell 10@100")
    maker, taker = book.orders[1], order("9 buy 7@100")
    trade(book, maker, taker, 3)
    assert (maker.leaves, maker.filled, maker.tip) == (7, 3, 7)
    assert (taker.leaves, taker.filled) == (4, 3)
    assert book.depth(SELL, 1) == [(100, 7)]
    book.check()


@pytest.mark.parametrize("qty", [0, 8, 11])
def test_trade_takes_no_more_than_both_have(qty: int) -> None:
    """MATCH-006"""
    book = book_of("1 sell 10@100")
    with pytest.raises(AssertionError):
        trade(book, book.orders[1], order("9 buy 7@100"), qty)


@pytest.mark.parametrize(
    "taker,found",
    [
        ("9 buy 1@101", [2, 4, 1, 3]),
        ("9 buy 1@100", [2, 4, 1]),
        ("9 buy 1@99", []),
        ("9 sell 1@97", [6, 5]),
        ("9 sell 1@99", []),
    ],
)
def test_in_reach(taker: str, found: list[int]) -> None:
    """MATCH-008"""
    book = book_of(
        "1 sell 5@100 hidden", "2 sell 5@100", "3 sell 5@101", "4 sell 5@100", "5 buy 5@97", "6 buy 5@98", "7 buy 5@96"
    )
    assert [maker.order_id for maker in in_reach(book, order(taker))] == found


def test_refilled_tip_goes_to_the_back() -> None:
    """ICE-004"""
    book = book_of("1 sell 20@100 peak=10", "2 sell 5@100")
    take(book, order("9 buy 10@100"))
    assert show(book) == ["2 5@100", "1 10@100"]
    assert book.depth(SELL, 1) == [(100, 15)]


def test_tip_traded_in_part_keeps_its_place() -> None:
    """ICE-005"""
    book = book_of("1 sell 20@100 peak=10", "2 sell 5@100")
    take(book, order("9 buy 4@100"))
    assert show(book) == ["1 16@100 tip=6", "2 5@100"]


def test_lone_iceberg_is_refilled_in_its_queue_of_one() -> None:
    """ICE-004"""
    book = book_of("1 sell 25@100 peak=10", "2 sell 5@100 hidden")
    take(book, order("9 buy 10@100"))
    assert show(book) == ["1 15@100 tip=10", "2 5@100 hidden"]


def test_last_tip_is_what_is_left() -> None:
    """ICE-008"""
    book = book_of("1 sell 25@100 peak=10")
    take(book, order("8 buy 10@100"))
    assert show(book) == ["1 15@100 tip=10"]
    take(book, order("9 buy 10@100"))
    assert show(book) == ["1 5@100"]
    assert book.depth(SELL, 1) == [(100, 5)]


@pytest.mark.parametrize(
    "resting,taker,mode,log,left,after",
    [
        pytest.param(
            ["1 buy 12@120", "2 buy 13@110", "3 buy 81@100"], "9 sell 30@100", SelfMatch.CANCEL_TAKER,
            ["1 lost 0/30"], 0, ["1 12@120", "2 13@110", "3 81@100"],
            id="STP-001",
        ),
        pytest.param(
            ["1 buy 12@120", "2 buy 13@110", "3 buy 81@100"], "9 sell 30@100", SelfMatch.CANCEL_MAKER,
            ["1 lost 12/0", "2 lost 13/0", "3 lost 81/0"], 30, [],
            id="STP-002",
        ),
        pytest.param(["1 buy 10@100"], "9 sell 30@100", SelfMatch.CANCEL_BOTH, ["1 lost 10/30"], 0, [], id="STP-003"),
        pytest.param(
            ["1 buy 60@200"], "9 sell 20@200", SelfMatch.DECREMENT, ["1 lost 20/20"], 0, ["1 40@200"],
            id="STP-004 taker ends",
        ),
        pytest.param(
            ["1 buy 20@200"], "9 sell 60@200", SelfMatch.DECREMENT, ["1 lost 20/20"], 40, [], id="STP-004 maker ends"
        ),
        pytest.param(
            ["1 buy 20@200"], "9 sell 20@200", SelfMatch.DECREMENT, ["1 lost 20/20"], 0, [], id="STP-004 both end"
        ),
        pytest.param(
            ["1 buy 60@200", "2 buy 5@200"], "9 sell 20@200", SelfMatch.DECREMENT, ["1 lost 20/20"], 0,
            ["1 40@200", "2 5@200"],
            id="STP-004 place kept",
        ),
        pytest.param(
            ["1 sell 30@100 peak=10"], "9 buy 12@100", SelfMatch.DECREMENT, ["1 lost 12/12"], 0, ["1 18@100 tip=10"],
            id="STP-006 tip kept",
        ),
        pytest.param(
            ["1 sell 30@100 peak=10"], "9 buy 25@100", SelfMatch.DECREMENT, ["1 lost 25/25"], 0, ["1 5@100"],
            id="STP-006 tip cut",
        ),
        pytest.param(["1 buy 10@100"], "9 sell 10@1", SelfMatch.CANCEL_MAKER, ["1 lost 10/0"], 10, [], id="STP-007"),
    ],
)  # fmt: skip
def test_self_match(
    resting: list[str], taker: str, mode: SelfMatch, log: list[str], left: int, after: list[str]
) -> None:
    book = book_of(*(text + " owner=9" for text in resting))
    incoming = order(taker, mode)
    assert take(book, incoming) == log
    assert (incoming.leaves, incoming.filled) == (left, 0)
    assert show(book) == after


def test_fills_before_the_self_match_stay() -> None:
    """STP-005"""
    book = book_of("1 sell 5@100", "2 sell 5@100 owner=9")
    incoming = order("9 buy 12@100")
    assert take(book, incoming) == ["1 5@100", "2 lost 0/7"]
    assert (incoming.leaves, incoming.filled) == (0, 5)
    assert show(book) == ["2 5@100"]


def test_without_a_log_it_matches_alike() -> None:
    book = book_of("1 sell 5@100", "2 sell 5@100 owner=9", "3 sell 5@100")
    incoming = order("9 buy 12@100", SelfMatch.CANCEL_MAKER)
    cross(book, incoming, None)
    assert (incoming.leaves, incoming.filled, show(book)) == (2, 10, [])


TWO = ["1 sell 5@100", "2 sell 5@101"]
OWN_SECOND = ["1 sell 5@100", "2 sell 5@100 owner=9", "3 sell 5@100"]
OWN_NEXT = ["1 sell 5@100", "2 sell 5@100 owner=9", "3 sell 5@101"]
OWN_SHOWN = ["1 sell 30@100 peak=10", "2 sell 5@100 owner=9"]
OWN_HIDDEN = ["1 sell 30@100 peak=10", "2 sell 5@100 owner=9 hidden", "3 sell 5@101"]
UNSEEN = ["1 sell 30@100 peak=10", "2 sell 5@100 hidden"]
STOPPING = [SelfMatch.CANCEL_TAKER, SelfMatch.CANCEL_BOTH, SelfMatch.DECREMENT]


@pytest.mark.parametrize(
    "resting,taker,modes,answer",
    [
        pytest.param(TWO, "9 buy 10@101", MODES, True, id="FOK-001 enough"),
        pytest.param(TWO, "9 buy 11@101", MODES, False, id="FOK-001 one short"),
        pytest.param(TWO, "9 buy 10@100", MODES, False, id="FOK-001 price"),
        pytest.param(TWO, "9 buy 5@100", MODES, True, id="FOK-001 first price alone"),
        pytest.param(["1 buy 5@100", "2 buy 5@99"], "9 sell 10@99", MODES, True, id="FOK-001 sell"),
        pytest.param(["1 buy 5@100", "2 buy 5@99"], "9 sell 6@100", MODES, False, id="FOK-001 sell price"),
        pytest.param([], "9 buy 1@100", MODES, False, id="FOK-001 empty"),
        pytest.param(UNSEEN, "9 buy 35@100", MODES, True, id="FOK-002 enough"),
        pytest.param(UNSEEN, "9 buy 36@100", MODES, False, id="FOK-002 one short"),
        pytest.param(OWN_SECOND, "9 buy 5@100", MODES, True, id="FOK-003 before the own order"),
        pytest.param(OWN_SECOND, "9 buy 6@100", STOPPING, False, id="FOK-003 FOK-006 past the own order"),
        pytest.param(
            OWN_NEXT, "9 buy 6@101", STOPPING, False, id="FOK-003 more behind the own order, at the next price"
        ),
        pytest.param(OWN_SECOND, "9 buy 10@100", [SelfMatch.CANCEL_MAKER], True, id="FOK-004 enough"),
        pytest.param(OWN_SECOND, "9 buy 11@100", [SelfMatch.CANCEL_MAKER], False, id="FOK-004 one short"),
        pytest.param(OWN_SHOWN, "9 buy 10@100", MODES, True, id="FOK-005 tip"),
        pytest.param(OWN_SHOWN, "9 buy 11@100", STOPPING, False, id="FOK-005 reserve behind the own order"),
        pytest.param(OWN_SHOWN, "9 buy 30@100", [SelfMatch.CANCEL_MAKER], True, id="FOK-004 reserve"),
        pytest.param(OWN_HIDDEN, "9 buy 30@101", MODES, True, id="FOK-005 hidden comes last"),
        pytest.param(OWN_HIDDEN, "9 buy 31@101", STOPPING, False, id="FOK-005 past the own hidden order"),
        pytest.param(OWN_HIDDEN, "9 buy 35@101", [SelfMatch.CANCEL_MAKER], True, id="FOK-004 next price"),
        pytest.param(OWN_HIDDEN, "9 buy 36@101", [SelfMatch.CANCEL_MAKER], False, id="FOK-004 next price, one short"),
    ],
)
def test_fillable_says_what_crossing_does(resting: list[str], taker: str, modes: list[SelfMatch], answer: bool) -> None:
    for mode in modes:
        book = book_of(*resting)
        incoming = order(taker, mode)
        before = show(book)
        assert fillable(book, incoming) is answer
        assert show(book) == before
        wanted = incoming.leaves
        take(book, incoming)
        assert (incoming.filled == wanted) is answer
