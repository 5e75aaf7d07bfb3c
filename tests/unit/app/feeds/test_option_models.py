"""Models of options from what the exchange shows."""

import itertools
import math
from collections.abc import Mapping

import msgspec
import pytest

from app.feeds.option_models import OptionModels
from app.models.everlasting import Basket, hourly_points
from exchange import views
from exchange.commands import ListMarket, OptionModel, UpdateOptionModels, decode_commands, encode_commands
from exchange.exchange import Exchange
from exchange.instrument import InstrumentKind
from exchange.limits import PRICE_MAX
from exchange.views import MarketView
from tests.support.options import CALL, PUT, option, price_options
from tests.support.world import opening

VARIANCES = {1: 0.36}
CALL_90, PUT_110 = 7, 8
SYMBOLS = {
    CALL: option("USD_BTCCALL_PERP", InstrumentKind.CALL, 1_000_000),
    PUT: option("USD_BTCPUT_PERP", InstrumentKind.PUT, 1_000_000),
    CALL_90: option("USD_BTCCALL90_PERP", InstrumentKind.CALL, 900_000),
    PUT_110: option("USD_BTCPUT10_PERP", InstrumentKind.PUT, 1_100_000),
}


def shown(underlying: int = 60_000_00, *, fairs: Mapping[int, int] | None = None) -> dict[int, MarketView]:
    """What the exchange shows of four options with an EMA of 60,000."""
    found = {}
    for market_id, instrument in SYMBOLS.items():
        view = found[market_id] = blank(market_id)
        view.underlying_price = underlying
        view.strike = 60_000_00 * instrument.strike_ppm // 1_000_000
        view.fair_price = (fairs or {}).get(market_id, 0)
        view.model = None
    return found


def blank(market_id: int) -> MarketView:
    view = views.market(EXCHANGE, market_id)
    assert view is not None
    return view


def listed() -> Exchange:
    world = opening()
    for market_id, instrument in SYMBOLS.items():
        world.do(ListMarket(market_id, instrument))
    price_options(world.exchange)
    return world.exchange


EXCHANGE = listed()


SECONDS = itertools.count(1_700_000_000)


def made(
    options: Mapping[int, MarketView], models: OptionModels | None = None, variances: Mapping[int, float] = VARIANCES
) -> dict[int, OptionModel]:
    """What comes of a second, which is the one after the last that was asked for."""
    found = (models or OptionModels()).make(list(options.values()), variances, 1_000 * next(SECONDS))
    return {model.market_id: model for model in found}


def test_a_model_in_the_units_of_the_command() -> None:
    """MOD-051."""
    found = made(shown())
    assert list(found) == [CALL, PUT, CALL_90, PUT_110]
    call = found[CALL]
    assert (call.price, call.volatility_ppm, call.black_scholes) == (40_327, 600_000, 50_892)
    assert (call.delta_ppm, call.drift_ppm) == (413_238, 0)
    assert call.gamma_e12 == pytest.approx(366_050_550, abs=2)
    assert call.vega_e8 == pytest.approx(672_101_394, abs=20)
    assert call.theta_e8 == pytest.approx(-24 * 40.3274549 * 1e8, rel=1e-7)
    put = found[PUT]
    assert (put.price, put.delta_ppm, put.gamma_e12) == (40_327, -404_944, call.gamma_e12)
    assert all(type(value) is int for model in found.values() for value in astuple(model))


def astuple(model: OptionModel) -> tuple[int, ...]:
    return tuple(msgspec.structs.astuple(model))


def test_a_moving_strike_shows_in_drift_and_price() -> None:
    """MOD-051: the index at 61,500, 2.5% above the EMA."""
    found = made(shown(61_500_00))
    assert found[CALL].drift_ppm == pytest.approx(-19_802, abs=1)
    assert found[CALL].price < 1_500_00  # less than intrinsic, since the strike follows
    assert found[PUT].drift_ppm == 0
    assert found[PUT_110].drift_ppm == pytest.approx(1.1 * 1_500 * 2 / 101 / 4_500 * 1e6, abs=1)


def test_a_worthless_option_has_a_model_of_one_unit() -> None:
    """MOD-051."""
    options = {CALL: shown(30_000_00)[CALL]}
    assert made(options, variances={1: 0.01})[CALL].price == 1


def test_the_realised_volatility_has_a_floor_and_a_cap() -> None:
    """MOD-052."""
    for variance, volatility_ppm in ((0.0, 100_000), (0.0099, 100_000), (0.25, 500_000), (30.0, 5_000_000)):
        assert made(shown(), variances={1: variance})[CALL].volatility_ppm == volatility_ppm


def priced(volatility: float) -> tuple[int, int]:
    found = Basket(hourly_points()).value(spot=60_000_00, strike=60_000_00, multiplier=1, volatility=volatility)
    return round(found.call), round(found.put)


def test_a_fair_price_says_what_the_volatility_is() -> None:
    """MOD-052: call and put of a strike share it; other strikes keep theirs."""
    call, _ = priced(0.9)
    only_call = made(shown(fairs={CALL: call}))
    assert only_call[CALL].volatility_ppm == pytest.approx(900_000, abs=100)
    assert only_call[PUT].volatility_ppm == only_call[CALL].volatility_ppm
    assert only_call[CALL].price == pytest.approx(call, abs=2)
    assert only_call[CALL_90].volatility_ppm == 600_000
    cheap_put = priced(0.7)[1]
    both = made(shown(fairs={CALL: call, PUT: cheap_put}))
    assert both[CALL].volatility_ppm == pytest.approx(800_000, abs=100)


def test_what_a_book_implies_is_bounded() -> None:
    """MOD-052: half and double of the realised volatility."""
    assert made(shown(fairs={CALL: priced(3.0)[0]}))[CALL].volatility_ppm == 1_200_000
    assert made(shown(fairs={CALL: priced(0.15)[0]}))[CALL].volatility_ppm == 300_000
    assert made(shown(fairs={CALL: 1}))[CALL].volatility_ppm == 300_000


def test_a_minute_of_dear_quotes_moves_it_by_less_than_a_fifth() -> None:
    """MOD-053."""
    models = OptionModels()
    assert made(shown(), models)[CALL].volatility_ppm == 600_000
    dear = shown(fairs={CALL: priced(2.0)[0]})
    last = [made(dear, models)[CALL].volatility_ppm for _ in range(60)][-1]
    assert last == pytest.approx(600_000 + 600_000 * (1 - (119 / 121) ** 12), abs=2)
    assert last < 600_000 + 0.182 * 600_000
    calm = [made(shown(), models)[CALL].volatility_ppm for _ in range(600)][-1]
    assert calm == pytest.approx(600_000 + (last - 600_000) * (119 / 121) ** 120, abs=2)


def test_strikes_take_turns() -> None:
    """MOD-053: each moves once in five seconds, and not all in the same one."""
    models = OptionModels()
    made(shown(), models)
    dear = shown(fairs={CALL: priced(1.0)[0], CALL_90: 60_000_00})
    moved: dict[int, list[int]] = {CALL: [], CALL_90: []}
    before = made(shown(), models)
    for second in range(10):
        after = made(dear, models)
        for market_id, seconds in moved.items():
            if after[market_id].volatility_ppm != before[market_id].volatility_ppm:
                seconds.append(second)
        before = after
    assert [len(seconds) for seconds in moved.values()] == [2, 2]
    assert moved[CALL][1] - moved[CALL][0] == 5
    assert moved[CALL] != moved[CALL_90]


def test_it_goes_on_at_the_last_model_after_a_start() -> None:
    """MOD-054."""
    before = OptionModels()
    dear = shown(fairs={CALL: priced(1.0)[0]})
    known = made(shown(), before)
    for _ in range(100):
        known = made(dear, before)
    assert 600_000 < known[CALL].volatility_ppm < 800_000
    again = shown(fairs={CALL: priced(1.0)[0]})
    for view in again.values():
        view.model = known[view.market_id]
    gap = 1_000_000 - known[CALL].volatility_ppm
    assert made(again)[CALL].volatility_ppm == pytest.approx(known[CALL].volatility_ppm + gap * 2 / 121, abs=10)


def test_bad_inputs_leave_the_others_alone() -> None:
    """MOD-055."""
    whole = made(shown())
    for name, bad in (
        ("underlying_price", 0),
        ("underlying_price", -5),
        ("underlying_price", PRICE_MAX * 10),
        ("strike", 0),
        ("strike", -1),
        ("strike", 10**400),
    ):
        options = shown()
        setattr(options[PUT], name, bad)
        found = made(options)
        assert PUT not in found, (name, bad)
        assert {key: found[key] for key in found} == {key: whole[key] for key in whole if key != PUT}


@pytest.mark.parametrize("variances", [{}, {2: 0.36}])
def test_a_stale_index_has_no_models(variances: dict[int, float]) -> None:
    """MOD-055."""
    assert made(shown(), variances=variances) == {}


@pytest.mark.parametrize("fair", [-1, 10**15, 10**400])
def test_an_absurd_fair_price_is_bounded_or_ignored(fair: int) -> None:
    """MOD-055."""
    found = made(shown(fairs={CALL: fair}))
    assert set(found) == set(SYMBOLS)
    assert found[CALL].volatility_ppm in (600_000, 1_200_000)


@pytest.mark.parametrize("underlying, strike", [(1, 1), (1, PRICE_MAX), (PRICE_MAX, 1), (PRICE_MAX, PRICE_MAX)])
def test_prices_at_the_bounds_are_computed_or_left_out(underlying: int, strike: int) -> None:
    """MOD-055: and what comes out can be journaled."""
    options = shown(underlying)
    options[CALL].strike = strike
    for variance in (0.0, 0.36, math.inf, math.nan):
        found = made(options, variances={1: variance})
        commands = [UpdateOptionModels(tuple(found.values()), 5)]
        assert decode_commands(encode_commands(commands)) == commands
        assert all(1 <= model.price <= PRICE_MAX for model in found.values())
