"""Money between an owner's accounts: what moves, what does not, and what a repeat does."""

from random import Random

import pytest

from engine.order import Side
from exchange import margins, views
from exchange.audit import audit
from exchange.commands import (
    Command,
    Deposit,
    ListMarket,
    PlaceOrder,
    Tick,
    TransferFunds,
    decode_commands,
    encode_commands,
)
from exchange.events import (
    BalanceChanged,
    Cause,
    CommandRejected,
    Event,
    Traded,
    TransferRepeated,
    decode_events,
    encode_events,
)
from exchange.rejects import Reject
from exchange.snapshot import decode, encode
from tests.support.options import BTC_CALL, CALL
from tests.support.world import BTC, PERP, REGULAR, RICH, SECOND, SIBLING, USD, USD_UNIT, Dice, World, opening

FUND = 0


def move(amount: int, reference: str = "a", source: int = REGULAR, target: int = SIBLING) -> TransferFunds:
    return TransferFunds(reference, source, target, USD, amount)


def held(world: World, account_id: int) -> int:
    found = {view.asset_id: view.amount for view in views.balances(world.exchange, account_id)}
    return found.get(USD, 0)


def refusal(events: list[Event]) -> tuple[Reject, str]:
    (rejected,) = events
    assert isinstance(rejected, CommandRejected)
    return rejected.reject, rejected.field


def test_money_moves_between_an_owners_accounts() -> None:
    """CUS-050."""
    world = opening()
    treasury = world.exchange.state.treasuries[USD]
    before = (treasury.deposited, treasury.withdrawn, treasury.fees)
    events = world.do(move(1_000 * USD_UNIT))
    assert events == [
        BalanceChanged(REGULAR, USD, -1_000 * USD_UNIT, 99_000 * USD_UNIT, Cause.TRANSFER, reference="a"),
        BalanceChanged(SIBLING, USD, 1_000 * USD_UNIT, 51_000 * USD_UNIT, Cause.TRANSFER, reference="a"),
    ]
    assert decode_events(encode_events(events)) == events
    assert (treasury.deposited, treasury.withdrawn, treasury.fees) == before
    assert audit(world.exchange) == []


def test_a_command_is_written_down_as_it_is() -> None:
    """The bytes that journals hold: they never change."""
    command = TransferFunds("a", 1, 2, 3, 4)
    records = encode_commands([command])
    assert records == bytes.fromhex("91 96 1f a1 61 01 02 03 04")
    assert decode_commands(records) == [command]


def test_a_reference_again_changes_nothing() -> None:
    """CUS-051."""
    world = opening()
    world.do(move(1_000 * USD_UNIT))
    restarted = decode(encode(world.exchange))
    assert restarted.state_hash() == world.exchange.state_hash()
    for command in (move(1_000 * USD_UNIT), move(5, source=SECOND), TransferFunds("a", 99, 99, 99, 0)):
        before = world.exchange.state_hash()
        assert world.do(command) == [TransferRepeated("a", REGULAR, USD, -1_000 * USD_UNIT)]
        assert world.exchange.state_hash() == before
    for exchange in (world.exchange, restarted):
        assert views.transfer(exchange, "a") == move(1_000 * USD_UNIT)
    world.do(Deposit("b", REGULAR, USD, 1))
    assert (views.transfer(world.exchange, "b"), views.transfer(world.exchange, "c")) == (None, None)


@pytest.mark.parametrize(
    "command, expected",
    [
        (move(1, target=SECOND), (Reject.NOT_ONE_OWNER, "to_account_id")),
        (move(1, target=REGULAR), (Reject.NOT_ONE_OWNER, "to_account_id")),
        (move(1, source=99), (Reject.UNKNOWN_ACCOUNT, "from_account_id")),
        (move(1, target=99), (Reject.UNKNOWN_ACCOUNT, "to_account_id")),
        (move(1, source=FUND), (Reject.UNKNOWN_ACCOUNT, "from_account_id")),
        (move(1, target=FUND), (Reject.UNKNOWN_ACCOUNT, "to_account_id")),
        (TransferFunds("a", REGULAR, SIBLING, 99, 1), (Reject.UNKNOWN_ASSET, "asset_id")),
        (move(0), (Reject.INVALID_AMOUNT, "amount")),
        (move(-1), (Reject.INVALID_AMOUNT, "amount")),
        (move(10**18 + 1), (Reject.INVALID_AMOUNT, "amount")),
        (move(1, reference=""), (Reject.INVALID_REFERENCE, "reference")),
        (move(1, reference="x" * 65), (Reject.INVALID_REFERENCE, "reference")),
        (move(100_000 * USD_UNIT + 1), (Reject.INSUFFICIENT_BALANCE, "")),
    ],
)
def test_what_is_refused_changes_nothing(command: Command, expected: tuple[Reject, str]) -> None:
    """CUS-052."""
    world = opening()
    before = world.exchange.state_hash()
    assert refusal(world.do(command)) == expected
    assert world.exchange.state_hash() == before


def test_what_is_withdrawable_moves_to_the_last_unit() -> None:
    """CUS-053: the numbers of CUS-013."""
    world = opening()
    world.do(PlaceOrder(RICH, PERP, Side.SELL, 10_000, 60_000_00))
    world.do(PlaceOrder(REGULAR, PERP, Side.BUY, 10_000, 60_000_00))
    world.move_index(1, 61_000_00)
    account = world.exchange.state.accounts[REGULAR]
    free = margins.withdrawable(account, USD)
    assert free == 95_712 * USD_UNIT
    assert refusal(world.do(move(free + 1))) == (Reject.INSUFFICIENT_BALANCE, "")
    assert isinstance(world.do(move(free))[0], BalanceChanged)
    assert margins.withdrawable(account, USD) == 0
    assert audit(world.exchange) == []


def test_nothing_leaves_past_a_position_without_a_current_price() -> None:
    """CUS-054."""
    world = opening()
    world.do(PlaceOrder(RICH, PERP, Side.SELL, 10_000, 60_000_00))
    world.do(PlaceOrder(REGULAR, PERP, Side.BUY, 10_000, 60_000_00))
    world.do(Tick(), 31_000)
    assert refusal(world.do(move(1))) == (Reject.STALE_PRICE, "")
    assert isinstance(world.do(TransferFunds("b", REGULAR, SIBLING, BTC, 1))[0], BalanceChanged)
    assert isinstance(world.do(move(1, reference="c", source=SIBLING, target=REGULAR))[0], BalanceChanged)


def test_an_exchange_read_from_a_snapshot_knows_as_much_of_prices() -> None:
    """CUS-054, LAW-007: an option that was listed while its index was held has a mark, and only an old index is too old."""
    world = opening()
    world.do(ListMarket(CALL, BTC_CALL), 1_000)
    world.do(Tick(), 10_000)  # nobody observed anything: the index is held
    strike = world.exchange.state.markets[CALL].mark_price // 50 * 50
    world.do(PlaceOrder(RICH, CALL, Side.SELL, 10_000, strike))
    assert any(isinstance(event, Traded) for event in world.do(PlaceOrder(REGULAR, CALL, Side.BUY, 10_000, strike)))
    restarted = World(decode(encode(world.exchange)))
    restarted.time_ms = restarted.exchange.time_ms = world.time_ms
    assert world.do(move(1)) == restarted.do(move(1))
    assert held(restarted, SIBLING) == 50_000 * USD_UNIT + 1


@pytest.mark.parametrize("seed", range(3))
def test_no_law_is_broken_by_lives_with_transfers(seed: int) -> None:
    """CUS-050, CUS-053: among random orders, prices and hours, an owner moves money to and fro."""
    world, random = opening(), Random(seed)
    dice = Dice(random, world)
    moved = 0
    for count in range(1_500):
        if random.random() < 0.2:
            source, target = random.choice(((REGULAR, SIBLING), (SIBLING, REGULAR), (REGULAR, SECOND)))
            total = held(world, source) + held(world, target)
            free = margins.withdrawable(world.exchange.state.accounts[source], USD)
            amount = random.choice((1, max(1, free), free + 1, random.randrange(1, 10**12)))
            first = world.do(TransferFunds(f"t{count}", source, target, USD, amount))[0]
            assert held(world, source) + held(world, target) == total
            if isinstance(first, BalanceChanged):
                assert amount <= free
                moved += 1
        else:
            command, after_ms = dice.command()
            world.do(command, after_ms)
    assert moved > 50
    assert audit(world.exchange) == []
    again = World()
    for time_ms, command in world.journal:
        again.exchange.apply(command, time_ms)
    assert again.exchange.state_hash() == world.exchange.state_hash()
