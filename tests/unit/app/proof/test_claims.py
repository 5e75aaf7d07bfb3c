"""What accounts can be owed, and the statement of it."""

from app.journal import Head
from app.proof.publish import FUND_OWNER, owner_of, prove
from app.proof.tree import SUM_MAX
from app.recovery import Recovered
from engine.order import Side
from exchange.commands import PlaceOrder, SetLeverage
from exchange.liabilities import Claim, backing, claims
from tests.support.world import ISOLATED, PERP, POOR, REGULAR, RICH, USD, USD_UNIT, World, opening

MASTER_KEY = bytes(range(32))


def usd(world: World) -> dict[int, Claim]:
    return {claim.account_id: claim for claim in claims(world.exchange, USD)}


def buy(world: World, buyer: int, seller: int, lots: int, price: int) -> None:
    world.do(PlaceOrder(seller, PERP, Side.SELL, lots, price))
    world.do(PlaceOrder(buyer, PERP, Side.BUY, lots, price))


def crash(world: World, price: int) -> None:
    """Set the mark as no ladder of liquidation could: what follows is what a proof must say of such a moment."""
    world.exchange.state.markets[PERP].set_mark(price)


def test_a_claim_is_equity_at_the_mark() -> None:
    """POL-001."""
    world = opening()
    buy(world, REGULAR, RICH, 10_000, 6_000_000)
    world.move_index(1, 61_000_00)
    assert usd(world)[REGULAR].amount == (100_000 + 1_000 - 18) * USD_UNIT
    assert usd(world)[RICH].amount == (10_000_000 - 1_000) * USD_UNIT


def test_an_isolated_position_takes_nothing_from_the_balance() -> None:
    """POL-002."""
    world = opening()
    world.do(SetLeverage(ISOLATED, PERP, 1_000))
    buy(world, ISOLATED, RICH, 10_000, 6_000_000)
    assert usd(world)[ISOLATED].amount == (20_000 - 18) * USD_UNIT
    crash(world, 50_000_00)
    claim = usd(world)[ISOLATED]
    assert (claim.amount, claim.shortfall) == ((20_000 - 18 - 6_000) * USD_UNIT, 4_000 * USD_UNIT)


def test_less_than_nothing_hides_nothing() -> None:
    """POL-003: and what is listed apart makes the sum come out to the last unit."""
    world = opening()
    buy(world, POOR, RICH, 1_000, 6_000_000)
    crash(world, 50_000_00)
    poor = usd(world)[POOR]
    assert (poor.amount, poor.shortfall) == (0, 50_180_000_000)
    statement, trees = prove(recovered(world), {}, MASTER_KEY)
    said = statement.assets["USD"]
    total = sum(claim.amount for claim in claims(world.exchange, USD))
    assert (said.total, said.shortfall, said.shortfalls) == (str(total), "50180000000", 1)
    against = backing(world.exchange, USD)
    assert (said.own, said.held) == (str(against.own), str(against.held))
    assert total - 50_180_000_000 + against.own == against.held
    assert trees["USD"].root[0] == total


def test_the_insurance_fund_is_account_0() -> None:
    """POL-004."""
    world = opening()
    world.exchange.state.accounts[0].balance(USD).amount += 5 * USD_UNIT
    world.exchange.state.treasuries[USD].deposited += 5 * USD_UNIT
    assert usd(world)[0].amount == 5 * USD_UNIT
    _, trees = prove(recovered(world), {}, MASTER_KEY)
    assert trees["USD"].leaves[0][:2] == (0, trees["USD"].leaves[0].place)
    assert trees["USD"].leaves[0].owner == FUND_OWNER
    assert owner_of(1, 0, {0: "zero"}) == "zero"


def test_a_large_sum_has_room() -> None:
    """POL-005: 2^128 - 1 units are more than 10^30 of an asset."""
    assert SUM_MAX > 10**30 * USD_UNIT


def recovered(world: World) -> Recovered:
    return Recovered(world.exchange, len(world.journal), Head(len(world.journal), world.time_ms, b""), 0, None)
