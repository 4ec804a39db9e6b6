"""The classes of genai-prices' data, by its names: what its price list is made of, and what its rules mean.

Prices are USD; what a price is for, and how many units it is for, is in the package's table of units.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the data imports from here: it has a `datetime` of its own.
__all__ = [
    "ArrayMatch",
    "ClauseAnd",
    "ClauseContains",
    "ClauseEndsWith",
    "ClauseEquals",
    "ClauseOr",
    "ClauseRegex",
    "ClauseStartsWith",
    "ConditionalPrice",
    "ModelInfo",
    "ModelPrice",
    "PriceVariant",
    "Provider",
    "StartDateConstraint",
    "Tier",
    "TieredPrices",
    "TimeOfDateConstraint",
    "UsageExtractor",
    "UsageExtractorMapping",
]


class Listed:
    """Anything in the list: fields by name, as the data gives them."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Unknown(Listed):
    """Something that a newer version of the data has, and that we do not know: it matches nothing, and never holds."""

    def __init__(self, *_values: Any, **fields: Any) -> None:
        super().__init__(**fields)

    def is_match(self, _text: str) -> bool:
        """False."""
        return False

    def active(self, _at: datetime) -> bool:
        """False."""
        return False


# ---- which model ---------------------------------------------------------------------------------------------


class MatchLogic(Listed):
    """A rule for names of models."""

    def is_match(self, text: str) -> bool:
        """Whether the rule holds for `text`; case does not matter, except to `ClauseRegex`."""
        raise NotImplementedError


class ClauseStartsWith(MatchLogic):
    """The name starts so."""

    starts_with: str

    def is_match(self, text: str) -> bool:
        return text.lower().startswith(self.starts_with.lower())


class ClauseEndsWith(MatchLogic):
    """The name ends so."""

    ends_with: str

    def is_match(self, text: str) -> bool:
        return text.lower().endswith(self.ends_with.lower())


class ClauseContains(MatchLogic):
    """The name contains this."""

    contains: str

    def is_match(self, text: str) -> bool:
        return self.contains.lower() in text.lower()


class ClauseRegex(MatchLogic):
    """The pattern is found in the name."""

    regex: str

    def is_match(self, text: str) -> bool:
        return bool(re.search(self.regex, text))


class ClauseEquals(MatchLogic):
    """The name is this."""

    equals: str

    def is_match(self, text: str) -> bool:
        return text.lower() == self.equals.lower()


class ClauseOr(MatchLogic):
    """One of the rules holds."""

    or_: list[MatchLogic]

    def is_match(self, text: str) -> bool:
        return any(clause.is_match(text) for clause in self.or_)


class ClauseAnd(MatchLogic):
    """All rules hold."""

    and_: list[MatchLogic]

    def is_match(self, text: str) -> bool:
        return all(clause.is_match(text) for clause in self.and_)


# ---- when ----------------------------------------------------------------------------------------------------


class StartDateConstraint(Listed):
    """From this day on, UTC."""

    start_date: date

    def active(self, at: datetime) -> bool:
        """Whether it is that day or later; a time without a zone is UTC."""
        return _utc(at).date() >= self.start_date


class TimeOfDateConstraint(Listed):
    """From one time of each day to another, the latter excluded; over midnight if it is the earlier one."""

    start_time: time
    end_time: time

    def active(self, at: datetime) -> bool:
        """Whether it is that time of day; times without a zone are UTC."""
        now, start, end = _utc(at).timetz(), _clock(self.start_time), _clock(self.end_time)
        return now >= start or now < end if end < start else start <= now < end


Constraint = StartDateConstraint | TimeOfDateConstraint


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _clock(at: time) -> time:
    return _utc(datetime.combine(date(1970, 1, 1), at)).timetz()


# ---- how much ------------------------------------------------------------------------------------------------


class Tier(Listed):
    """The price of all units of a request of more than `start` input tokens."""

    start: int
    price: Decimal


class TieredPrices(Listed):
    """A price that depends on the size of the request; tiers ascending."""

    base: Decimal
    tiers: list[Tier]

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.tiers.sort(key=lambda tier: tier.start)


class ModelPrice(Listed):
    """Prices by the price key of their unit, as attributes."""


class ConditionalPrice(Listed):
    """Prices that apply while the constraint holds."""

    constraint: Constraint | None = None
    prices: ModelPrice


class PriceVariant(Listed):
    """Prices in place of the standard ones, for requests with all of these properties."""

    when: dict[str, str]
    prices: ModelPrice
    constraint: Constraint | None = None


class ModelInfo(Listed):
    """A model at one provider."""

    id: str
    match: MatchLogic
    prices: ModelPrice | list[ConditionalPrice]
    price_variants: list[PriceVariant] | None = None

    def get_prices(self, at: datetime, context: Mapping[str, str] | None = None) -> ModelPrice:
        """The prices as of `at`: the last that hold, and over them those of the variants for `context`."""
        prices = self.prices if isinstance(self.prices, ModelPrice) else self._standard(self.prices, at)
        if not context:
            return prices
        fields: dict[str, Any] = {}
        for variant in self.price_variants or ():
            holds = variant.constraint is None or variant.constraint.active(at)
            if holds and all(context.get(key) == value for key, value in variant.when.items()):
                for key, price in vars(variant.prices).items():
                    if price is not None:
                        fields.setdefault(key, price)
        return ModelPrice(**{**vars(prices), **fields})

    @staticmethod
    def _standard(dated: list[ConditionalPrice], at: datetime) -> ModelPrice:
        held = (each.prices for each in reversed(dated) if each.constraint is None or each.constraint.active(at))
        return next(held, dated[0].prices)


class Provider(Listed):
    """A price list."""

    id: str
    models: list[ModelInfo]
    fallback_model_providers: list[str] | None = None


# ---- what we do not use --------------------------------------------------------------------------------------


class ArrayMatch(Unknown):
    """How the package finds usage in responses."""


class UsageExtractor(Unknown):
    """How the package finds usage in responses."""


class UsageExtractorMapping(Unknown):
    """How the package finds usage in responses."""
