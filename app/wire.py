"""Decimal text to ticks, lots and money, and back: the only room where decimals exist.

Nothing here passes through binary floating point on the way in. On the way out an amount becomes a JSON number whose
digits are exactly the amount's.
"""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from app.problems import Malformed
from exchange.instrument import Instrument

MONEY_DECIMALS: Final = 8
UNITS_MAX: Final = 10**18
TEXT_MAX: Final = 40
"""Longest number text: more digits than any exact value of ours has."""
SNAP: Final = Decimal("0.000001")
"""How far a value may be from a whole number of steps, as part of one: clients compute in binary floating point."""
TIME_MS_MAX: Final = 10**14
_TIME_DIGITS: Final = 14

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?").fullmatch
_CONTEXT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_POWERS: Final[tuple[int, ...]] = tuple(10**k for k in range(31))
FLOAT_EXACT: Final = 10**15
"""Up to 15 digits the shortest text that stands for a float is the amount's own."""
_RATIO_SCALE: Final = 2 * 10**8
_PLAIN_MAX: Final = 18


def number(text: str, field: str, code: str = "INVALID_FORM") -> Decimal:
    """Read a decimal number of ASCII digits, with or without an exponent of at most two digits.

    Raises: Malformed.
    """
    if len(text) > TEXT_MAX:
        raise Malformed(field, f"{field} has too many digits.", code)
    if _NUMBER(text) is None:
        raise Malformed(field, f"{field} must be a decimal number.", code)
    return Decimal(text)


def steps(text: str, field: str, decimals: int, *, step: int = 1, code: str = "INVALID_FORM") -> int:
    """Read a positive number as units of 10^-decimals, a whole number of `step` units.

    Rounds: to the nearest step when it is within a millionth of one.
    Raises: Malformed when it is not, or is not positive, or is beyond `UNITS_MAX` units.
    """
    whole_part, _, fraction = text.partition(".")
    digits = whole_part + fraction
    spare = decimals - len(fraction)
    if spare >= 0 and len(digits) <= _PLAIN_MAX and digits.isdecimal() and digits.isascii():
        # The plain case: no exponent, and no finer than a unit.
        units = int(digits) * _POWERS[spare]
        if units > 0 and units % step == 0 and units <= UNITS_MAX:
            return units
    value = number(text, field, code)
    if value <= 0:
        raise Malformed(field, f"{field} must be greater than zero.", code)
    scaled = _CONTEXT.scaleb(value, decimals)
    if scaled > UNITS_MAX:
        raise Malformed(field, f"{field} is too large.", code)
    if step != 1:
        scaled = _CONTEXT.divide(scaled, Decimal(step))
    nearest = _CONTEXT.to_integral_value(scaled)
    if not nearest or abs(_CONTEXT.subtract(scaled, nearest)) > SNAP:
        smallest = plain(step, decimals)
        raise Malformed(field, f"{field} must be a multiple of {smallest}.", code)
    return int(nearest) * step


def nearest(text: str, field: str, decimals: int) -> int:
    """Read a positive number that somebody else wrote, however fine, as units of 10^-decimals.

    Rounds: to the nearest unit, halves to even.
    Raises: Malformed when it is no positive number, rounds to nothing, or is beyond `UNITS_MAX` units.
    """
    value = number(text, field)
    if value <= 0:
        raise Malformed(field, f"{field} must be greater than zero.")
    units = int(_CONTEXT.to_integral_value(_CONTEXT.scaleb(value, decimals)))
    if not 0 < units <= UNITS_MAX:
        raise Malformed(field, f"{field} is out of bounds.")
    return units


def lots(text: str, field: str, instrument: Instrument) -> int:
    """Read a quantity as lots. Raises: Malformed."""
    return steps(text, field, instrument.lot_decimals, code="INVALID_QTY")


def price(text: str, field: str, instrument: Instrument, code: str = "INVALID_PRICE") -> int:
    """Read a price as price units, a multiple of the tick. Raises: Malformed."""
    return steps(text, field, instrument.price_decimals, step=instrument.tick, code=code)


def money(text: str, field: str) -> int:
    """Read an amount of an asset as money. Raises: Malformed."""
    return steps(text, field, MONEY_DECIMALS, code="INVALID_AMOUNT")


def hundredths(text: str, field: str) -> int:
    """Read a leverage as hundredths. Raises: Malformed."""
    return steps(text, field, 2, code="INVALID_LEVERAGE")


def whole(text: str, field: str, *, most: int, code: str = "INVALID_FORM") -> int:
    """Read a whole number from 0 to `most`; 5.0 is one too. Raises: Malformed."""
    value = number(text, field, code)
    if value != value.to_integral_value() or not 0 <= value <= most:
        raise Malformed(field, f"{field} must be a whole number from 0 to {most}.", code)
    return int(value)


def time_ms(text: str, field: str) -> int:
    """Read a time in ms since the epoch; a fraction of a millisecond is dropped. Raises: Malformed."""
    whole_part, _, fraction = text.partition(".")
    digits = whole_part + fraction
    if len(whole_part) <= _TIME_DIGITS and len(digits) <= TEXT_MAX and digits.isdecimal() and digits.isascii():
        return int(whole_part or "0")
    value = number(text, field)
    if not 0 <= value <= TIME_MS_MAX:
        raise Malformed(field, f"{field} must be a time in milliseconds since 1970.")
    return int(value)


def amount(units: int, decimals: int = MONEY_DECIMALS) -> float | Decimal:
    """The JSON number for `units` of 10^-decimals, exact to the last unit.

    A longer one than a float can be trusted with becomes a Decimal, which the encoder writes as a number too.
    """
    if -FLOAT_EXACT < units < FLOAT_EXACT:
        return units / _POWERS[decimals]
    return Decimal(units).scaleb(-decimals, _CONTEXT)


def ratio(numerator: int, denominator: int) -> float | Decimal:
    """The JSON number for a quotient to eight decimals; 0 when there is nothing to divide by.

    Rounds: to the nearest, halves up. Requires: the denominator is not negative.
    """
    if denominator == 0:
        return 0.0
    return amount((numerator * _RATIO_SCALE + denominator) // (2 * denominator))


def plain(units: int, decimals: int) -> str:
    """Text of `units` of 10^-decimals without an exponent and without trailing zeros."""
    value = Decimal(units).scaleb(-decimals, _CONTEXT)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
