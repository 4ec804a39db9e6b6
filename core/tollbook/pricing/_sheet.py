"""Price sheets: the prices of a model while definitions work on them, before they become a rate card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Literal, NamedTuple

from tollbook._money import PICO
from tollbook.pricing._card import Card, Rate, Rates, Tier, ratio
from tollbook.pricing._terms import LENDERS
from tollbook.usage import BUCKETS, CACHE_WRITES, INPUT_TOKENS, TOKENS

Multiple = tuple[str, Fraction]
"""A price that is so many times another bucket's."""

Prices = dict[str, Fraction]
"""US dollars per unit, of the buckets that have a price of their own."""

_MOST = 2**63


class Change(NamedTuple):
    """What a part of a definition does to prices: first it sets, then it multiplies."""

    sets: Mapping[str, Fraction | Multiple]
    """By bucket."""
    multiply: Mapping[str, Fraction]
    """By bucket, `all_tokens` or `all`; the shortest cache write's stands for all writes that are not named."""

    def __bool__(self) -> bool:
        return bool(self.sets or self.multiply)


class Step(NamedTuple):
    """The prices of requests beyond a threshold."""

    threshold: int
    operator: Literal["gt", "gte"]
    prices: Prices


class Sheet(NamedTuple):
    """The prices of a model at one time in one context."""

    prices: Prices
    steps: tuple[Step, ...] = ()
    """Ascending."""
    buckets: frozenset[str] | None = None
    """Those that may have a price; None: all."""


def own(card: Card) -> Sheet:
    """The sheet of a compiled card: what its rates say, less what they have from one another."""
    lent = {bucket for bucket in card.rates if _is_lent(bucket, card)}
    return Sheet(
        _own(card.rates, lent),
        tuple(Step(tier.threshold, tier.operator, _own(tier.rates, lent)) for tier in card.tiers),
        frozenset(card.rates),
    )


def _own(rates: Rates, lent: set[str]) -> Prices:
    return {bucket: Fraction(*_pair(rate)) / PICO for bucket, rate in rates.items() if bucket not in lent}


def _pair(rate: Rate) -> tuple[int, int]:
    return (rate, 1) if isinstance(rate, int) else rate


def _is_lent(bucket: str, card: Card) -> bool:
    """Whether the price of `bucket` is another one's: it is assumed to be, or the same below and in all tiers."""
    for lender, sure in LENDERS.get(bucket, ()):
        if lender in card.rates:
            same = all(rates.get(bucket) == rates.get(lender) for rates in (card.rates, *(t.rates for t in card.tiers)))
            if same and (sure or bucket in card.assumed):
                return True
    return False


def price(prices: Prices, bucket: str) -> tuple[Fraction, str, bool] | None:
    """(price of `bucket`, the bucket whose price it is, whether it is that for certain); None: it has none."""
    if bucket in prices:
        return prices[bucket], bucket, True
    for lender, sure in LENDERS.get(bucket, ()):
        if lender in prices:
            return prices[lender], lender, sure
    return None


def changed(sheet: Sheet, change: Change) -> Sheet:
    """`sheet` after `change`. A price that is set keeps, beyond a threshold, the ratio that the list has there."""
    if not change:
        return sheet
    steps = tuple(
        step._replace(prices=_changed(step.prices, change, partial(_step_ratio, sheet.prices, step.prices)))
        for step in sheet.steps
    )
    named = frozenset(change.sets)
    buckets = None if sheet.buckets is None else sheet.buckets | named
    return Sheet(_changed(sheet.prices, change, None), steps, buckets)


def stepped(sheet: Sheet, threshold: int, operator: Literal["gt", "gte"], change: Change) -> Sheet:
    """`sheet` with what `change` makes of its plain prices as those of requests beyond `threshold`."""
    steps = [step for step in sheet.steps if step.threshold != threshold]
    steps.append(Step(threshold, operator, _changed(sheet.prices, change, None)))
    named = frozenset(change.sets)
    buckets = None if sheet.buckets is None else sheet.buckets | named
    return Sheet(sheet.prices, tuple(sorted(steps, key=lambda step: step.threshold)), buckets)


def _step_ratio(base: Prices, above: Prices, bucket: str) -> Fraction:
    stand_in = "input" if bucket in INPUT_TOKENS else "output" if bucket in TOKENS else None
    for name in (bucket, stand_in):
        before = name and price(base, name)
        beyond = name and price(above, name)
        if before and beyond and before[0]:
            return beyond[0] / before[0]
    return Fraction(1)


def _changed(prices: Prices, change: Change, step_ratio: Callable[[str], Fraction] | None) -> Prices:
    result = dict(prices)
    for bucket, value in change.sets.items():
        if isinstance(value, Fraction):
            result[bucket] = value if step_ratio is None else value * step_ratio(bucket)
    for bucket, value in change.sets.items():
        if not isinstance(value, Fraction) and (found := price(result, value[0])):
            result[bucket] = found[0] * value[1]
    if not change.multiply:
        return result
    for bucket in change.multiply:  # one that has another's price gets its own, if it moves by itself
        found = price(result, bucket)
        if found and bucket not in result and _factor(bucket, change.multiply) != _factor(found[1], change.multiply):
            result[bucket] = found[0]
    return {bucket: value * _factor(bucket, change.multiply) for bucket, value in result.items()}


def _factor(bucket: str, multiply: Mapping[str, Fraction]) -> Fraction:
    if bucket in multiply:
        return multiply[bucket]
    if bucket in CACHE_WRITES and "input_cache_write_5m" in multiply:
        return multiply["input_cache_write_5m"]
    if bucket in TOKENS and "all_tokens" in multiply:
        return multiply["all_tokens"]
    return multiply.get("all", Fraction(1))


def rates(sheet: Sheet) -> tuple[Rates, tuple[Tier, ...], dict[str, str]]:
    """`sheet` as a card has it: rates by bucket, tiers, and the assumptions behind single rates."""
    tiers = tuple(Tier(step.threshold, step.operator, _rates(step.prices, sheet)[0]) for step in sheet.steps)
    found, assumed = _rates(sheet.prices, sheet)
    return found, tiers, assumed


def _rates(prices: Prices, sheet: Sheet) -> tuple[Rates, dict[str, str]]:
    result: Rates = {}
    assumed: dict[str, str] = {}
    for bucket in BUCKETS:
        found = price(prices, bucket) if sheet.buckets is None or bucket in sheet.buckets else None
        if found is None:
            continue
        result[bucket] = _rate(found[0])
        unstated = bucket == "input_cache_write" and "input_cache_write_1h" in prices
        if found[1] != bucket and (not found[2] or unstated):
            assumed[bucket] = f"{bucket} priced as {found[1]}"
    return result, assumed


def _rate(price: Fraction) -> Rate:
    pico = price * PICO
    if pico.numerator >= _MOST or pico.denominator >= _MOST:
        pico = pico.limit_denominator(10**6)  # a chain of odd factors: beyond what any bill shows
    return ratio(pico.numerator, pico.denominator)
