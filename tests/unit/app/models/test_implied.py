"""Implied volatility: what was put in comes out."""

import pytest

from app.models import implied
from app.models.everlasting import Basket, quick_points
from app.models.implied import CAP, FLOOR, implied_volatility

BASKET = Basket(quick_points())
SPOT = 60_000.0
MULTIPLIERS = (0.9, 0.95, 0.97, 0.99, 1.0, 1.01, 1.03, 1.05, 1.1)
STRIKES = [(multiplier, multiplier * ema) for multiplier in MULTIPLIERS for ema in (58_000.0, 60_000.0, 61_500.0)]


def find(price: float, *, is_call: bool, strike: float, multiplier: float, guess: float = 0.6) -> float:
    return implied_volatility(
        BASKET,
        price=price,
        is_call=is_call,
        spot=SPOT,
        strike=strike,
        multiplier=multiplier,
        guess=guess,
        precision=1e-6,
    )


@pytest.mark.parametrize("volatility", [0.1, 0.11, 0.25, 0.6, 1.0, 2.5, 4.9, 5.0])
@pytest.mark.parametrize("is_call", [True, False])
def test_a_model_price_gives_its_volatility(volatility: float, is_call: bool) -> None:
    """MOD-010: where a point of volatility is worth at least a thousandth of a dollar, to a hundredth of a point."""
    compared = 0
    for multiplier, strike in STRIKES:
        made = BASKET.value(spot=SPOT, strike=strike, multiplier=multiplier, volatility=volatility)
        price = made.call if is_call else made.put
        if price <= 0 or made.vega < 0.1 * 10:
            continue
        for guess in (0.001, 0.1, 0.6, 3.0, 5.0, 100.0):
            found = find(price, is_call=is_call, strike=strike, multiplier=multiplier, guess=guess)
            assert found == pytest.approx(volatility, abs=1e-4), (multiplier, strike, guess)
            compared += 1
    assert compared >= 6 * 5


@pytest.mark.parametrize("is_call", [True, False])
def test_prices_beyond_the_model_give_the_bounds(is_call: bool) -> None:
    """MOD-011."""
    for multiplier, strike in STRIKES:
        low, high = (
            BASKET.value(spot=SPOT, strike=strike, multiplier=multiplier, volatility=bound) for bound in (FLOOR, CAP)
        )
        under, over = (low.call, high.call) if is_call else (low.put, high.put)
        for guess in (0.1, 0.6, 5.0):
            if under > 1e-3:
                cheap = find(under / 2, is_call=is_call, strike=strike, multiplier=multiplier, guess=guess)
                assert cheap == pytest.approx(FLOOR, abs=1e-6)
            dear = find(over * 2, is_call=is_call, strike=strike, multiplier=multiplier, guess=guess)
            assert dear == pytest.approx(CAP, abs=1e-6)


def test_it_takes_few_steps_from_a_good_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """MOD-010: a second later the index has moved a little, and the last volatility is the guess."""
    monkeypatch.setattr(implied, "ROUNDS_MAX", 3)
    price = BASKET.value(spot=SPOT, strike=60_500, multiplier=1, volatility=0.61).call
    assert find(price, is_call=True, strike=60_500, multiplier=1, guess=0.6) == pytest.approx(0.61, abs=1e-6)
    monkeypatch.setattr(implied, "ROUNDS_MAX", 1)
    assert find(price, is_call=True, strike=60_500, multiplier=1, guess=0.6) != pytest.approx(0.61, abs=1e-6)
