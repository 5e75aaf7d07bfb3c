"""Few points that stand for many: the Gauss rule of geometric weights."""

from typing import Final

ROUNDS: Final = 200
"""A double is halved apart long before."""


def geometric_rule(count: int, ratio: float) -> list[tuple[float, float]]:
    """Return `count` points x and weights w with sum w f(x) = sum_(k>=0) (1-c) c^k f(k), c = `ratio`.

    Exact for polynomials of degree below 2 count. The points are the zeros of the Meixner polynomial (beta 1), found by
    counting the signs of its Sturm sequence; the weights are 1 / sum_n p_n(x)^2 over its normalised predecessors.

    Requires: 0 < ratio < 1. Source: Golub and Welsch, Calculation of Gauss Quadrature Rules, 1969.
    """
    diagonal = [(n + (n + 1) * ratio) / (1 - ratio) for n in range(count)]
    squares = [n * n * ratio / (1 - ratio) ** 2 for n in range(count)]
    points = [_zero(k, diagonal, squares) for k in range(count)]
    return [(point, 1 / _norm(point, diagonal, squares)) for point in points]


def _zero(k: int, diagonal: list[float], squares: list[float]) -> float:
    """Return the k-th smallest zero, from 0."""
    low, high = -1.0, 4 * diagonal[-1]  # Gershgorin: no zero is further out
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if _zeros_below(middle, diagonal, squares) > k:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def _zeros_below(x: float, diagonal: list[float], squares: list[float]) -> int:
    count = 0
    pivot = 1.0
    for entry, square in zip(diagonal, squares, strict=True):
        pivot = entry - x - square / pivot
        if pivot == 0:
            pivot = -1e-300
        count += pivot < 0
    return count


def _norm(x: float, diagonal: list[float], squares: list[float]) -> float:
    """Return the sum of the squares of the normalised polynomials at x, all but the one whose zero it is."""
    before, now, scale, total = 0.0, 1.0, 1.0, 1.0
    for n in range(len(diagonal) - 1):
        before, now = now, (x - diagonal[n]) * now - squares[n] * before
        scale *= squares[n + 1]
        total += now * now / scale
    return total
