"""The rate card: the prices of one model at one time, compiled to exact numbers per unit."""

from __future__ import annotations

from typing import Literal

import msgspec

from tollbook._money import to_usd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

Rate = int | tuple[int, int]
"""Pico-dollars per unit of a bucket: a whole number, or (numerator, denominator) where it is none."""

Rates = dict[str, Rate]
"""A rate for each bucket that has a price, by the bucket's name."""


class Tier(msgspec.Struct, frozen=True):
    """The rates of a whole request whose input tokens, cached and written ones included, pass a threshold."""

    threshold: int
    operator: Literal["gt", "gte"]
    """Whether a request of exactly `threshold` tokens belongs below (`gt`) or to this tier (`gte`)."""
    rates: Rates
    """All rates of the tier, also those that are as below it."""


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """A definition, the user's or ours, that prices come from."""

    layer: str
    """`user` or `overlay`."""
    name: str
    source: str = ""
    """Where its author has the prices from."""
    checked: str = ""
    """ISO day on which they were last compared with that."""
    file: str = ""
    """The file's name without its directory."""
    digest: str = ""
    """12 hex digits, a hash of what the definition says."""


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """The prices of one model at one time, with where they come from: all that is needed to check a cost.

    A card never changes and is the same for all calls that it prices; equal content has an equal `id`.
    """

    id: str
    """16 hex digits, a hash of all that follows."""
    provider: str
    """Whose price list it is, in that list's own name: `openai` also for an Azure model that is listed there only."""
    model: str
    """The model's name in the price list."""
    layer: str
    """`genai-prices`, `overlay` or `user`."""
    source: str
    """The layer's version, such as `genai-prices 0.2.3`; of definitions, file and hash."""
    rates: Rates
    """By bucket. A rate of `requests` is due once per call, whether or not the usage counts requests."""
    tiers: tuple[Tier, ...] = ()
    """Ascending; the last one that a request reaches prices all of it."""
    since: str | None = None
    """The first day (UTC, ISO) of these prices; None: the price list states none."""
    context: dict[str, str] = {}
    """What selected these prices beside the model, such as `service_tier: priority`."""
    minimum: dict[str, int] = {}
    """The least quantity that is billed if a bucket is used at all."""
    assumed: dict[str, str] = {}
    """Buckets whose rate is taken from another bucket without certainty, with the assumption in words."""
    assumptions: tuple[str, ...] = ()
    """What is taken for granted for every call priced by this card."""
    origins: tuple[Origin, ...] = ()
    """The definitions that made these prices, in the order in which they did; none: the price list alone."""


class Line(msgspec.Struct, frozen=True):
    """One row of a cost: a quantity of one bucket at one rate."""

    bucket: str
    """A bucket's name; `charge` or `manual` for what the provider's or the program's own figure adds to the list."""
    quantity: int
    """Units billed."""
    rate: Rate | None
    """None: no price is known, or the line is no quantity times a rate."""
    amount: int | None
    """Pico-dollars; None: no price is known."""
    card: str
    """The id of the rate card; empty if there is none."""
    model: str | None
    """The model in the price list's name, or as called if it has no price."""
    part: str = ""
    """The kind of the usage's part that it belongs to; empty: the response itself."""

    @property
    def usd(self) -> Decimal | None:
        """`amount` in USD; None if unpriced."""
        return None if self.amount is None else to_usd(self.amount)


def ratio(numerator: int, denominator: int) -> Rate:
    """`numerator` / `denominator` as a rate in lowest terms."""
    from math import gcd

    divisor = gcd(numerator, denominator)
    numerator, denominator = numerator // divisor, denominator // divisor
    return numerator if denominator == 1 else (numerator, denominator)


def amount(quantity: int, rate: Rate) -> int:
    """What `quantity` costs at `rate` in pico-dollars, rounded half to even where the product is no whole number."""
    if isinstance(rate, int):
        return quantity * rate
    whole, rest = divmod(quantity * rate[0], rate[1])
    return whole + (2 * rest > rate[1] or (2 * rest == rate[1] and whole & 1))


def rates_at(card: Card, input_tokens: int) -> Rates:
    """The rates of `card` for a request of `input_tokens` tokens sent, cached and written ones included."""
    rates = card.rates
    for tier in card.tiers:
        if input_tokens > tier.threshold or (input_tokens == tier.threshold and tier.operator == "gte"):
            rates = tier.rates
    return rates


def identified(card: Card) -> Card:
    """`card` with the id that its content gives it."""
    from hashlib import blake2b

    content = msgspec.json.encode(msgspec.structs.replace(card, id=""), order="deterministic")
    return msgspec.structs.replace(card, id=blake2b(content, digest_size=8).hexdigest())


def card_from(raw: Mapping[str, object]) -> Card:
    """The card that was encoded as `raw`, as the ledger keeps it.

    Raises:
        msgspec.ValidationError: `raw` is no card.
    """
    return msgspec.convert(raw, Card)
