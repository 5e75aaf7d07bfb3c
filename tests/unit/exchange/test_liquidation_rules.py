"""What the rules of liquidation keep from happening: each attack scenario breaks when its rule is taken away."""

from pathlib import Path

import pytest

from engine.order import SelfMatch
from exchange import bearing, deleveraging, entry, fills, margins, slices, takeover
from exchange.state import Holding, Market
from tests.support.tables import Scenario, read, run

TABLE = Path(__file__).parents[2] / "tables" / "attacks.txt"
ATTACKS = {scenario.name[:7]: scenario for scenario in read(TABLE)}


def attack(name: str) -> Scenario:
    scenario = ATTACKS[name]
    run(scenario)  # with the rule it holds
    return scenario


def breaks(scenario: Scenario) -> None:
    with pytest.raises(AssertionError):
        run(scenario)


def test_slices_cancel_a_siblings_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-001: as an ordinary order the slice would be cancelled by the self-match."""
    scenario = attack("ATK-001")
    monkeypatch.setattr(slices, "OWN_ORDERS", SelfMatch.CANCEL_TAKER)
    breaks(scenario)


def test_reduce_only_fills_are_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-002: taken as reducing, whatever it costs, the order would leave -2,000."""
    scenario = attack("ATK-002")

    def no_reject(*_: object) -> None:
        return None

    def all_of_it(holding: object, order: object, price: int, qty: int, fee_ppm: int) -> int:
        return qty

    monkeypatch.setattr(entry, "check_reducing", no_reject)
    monkeypatch.setattr(bearing, "bearable", all_of_it)
    breaks(scenario)


def test_the_fund_trades_near_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-003: with the whole trading range to go through the fund sells at 56,300."""
    scenario = attack("ATK-003")
    monkeypatch.setattr(slices, "UNWIND_RANGE_PPM", 30_000)
    breaks(scenario)


def test_a_rebate_is_at_most_the_takers_fee(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-004: paid in full the rebate comes out of the fees of others."""
    scenario = attack("ATK-004")

    def whole_rebate(market: Market, lots: int, price: int, taker_fee: int) -> int:
        return margins.fee_on(market, lots, price, market.maker_fee_ppm)

    monkeypatch.setattr(fills, "maker_fee_on", whole_rebate)
    breaks(scenario)


def test_who_is_deleveraged_can_bear_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-005: in his turn bob would be left with -405."""
    scenario = attack("ATK-005")

    def anyway(other: Holding, equity: int, lots: int, value: int) -> bool:
        return True

    monkeypatch.setattr(deleveraging, "bears", anyway)
    breaks(scenario)


def test_the_fund_carries_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-006: it would take all of it, and stand at zero."""
    scenario = attack("ATK-006")

    def anyway(taker: Holding, sign: int, lots: int, value: int) -> bool:
        return True

    monkeypatch.setattr(takeover, "carries", anyway)
    breaks(scenario)


def test_the_slope_looks_at_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-007: with the notional at the mark the maintenance margin outgrows the profit."""
    scenario = attack("ATK-007")

    def at_mark(holding: Holding) -> int:
        return holding.position.owner.lots * holding.market.mark_value

    monkeypatch.setattr(margins, "owner_size", at_mark)
    breaks(scenario)


def test_slices_stop_at_the_bankruptcy_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATK-008: down to the range's edge the slice sells at 57,802.5."""
    scenario = attack("ATK-008")

    def no_limit(qty: int, value: int, unit_value: int, tick: int) -> int:
        return tick

    monkeypatch.setattr(slices, "bankruptcy_limit", no_limit)
    breaks(scenario)
