"""Parsing definitions: one table of a file, in our own words or in Langfuse's, to a `Definition`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from tollbook.pricing._catalog import normal
from tollbook.pricing._definition import Definition, TierRule, Variant, Window, frozen
from tollbook.pricing._fields import Fields, as_list, as_table
from tollbook.pricing._pattern import Pattern
from tollbook.pricing._sheet import Change, Multiple
from tollbook.pricing._terms import (
    LANGFUSE_INPUT,
    LANGFUSE_KEYS,
    LANGFUSE_ROWS,
    PLAIN_UNITS,
    ROW_UNITS,
    TOKEN_KEYS,
    UNITS,
    row_bucket,
)
from tollbook.usage import BUCKETS, TOKENS

_KEYS = (
    *("name", "provider", "match_pattern", "start_time", "end_time", "unit", "source", "checked", "note"),
    *("tokenizer", "price", "price_row", "tier", "variant", "window", "multiply", "adjusts"),
)
_TOKENIZER = {
    "id": "id",
    "encoding": "encoding",
    "model": "model",
    "tokenizerModel": "model",
    "tokens_per_message": "tokens_per_message",
    "tokensPerMessage": "tokens_per_message",
    "tokens_per_name": "tokens_per_name",
    "tokensPerName": "tokens_per_name",
    "reply": "reply",
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UTC = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)")


def parse(raw: Mapping[str, Any], file: str, line: int) -> tuple[Definition | None, list[tuple[str, str]]]:
    """The definition that `raw` is, and (field, what was expected) of each problem: with any, there is no definition.

    Args:
        raw: One `[[model]]`.
        file: Where it is from.
        line: The line in which it begins.
    """
    langfuse = "matchPattern" in raw
    table = Fields(_from_langfuse(raw) if langfuse else raw)
    table.only(_KEYS)
    name = table.text("name", longest=256)
    if not name:
        table.wrong("name", "a text: the model's name")
    start, end = table.period()
    unit = _unit(table)
    price = table.table("price")
    sets = _prices(price, unit, 1) if price else {}
    adjusts = table.flag("adjusts", price is None)
    if sets and unit in {"REQUESTS", "CALLS"} and not adjusts:
        sets = {**dict.fromkeys(sorted(TOKENS), Fraction(0)), **sets}
    sets |= _rows(table)
    found = Definition(
        name=name,
        pattern=_pattern(table, name),
        providers=table.texts("provider"),
        start=start,
        end=end,
        unit=unit,
        adjusts=adjusts,
        change=Change(sets, _multiply(table)),
        tiers=_tiers(table, unit, _per(price)),
        variants=tuple(_variant(each, unit, _per(price)) for each in table.tables("variant")),
        windows=tuple(_window(each, unit, _per(price)) for each in table.tables("window")),
        source=table.text("source", longest=1024),
        checked=_day(table),
        tokenizer=_tokenizer(table),
        note=table.text("note", longest=4096),
        file=file,
        line=line,
        digest=frozen(raw),
    )
    if not adjusts and not sets and not table.problems:
        table.wrong("price", "at least one price, or `adjusts = true`")
    return (None if table.problems else found), table.problems


def _unit(table: Fields) -> str:
    unit = table.text("unit", "TOKENS").upper()
    if unit not in UNITS:
        table.wrong("unit", f"one of {', '.join(UNITS)}")
        return "TOKENS"
    return unit


def _pattern(table: Fields, name: str) -> Pattern:
    text = table.text("match_pattern", re.escape(name), longest=10**6)
    try:
        return Pattern(text)
    except ValueError as error:
        table.wrong("match_pattern", str(error))
        return Pattern("")


def _day(table: Fields) -> str:
    value = table.raw.get("checked")
    text = value if isinstance(value, str) else "" if value is None else str(value)
    if text and not re.fullmatch(r"\d{4}-\d\d-\d\d.*", text):
        table.wrong("checked", "a date such as 2026-11-21")
    return text[:10]


def _tokenizer(table: Fields) -> dict[str, Any] | None:
    fields = table.table("tokenizer")
    if fields is None:
        return None
    fields.only(_TOKENIZER)
    found: dict[str, Any] = {}
    for key, name in _TOKENIZER.items():
        if key in fields.raw:
            counts = name.startswith("tokens") or name == "reply"
            found[name] = fields.whole(key, 0, -1000, 1000) if counts else fields.text(key, longest=256)
    return found


# ---- prices --------------------------------------------------------------------------------------------------


def _per(price: Fields | None, default: int = 1) -> int:
    """What prices are for so many units of."""
    return default if price is None else price.whole("per", default)


def _prices(table: Fields, unit: str, per: int) -> dict[str, Fraction | Multiple]:
    """What a table of prices sets."""
    known = UNITS[unit]
    table.only({"per", *known.keys})
    size = _per(table, per) * known.size
    found: dict[str, Fraction | Multiple] = {}
    by_key: dict[str, str] = {}
    for key in table.raw:
        if key == "per" or key not in known.keys:
            continue
        value = _value(table, key, size, known.keys)
        for bucket in known.keys[key]:
            if value is not None and found.get(bucket, value) != value:
                table.wrong(key, f"no second price for what {by_key[bucket]} is the price of")
            elif value is not None:
                found[bucket] = value
                by_key[bucket] = key
    return found


def _value(table: Fields, key: str, size: int, keys: Mapping[str, tuple[str, ...]]) -> Fraction | Multiple | None:
    inner = table.table(key) if as_table(table.raw[key]) is not None else None
    if inner is None:
        price = table.number(key)
        return None if price is None else price / size
    inner.only(keys.keys() - {"total", key})
    others = [other for other in inner.raw if other in keys and other != key]
    if len(others) != 1 or len(inner.raw) != 1:
        table.wrong(key, "a number, or how many times another price it is, such as { input = 2.5 }")
        return None
    factor = inner.number(others[0])
    return None if factor is None else (keys[others[0]][0], factor)


def _rows(table: Fields) -> dict[str, Fraction | Multiple]:
    """What price rows set."""
    found: dict[str, Fraction | Multiple] = {}
    for row in table.tables("price_row"):
        row.only({"usage", "unit", "per", "price", "source", "note"})
        bucket = row_bucket(row.text("usage"))
        price = row.number("price")
        per = _per(row)
        if bucket is None:
            row.wrong("usage", f"one of {', '.join(BUCKETS)}")
            continue
        unit = row.text("unit", PLAIN_UNITS[BUCKETS[bucket].unit]).upper()
        counted, size = ROW_UNITS.get(unit, ("", 1))
        if counted != BUCKETS[bucket].unit:
            row.wrong("unit", f"the unit of {bucket}, {PLAIN_UNITS[BUCKETS[bucket].unit]}")
        elif price is not None:
            found[bucket] = price / (per * size)
    return found


def _multiply(table: Fields) -> dict[str, Fraction]:
    fields = table.table("multiply")
    if fields is None:
        return {}
    keys = {"all": "all", "all_tokens": "all_tokens"} | {bucket: bucket for bucket in BUCKETS} | TOKEN_KEYS
    fields.only(keys)
    found: dict[str, Fraction] = {}
    for key in fields.raw:
        factor = fields.number(key, Decimal(10_000)) if key in keys else None
        if factor is not None:
            found[keys[key]] = factor
    return found


def _change(table: Fields, unit: str, per: int) -> Change:
    """What a tier, a variant or a window does."""
    price = table.table("price")
    sets = _prices(price, unit, per) if price else {}
    if not table.raw.keys() & {"price", "price_row", "multiply"}:
        table.wrong("", "price, price_row or multiply")
    return Change(sets | _rows(table), _multiply(table))


# ---- conditions ----------------------------------------------------------------------------------------------


def _tiers(table: Fields, unit: str, per: int) -> tuple[TierRule, ...]:
    found: dict[int, TierRule] = {}
    for tier in table.tables("tier"):
        tier.only({"when", "price", "price_row", "multiply", "note"})
        when = tier.table("when")
        rule = when and when.table("input_tokens")
        if when is None or rule is None:
            tier.wrong("when", "{ input_tokens = { gt = N } } or { input_tokens = { gte = N } }")
            continue
        when.only({"input_tokens"})
        rule.only({"gt", "gte"})
        if len(rule.raw) != 1:
            when.wrong("input_tokens", "either gt or gte")
            continue
        operator: Literal["gt", "gte"] = "gte" if "gte" in rule.raw else "gt"
        threshold = rule.whole(operator, 1)
        if threshold in found:
            rule.wrong(operator, "a threshold that no other tier has")
        found[threshold] = TierRule(threshold, operator, _change(tier, unit, per))
    return tuple(found[threshold] for threshold in sorted(found))


def _variant(table: Fields, unit: str, per: int) -> Variant:
    table.only({"when", "price", "price_row", "multiply", "stacks", "start_time", "end_time", "note", "source"})
    start, end = table.period()
    when = table.table("when")
    found: dict[str, tuple[str, ...]] = {}
    if when is None or not when.raw:
        table.wrong("when", 'a condition such as { service_tier = "priority" }')
    else:
        for key in when.raw:
            said = [normal({key: value}) for value in when.texts(key)]
            kinds = {name for each in said for name in each}
            if len(kinds) != 1 or not all(said):
                when.wrong(key, "one or more values other than the standard one")
                continue
            kind = kinds.pop()
            found[kind] = tuple(each[kind] for each in said)
    return Variant(found, _change(table, unit, per), table.flag("stacks", default=False), start, end)


def _window(table: Fields, unit: str, per: int) -> Window:
    table.only({"utc", "days", "price", "price_row", "multiply", "start_time", "end_time", "note", "source"})
    start, end = table.period()
    clock = _UTC.fullmatch(table.text("utc"))
    if clock is None:
        table.wrong("utc", 'a time of day such as "22:00-06:00"')
        since = until = 0
    else:
        hours = [int(group) for group in clock.groups()]
        since, until = hours[0] * 3600 + hours[1] * 60, hours[2] * 3600 + hours[3] * 60
        if until > 86_400 or since == until:
            table.wrong("utc", 'a time of day such as "22:00-06:00"')
    days = [day.lower() for day in table.texts("days")]
    if any(day not in _DAYS for day in days):
        table.wrong("days", f"some of {', '.join(_DAYS)}")
    named = frozenset(_DAYS.index(day) for day in days if day in _DAYS) or frozenset(range(7))
    return Window(since, until, named, _change(table, unit, per), start, end)


# ---- Langfuse ------------------------------------------------------------------------------------------------


def _from_langfuse(raw: Mapping[str, Any]) -> dict[str, object]:
    """A model definition as Langfuse exports it, in our words."""
    prices: dict[str, object] = {}
    rows: list[object] = []
    for key, price in (("inputPrice", "input"), ("outputPrice", "output"), ("totalPrice", "total")):
        if raw.get(key) is not None:
            prices[price] = raw[key]
    tiers = [each for each in map(as_table, as_list(raw.get("pricingTiers"))) if each is not None]
    usual = [each for each in tiers if not each.get("conditions")]
    for table in (raw, *usual[:1]):  # where both are there, they say the same
        found, counted = _langfuse_prices(table.get("prices"))
        prices = {**found, **prices}
        rows = rows or counted
    tokenizer: dict[str, object] = {}
    if raw.get("tokenizerId"):
        tokenizer["id"] = raw["tokenizerId"]
    settings = as_table(raw.get("tokenizerConfig")) or {}
    tokenizer |= {key: value for key, value in settings.items() if key in _TOKENIZER}
    said = {
        "name": raw.get("modelName"),
        "match_pattern": raw["matchPattern"],
        "start_time": raw.get("startDate"),
        "unit": raw.get("unit"),
        "price": prices or None,
        "price_row": rows or None,
        "tier": [_langfuse_tier(each) for each in tiers if each.get("conditions")] or None,
        "tokenizer": tokenizer or None,
        # What is read for nothing but its tokenizer may have no price.
        "adjusts": None if tokenizer and not tiers else False,
    }
    return {key: value for key, value in said.items() if value is not None}


def _langfuse_prices(raw: object) -> tuple[dict[str, object], list[object]]:
    """(prices by our words, price rows) of a table of Langfuse's, in which several words may mean one bucket."""
    prices: dict[str, object] = {}
    rows: dict[str, object] = {}
    for key, value in (as_table(raw) or {}).items():
        inner = as_table(value)
        amount = value if inner is None else inner.get("price")
        if amount is not None and key in LANGFUSE_ROWS:
            rows.setdefault(LANGFUSE_ROWS[key], amount)
        elif amount is not None:
            prices.setdefault(LANGFUSE_KEYS.get(key, key), amount)
    return prices, [{"usage": usage, "price": amount} for usage, amount in rows.items()]


def _langfuse_tier(raw: Mapping[str, Any]) -> dict[str, object]:
    """A tier that holds from a number of input tokens on; of any other condition, something that is refused."""
    prices, rows = _langfuse_prices(raw.get("prices"))
    conditions = [as_table(each) for each in as_list(raw.get("conditions"))]
    first = conditions[0] if len(conditions) == 1 else None
    when: dict[str, object] = {}
    if first and _counts_input(str(first.get("usageDetailPattern"))):
        when = {"input_tokens": {str(first.get("operator")): first.get("value")}}
    return {"when": when, "price": prices, **({"price_row": rows} if rows else {})}


def _counts_input(pattern: str) -> bool:
    try:
        found = Pattern(f"(?i).*({pattern}).*")
    except ValueError:
        return False
    return all(found.matches(word) for word in LANGFUSE_INPUT)
