"""Prices for a program to look at: what a model costs, and what a usage would cost, without recording anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from tollbook._money import plain, show, to_usd
from tollbook.pricing import Card, Line, Rate, Rates, card_by_id, cost_of, lines, owners, quote, split
from tollbook.usage import BUCKETS, Usage, check, read, selectors

if TYPE_CHECKING:
    from tollbook.pricing import Status

_PER = {
    "tokens": (1_000_000, "1M tokens"),
    "characters": (1_000_000, "1M characters"),
    "pixels": (1_000_000, "1M pixels"),
    "milliseconds": (60_000, "minute"),
    "calls": (1000, "1k calls"),
    "sources": (1000, "1k sources"),
    "images": (1, "image"),
    "pages": (1, "page"),
    "requests": (1, "request"),
}
"""For how many units a price is stated, and what that many are called."""

_DIGITS = Context(prec=50)


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """The price of one bucket: `usd` US dollars for `per` units."""

    usd: Decimal
    per: int
    """1,000,000 tokens, characters or pixels, 1,000 calls, 60,000 milliseconds, or 1."""
    unit: str
    """What `per` units are called: `1M tokens`, `1k calls`, `minute`, `image`, ..."""

    def __str__(self) -> str:
        return f"${dollars(self.usd)} / {self.unit}"


Prices = Mapping[str, UnitPrice]
"""By bucket: `input`, `input_cache_read`, `output`, `web_search`, ..."""


@dataclass(frozen=True, slots=True)
class PriceTier:
    """The prices of a whole request whose input tokens, cached ones included, pass a threshold."""

    threshold: int
    operator: str
    """`gt`: more than `threshold`; `gte`: that many or more."""
    prices: Prices
    """All of them, also those that are as below the threshold."""


@dataclass(frozen=True, slots=True, repr=False)
class Price:
    """What one model costs at one time, and how that is known."""

    provider: str
    """Whose price list it is."""
    model: str
    """The model's name in that list."""
    at: datetime
    """As of when, UTC."""
    prices: Prices
    tiers: tuple[PriceTier, ...]
    """Ascending; the last one that a request reaches prices all of it."""
    layer: str
    """`user`, `overlay`, `genai-prices`, ...: who says so."""
    source: str
    """The layer's version, or where the fact was found."""
    definition: str | None
    """The name of the definition that says so, the user's or the overlay's; None: it is the price list's own."""
    since: str | None
    """From when on these prices hold (ISO, UTC); None: nobody says."""
    context: Mapping[str, str]
    """What selected them beside the model, such as `service_tier: priority`."""
    assumptions: tuple[str, ...]
    """What is taken for granted."""
    assumed: Mapping[str, str]
    """Buckets whose price is another one's, which nobody says is right, with the assumption in words."""
    card: Card = field(compare=False)
    """The rate card itself, in exact pico-dollars per unit."""

    @property
    def input(self) -> Decimal | None:
        """USD for a million tokens of text sent; None: no price."""
        return self._usd("input")

    @property
    def output(self) -> Decimal | None:
        """USD for a million tokens of text generated; None: no price."""
        return self._usd("output")

    @property
    def cache_read(self) -> Decimal | None:
        """USD for a million tokens read from a cache; None: no price."""
        return self._usd("input_cache_read")

    @property
    def cache_write(self) -> Decimal | None:
        """USD for a million tokens written to a cache of the provider's usual lifetime; None: no price."""
        return self._usd("input_cache_write")

    def _usd(self, bucket: str) -> Decimal | None:
        found = self.prices.get(bucket)
        return None if found is None else found.usd

    def __repr__(self) -> str:
        """One line: `<Price openai/gpt-4o: input 2.50, output 10.00 USD / 1M tokens; genai-prices 0.2.3>`."""
        by_unit: dict[str, list[str]] = {}
        for name, price in self.distinct().items():
            by_unit.setdefault(price.unit, []).append(f"{name} {dollars(price.usd)}")
        said = [f"{', '.join(prices)} USD / {unit}" for unit, prices in by_unit.items()]
        when = "".join(f", {key}={value}" for key, value in self.context.items())
        since = f" since {self.since}" if self.since else ""
        return f"<Price {self.provider}/{self.model}{when}: {'; '.join(said)}; {self.source}{since}>"

    def _repr_html_(self) -> str:
        from tollbook._html import price

        return price(self, [(name, dollars(each.usd), each.unit) for name, each in self.distinct().items()])

    def distinct(self) -> dict[str, UnitPrice]:
        """`prices` without those that are as the one that they are a kind of, such as images that cost as text."""
        prices = self.prices
        return {
            name: price
            for name, price in prices.items()
            if name not in self.assumed
            and not any(prices.get(kin) == price and kin not in self.assumed for kin in _kin(name))
        }


@dataclass(frozen=True, slots=True)
class CostLine:
    """One row of a cost: a quantity of one bucket at one price."""

    bucket: str
    """A bucket's name; `charge` for what the provider's own figure adds to the list price."""
    quantity: int
    price: UnitPrice | None
    """None: no price is known, or the line is no quantity times a price."""
    amount: Decimal | None
    """USD; None: no price is known."""
    model: str | None
    source: str | None
    """Where the price is from; None: there is none."""
    part: str = ""
    """The kind of the part of the usage that it belongs to; empty: the response itself."""


@dataclass(frozen=True, slots=True, repr=False)
class CostResult:
    """What a usage costs. Amounts are exact USD; None is unknown, never zero."""

    total: Decimal | None
    input: Decimal | None
    output: Decimal | None
    other: Decimal | None
    """Tools, requests and all else that is neither sent nor generated."""
    status: Status
    """`exact`, `estimated`, `partial` or `unpriced`."""
    listed: Decimal | None
    """What the list price comes to; it differs from `total` where the usage states the provider's own charge."""
    lines: tuple[CostLine, ...]
    """Their amounts add up to `total`."""
    assumptions: tuple[str, ...]
    """What was taken for granted, and what has no price."""
    provider: str | None
    model: str

    def __repr__(self) -> str:
        """One line: `<CostResult $0.0125 exact: input 1,000 at $2.50 / 1M tokens, ...>`."""
        rows = [f"{row.bucket} {row.quantity:,} at {row.price or 'an unknown price'}" for row in self.lines]
        return f"<CostResult {show(self.total)} {self.status}: {', '.join(rows)}>"


def price(
    model: str, *, provider: str | None = None, at: datetime | date | str | None = None, **context: str
) -> Price | None:
    """What `model` costs; None if no source knows a price for exactly this name.

    Args:
        model: As the provider calls it, or `provider/model`.
        provider: `openai`, `anthropic`, `aws.bedrock`, ..., or a host. None: the maker of the model, if one maker
            lists this name.
        at: As of when; ISO text, a date, or a time. Without a zone it is UTC. None: now.
        context: What selects a price beside the model: `service_tier="priority"`, `processing="batch"`,
            `speed="fast"`, `region="us"`.

    Raises:
        TypeError: `model`, or what selects a price, is no text.
        ValueError: `at` is no time, or several providers sell the model and none was named.
    """
    moment = instant(at)
    context = _said(context)
    seller, name = resolve(model, provider, moment, context)
    card = None if seller is None else quote(seller, name, moment, context)
    return None if card is None else described(card, moment)


def cost(
    usage: Usage | Mapping[str, Any] | Any,
    model: str,
    *,
    provider: str | None = None,
    at: datetime | date | str | None = None,
    convention: str = "mlflow",
    **context: str,
) -> CostResult:
    """What `usage` of `model` costs; nothing is recorded.

    Args:
        usage: A `Usage`, a usage object in the words of `convention`, or a model of pydantic's that holds one.
        model: As for `price`.
        provider: As for `price`.
        at: As for `price`.
        convention: One of `tollbook.usage.CONVENTIONS`, such as `openai.chat` or `anthropic.messages`.
        context: As for `price`; what the usage object says itself, such as its service tier, counts where this does
            not say it.

    Raises:
        ValueError: `usage` is no usage object of that convention, or as for `price`.
    """
    used, said = _read(usage, convention)
    moment = instant(at)
    served = {**said, **_said(context)}
    seller, name = resolve(model, provider, moment, served)
    found = cost_of(used, seller, name, moment, served or None)
    if found is None:  # pricing failed; the guard has reported it
        raise ValueError(f"{model} could not be priced")
    rows = lines(used, found)
    notes = found.assumptions
    if found.status == "unpriced":
        notes += (no_price(model, provider),)
    return CostResult(
        total=found.total_usd,
        input=found.input_usd,
        output=found.output_usd,
        other=None if found.input is None else to_usd(found.other),
        status=found.status,
        listed=found.total_usd if used.charge is None else None if found.listed is None else to_usd(found.listed),
        lines=tuple(cost_lines(rows)),
        assumptions=notes,
        provider=seller,
        model=name,
    )


def _said(context: Mapping[str, str | None]) -> dict[str, str]:
    """`context` without what is None, as the fields of answers are that say nothing."""
    found = {key: value for key, value in context.items() if value is not None}
    for key, value in found.items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"{key} must be a text, not {value!r}")
    return found


def _read(usage: Any, convention: str) -> tuple[Usage, dict[str, str]]:
    """The usage, and what it says of the price beside its quantities."""
    if isinstance(usage, Usage):
        check(usage)
        return usage, {}
    if not isinstance(usage, Mapping) and (dump := getattr(usage, "model_dump", None)) is not None:
        usage = dump(mode="json")
    if not isinstance(usage, Mapping):
        raise ValueError(f"not a usage object: {type(usage).__name__}")  # noqa: TRY004 - a user's error, as elsewhere
    raw: dict[str, Any] = dict(usage)  # pyright: ignore[reportUnknownArgumentType]
    found = read(convention, raw)
    if found is None:
        raise ValueError(f"not a usage object of convention {convention}: {sorted(map(str, raw))}")
    return found, selectors(convention, raw) or {}


def no_price(model: str, provider: str | None) -> str:
    """Why there is no cost, in words."""
    return f"no price is known for {model} at {provider}" if provider else f"no price is known for {model}"


def resolve(
    model: str, provider: str | None, at: int, context: Mapping[str, str] | None = None
) -> tuple[str | None, str]:
    """(Whose price list, which name) is meant; no list if nobody is known to sell a model of this name.

    Raises:
        TypeError: `model` is no text.
        ValueError: Several do, and none was named.
    """
    if not isinstance(model, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"model must be a model's name, not {type(model).__name__}")
    if provider is not None:
        return provider, model
    prefixed = split(model)
    if prefixed is not None and quote(*prefixed, at, context) is not None:
        return prefixed
    found = owners(model, at, context)
    if len(found) > 1:
        shown = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
        raise ValueError(f"{model} has a price at several providers, so name one of them as provider: {shown}")
    return (found[0] if found else None), model


def instant(at: datetime | date | str | None) -> int:
    """`at` in nanoseconds of Unix time.

    Raises:
        ValueError: It is no time.
    """
    if at is None:
        from time import time_ns

        return time_ns()
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            raise ValueError(f"not a date or time: {at!r}; give one such as 2026-11-01 or 2026-11-01T14:30Z") from None
    if not isinstance(at, date):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"at must be a date, a time or ISO text, not {type(at).__name__}")
    if not isinstance(at, datetime):
        at = datetime.combine(at, time())
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000


# ---- cards, for a reader -------------------------------------------------------------------------------------


def described(card: Card, at: int) -> Price:
    """`card` as a price as of `at`, Unix nanoseconds."""
    return Price(
        provider=card.provider,
        model=card.model,
        at=datetime.fromtimestamp(at // 1_000_000_000, UTC),
        prices=_prices(card.rates),
        tiers=tuple(PriceTier(tier.threshold, tier.operator, _prices(tier.rates)) for tier in card.tiers),
        layer=card.layer,
        source=card.source,
        definition=card.origins[-1].name if card.origins else None,
        since=card.since,
        context=dict(card.context),
        assumptions=card.assumptions,
        assumed=dict(card.assumed),
        card=card,
    )


def unit_price(bucket: str, rate: Rate) -> UnitPrice:
    """`rate` of a bucket, for as many units as people state its price for."""
    per, unit = _PER[BUCKETS[bucket].unit] if bucket in BUCKETS else (1, "unit")
    numerator, denominator = (rate, 1) if isinstance(rate, int) else rate
    pico = _DIGITS.divide(Decimal(numerator * per), Decimal(denominator))
    return UnitPrice(Decimal(plain(pico.scaleb(-12, _DIGITS)) or 0), per, unit)


def cost_lines(rows: Sequence[Line], cards: Mapping[str, Card] | None = None) -> list[CostLine]:
    """`rows` for a reader: each response's and each part's in the order of `BUCKETS`.

    Args:
        rows: As `pricing.lines` gives them.
        cards: Their cards by id; None: those that this process has used.
    """
    places = {name: n for n, name in enumerate(BUCKETS)}
    groups: dict[tuple[str, str, str | None], list[Line]] = {}
    for row in rows:
        groups.setdefault((row.card, row.part, row.model), []).append(row)
    return [
        _cost_line(row, cards)
        for group in groups.values()
        for row in sorted(group, key=lambda row: places.get(row.bucket, len(places)))
    ]


def _cost_line(row: Line, cards: Mapping[str, Card] | None) -> CostLine:
    card = card_by_id(row.card) if cards is None else cards.get(row.card)
    return CostLine(
        bucket=row.bucket,
        quantity=row.quantity,
        price=None if row.rate is None else unit_price(row.bucket, row.rate),
        amount=row.usd,
        model=row.model,
        source=None if card is None else card.source,
        part=row.part,
    )


def _kin(bucket: str) -> Iterator[str]:
    """The buckets that `bucket` is a kind of."""
    if bucket.startswith("input_cache_write_"):
        yield "input_cache_write"
        if bucket != "input_cache_write_5m":
            yield "input_cache_write_5m"
    elif bucket.startswith(("input_", "output_")) and bucket in BUCKETS and BUCKETS[bucket].unit == "tokens":
        if bucket.endswith("_cache_read") and bucket != "input_cache_read":
            yield "input_cache_read"
        elif "cache" not in bucket:
            yield bucket.partition("_")[0]
    elif bucket in ("output_audio_ms", "output_video_ms", "session_ms"):
        yield "input_audio_ms"


def _prices(rates: Rates) -> dict[str, UnitPrice]:
    return {name: unit_price(name, rate) for name, rate in rates.items()}


def dollars(usd: Decimal) -> str:
    """Exact, with at least cents."""
    text = plain(usd) or "0"
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"
