"""Integer division with the rounding in its name."""


def div_up(numerator: int, divisor: int) -> int:
    """Divide, rounded towards +infinity. Requires: divisor > 0."""
    return -(-numerator // divisor)


def div_to_zero(numerator: int, divisor: int) -> int:
    """Divide, rounded towards zero. Requires: divisor > 0."""
    return numerator // divisor if numerator >= 0 else -(-numerator // divisor)


def div_half_up(numerator: int, divisor: int) -> int:
    """Divide, rounded to the nearest, halves up. Requires: divisor > 0."""
    return (2 * numerator + divisor) // (2 * divisor)
