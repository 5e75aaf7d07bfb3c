"""Operators' requests about risk, on a real exchange."""

import pytest

from app import control
from app.control import Refused
from app.listings import load
from app.opening import list_missing
from app.risk_desk import AT_ONCE, UNCHANGED, RiskDesk
from app.settings import Settings
from app.store import Store, open_store
from exchange import views
from exchange.commands import Tick
from exchange.instrument import Instrument
from exchange.limits import TERMS_NOTICE_MS
from tests.small import FakeClock

LISTINGS = load()
SYMBOL = "USD_BTC_PERP"


def in_force(store: Store) -> Instrument:
    return next(view.instrument for view in views.markets(store.exchange) if view.instrument.symbol == SYMBOL)


@pytest.mark.spec("CLI-013")
async def test_a_later_change_keeps_what_was_announced(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await list_missing(store.sequencer, LISTINGS, clock())
        desk = RiskDesk(store)
        before = in_force(store)
        raised = before.maintenance_ppm + 1_000
        announced = await desk.amend(control.AmendMarket(SYMBOL, {"maintenance_ppm": str(raised)}))
        assert announced.effective_ms >= clock.now_ms + TERMS_NOTICE_MS
        fee = before.taker_fee_ppm - 1
        second = await desk.amend(control.AmendMarket(SYMBOL, {"taker_fee_ppm": str(fee)}))
        assert second.changed == {"taker_fee_ppm": (str(before.taker_fee_ppm), str(fee))}
        assert second.effective_ms >= announced.effective_ms
        assert in_force(store) == before
        again = await desk.amend(control.AmendMarket(SYMBOL, {"maintenance_ppm": str(raised)}))
        assert again.effective_ms == UNCHANGED
        clock.now_ms = second.effective_ms
        await store.sequencer.submit(Tick())
        assert (in_force(store).maintenance_ppm, in_force(store).taker_fee_ppm) == (raised, fee)


@pytest.mark.spec("CLI-013")
async def test_the_tables_terms_undo_what_was_announced(settings: Settings) -> None:
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await list_missing(store.sequencer, LISTINGS, clock())
        desk = RiskDesk(store)
        present = in_force(store)
        raised = str(present.maintenance_ppm + 1_000)
        await desk.amend(control.AmendMarket(SYMBOL, {"maintenance_ppm": raised}))
        undone = await desk.amend(control.AmendMarket(SYMBOL))
        assert undone == control.Amended(SYMBOL, {"maintenance_ppm": (raised, str(present.maintenance_ppm))}, AT_ONCE)
        clock.now_ms += 2 * TERMS_NOTICE_MS
        await store.sequencer.submit(Tick())
        assert in_force(store) == present


@pytest.mark.parametrize("text", ["2", "-1", "01", ""])
async def test_a_switch_is_on_or_off(settings: Settings, text: str) -> None:
    """CLI-013."""
    clock = FakeClock()
    async with open_store(settings, clock=clock) as store:
        await list_missing(store.sequencer, LISTINGS, clock())
        with pytest.raises(Refused, match="is_premium_on_mark must be"):
            await RiskDesk(store).amend(control.AmendMarket(SYMBOL, {"is_premium_on_mark": text}))
