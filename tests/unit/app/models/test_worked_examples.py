"""Worked examples of the documents, row by row: tests/tables/models/options.txt."""

from collections.abc import Callable
from math import sqrt
from pathlib import Path

import pytest

from app.models.everlasting import Basket, closed_form, hourly_points, weights
from app.models.strikes import drift, hourly_cost, intrinsic, option_index

TABLE = Path(__file__).parents[3] / "tables" / "models" / "options.txt"
FIXED = Basket(hourly_points(), alpha=0)
FLOOR = 0.0005


def hourly(U: float, K: float, vol: float, printed: float) -> dict[str, float]:
    """MOD-002 and MOD-021."""
    mark = FIXED.value(spot=U, strike=K, multiplier=1, volatility=vol).call
    payoff = intrinsic(is_call=True, spot=U, strike=K)
    index = option_index(is_call=True, spot=U, strike=K, floor=FLOOR)
    fee = hourly_cost(value=mark, payoff=payoff, index=index, period_h=10, is_premium_on_mark=bool(printed))
    return {"mark": mark, "fee": fee}


def weighed(F: float) -> dict[str, float]:
    """MOD-001."""
    found = weights(1 / F, 5_000)
    named = {f"w{i}": weight for i, weight in enumerate(found[:5], 1)}
    return {**named, "total": sum(found), "periods": sum(w * i for i, w in enumerate(found, 1)) / F}


def closed(S: float, K: float, vol: float, days: float, r: float = 0.0) -> dict[str, float]:
    """MOD-003."""
    call, put = (
        closed_form(is_call=is_call, spot=S, strike=K, volatility=vol, years=days / 365, rate=r)
        for is_call in (True, False)
    )
    time = call - max(0.0, S - K)
    u = sqrt(1 + 8 / (vol * vol * days / 365))
    plain = K / u * (S / K) ** ((1 - u) / 2 if S >= K else (1 + u) / 2)
    return {"call": call, "put": put, "time": time, "day": time / days, "parity": call - put, "deri": time - plain}


def fee(
    S: float, K: float, call: float, mark: float, period: float, qty: float = 1, hours: float = 1
) -> dict[str, float]:
    """MOD-021."""
    payoff = intrinsic(is_call=bool(call), spot=S, strike=K)
    index = option_index(is_call=bool(call), spot=S, strike=K, floor=FLOOR)
    hour = hourly_cost(value=mark, payoff=payoff, index=index, period_h=int(period))
    return {
        "payoff": payoff,
        "gain": payoff - mark,
        "fee": hour,
        "paid": qty * hours * hour,
        "rate": hour * hours / S,
    }


def drifted(S: float, E: float, m: float, call: float) -> dict[str, float]:
    """MOD-020."""
    strike = m * E
    index = option_index(is_call=bool(call), spot=S, strike=strike, floor=FLOOR)
    found = drift(is_call=bool(call), spot=S, strike=strike, multiplier=m, floor=FLOOR)
    return {"K": strike, "index": index, "drift": found}


WHAT: dict[str, Callable[..., dict[str, float]]] = {
    "hourly": hourly,
    "weights": weighed,
    "closed": closed,
    "fee": fee,
    "drift": drifted,
}


def pairs(words: list[str]) -> dict[str, float]:
    return {name: float(value) for name, value in (word.split("=") for word in words)}


def rows() -> list[list[str]]:
    lines = TABLE.read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_row(row: list[str]) -> None:
    _, text, expected, tolerance, _source = row
    what, *inputs = text.split()
    found = WHAT[what](**pairs(inputs))
    for name, value in pairs(expected.split()).items():
        assert found[name] == pytest.approx(value, rel=0, abs=float(tolerance) + 1e-12), name


def test_every_row_has_a_source() -> None:
    assert all(row[4].startswith("https://") for row in rows())
    assert len({row[0] for row in rows()}) == len(rows()) == 35
