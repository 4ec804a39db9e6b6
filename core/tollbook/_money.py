"""Money: whole pico-dollars inside, `Decimal` dollars outside, never a float in between.

One pico-dollar is 1e-12 USD. Every list price of at most six decimals per million tokens is a whole number of
pico-dollars per token, so a cost is a sum of integer products and the rows add up to the total to the last digit.
"""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PICO = 1_000_000_000_000
"""Pico-dollars per US dollar."""

MOST = 9_000_000
"""US dollars that one amount may come to, exclusive: in pico-dollars it must fit into 64 bits. Sums need not."""

_EXACT = Context(prec=200)
"""The default context rounds to 28 digits, and may have been changed by the program."""


def to_usd(pico: int) -> Decimal:
    """`pico` pico-dollars in USD, exactly."""
    return Decimal(pico).scaleb(-12, _EXACT)


def exactly() -> AbstractContextManager[Context]:
    """Inside, amounts are added up and compared exactly, whatever the program has made of its context."""
    return localcontext(_EXACT)


def from_usd(usd: Decimal | int | str) -> int:
    """`usd` US dollars in pico-dollars, rounded half to even beyond the twelfth decimal.

    Raises:
        ValueError: No number, not a finite one, or not below `MOST`.
    """
    try:
        amount = Decimal(usd)
    except (InvalidOperation, TypeError, ValueError):
        raise ValueError(f"not an amount of money: {usd!r}") from None
    if not amount.is_finite():
        raise ValueError(f"not an amount of money: {usd!r}")
    if amount.copy_abs() >= MOST:
        raise ValueError(f"too much money for one call: {usd!r}")
    return int(amount.scaleb(12, _EXACT).to_integral_value(context=_EXACT))


def plain(usd: Decimal | None) -> str | None:
    """`usd` as exact decimal text without exponent or needless zeros; None stays None.

    >>> plain(Decimal("1.500E-5")), plain(Decimal("1E+2")), plain(Decimal("-0.00")), plain(None)
    ('0.000015', '100', '0', None)
    """
    if usd is None:
        return None
    whole, point, fraction = f"{usd:f}".partition(".")
    text = f"{whole}{point}{fraction}".rstrip("0").rstrip(".") if point else whole
    return "0" if text in {"-0", ""} else text


def show(usd: Decimal | None) -> str:
    """`usd` for a reader: at least cents, and enough decimals that a small cost is never shown as nothing.

    >>> show(Decimal("0.0000258")), show(Decimal("12.5")), show(Decimal(0)), show(None)
    ('$0.0000258', '$12.50', '$0.00', 'unpriced')
    """
    if usd is None:
        return "unpriced"
    sign, amount = "-" if usd < 0 else "", usd.copy_abs()  # which no context rounds
    if amount == 0:
        return "$0.00"
    # Cents from a hundred dollars, four decimals from one, four significant digits below.
    places = 2 if amount >= 100 else 4 if amount >= 1 else 3 - amount.adjusted()
    text = f"{amount:,.{places}f}"
    whole, _, fraction = text.partition(".")
    return f"{sign}${whole}.{fraction.rstrip('0').ljust(2, '0')}"
