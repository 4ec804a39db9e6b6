"""Writing, merging, and what in a usage object selects a price."""

from __future__ import annotations

from typing import Any

from tollbook.usage._buckets import BUCKETS, TOKENS
from tollbook.usage._convention import CHARGE, TOTAL
from tollbook.usage._plan import Plan, at, plan
from tollbook.usage._usage import Usage

_NEUTRAL = frozenset(
    {
        *("", "auto", "default", "standard", "standard_only", "on_demand"),
        *("global", "not_available", "TRAFFIC_TYPE_UNSPECIFIED", "ON_DEMAND"),
    }
)
"""Values of selectors that select nothing but the list price."""


def merge(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """One usage object of a stream, with the next one laid over it.

    Streamed usage is cumulative: what `later` says replaces what `earlier` said, key by key, at every depth; null
    says nothing; nothing is ever added up. Neither argument is changed. Merging all objects of a stream, in any
    grouping, gives the same.
    """
    merged = dict(earlier)
    for key, value in later.items():
        if value is None:
            merged.setdefault(key, None)
            continue
        before: Any = merged.get(key)
        kind = value.__class__
        if kind is dict and before.__class__ is dict:
            merged[key] = merge(before, value)
        else:
            merged[key] = value
    return merged


def selectors(convention: str, raw: Any) -> dict[str, str] | None:
    """What in the usage object `raw` selects a price and is no quantity, by its name in a price's context.

    `service_tier`, `speed`, `inference_geo` and the like, as served. Values that select the list price are left out.

    Returns:
        None if nothing does.

    Raises:
        ValueError: There is no such convention. No value of `raw` raises.
    """
    known = plan(convention)
    kind = raw.__class__
    if kind is not dict or known.selecting.isdisjoint(raw):
        return None
    found: dict[str, str] | None = None
    for selector in known.convention.selectors:
        path = selector.path
        value = raw.get(path)
        if value is None and ("." not in path or (value := at(raw, path)) is None):
            continue
        if selector.value is not None:
            value = selector.value
        if type(value) is str and value not in _NEUTRAL and len(value) <= 64:
            if found is None:
                found = {}
            found.setdefault(selector.name, value)
    return found


def write(usage: Usage, convention: str) -> dict[str, Any]:
    """`usage` in the words of `convention`: what `read` would read as the same quantities.

    Totals and the numbers they contain are written as the convention contains them, and parts are added to them. What
    the convention has no word for is written as what comes nearest (audio as text, reasoning as output), so that the
    total stays; what is no token and has no word is left out, as are `charge`, flags and extras.

    Raises:
        ValueError: There is no such convention, or it is only read.
    """
    known = plan(convention)
    if not known.convention.writable:
        raise ValueError(f"convention {convention!r} is only read")
    quantities = dict(usage.quantities)
    for part in usage.parts:
        for bucket, count in part.quantities.items():
            quantities[bucket] = quantities.get(bucket, 0) + count
    own = _folded(known, quantities)
    written: dict[str, Any] = {}
    for bucket, fields in known.buckets.items():
        if bucket == TOTAL:
            _put(known, written, fields[0].path, sum(count for name, count in own.items() if name in TOKENS))
        elif bucket != CHARGE:
            number = sum(count for name, count in own.items() if name == bucket or bucket in known.around[name])
            if number or bucket in {"input", "output"}:
                _put(known, written, fields[0].path, number // fields[0].scale)
                for path in known.convention.also:
                    if any(field.path == path for field in fields):
                        _put(known, written, path, number)
    return written


def _folded(known: Plan, quantities: dict[str, int]) -> dict[str, int]:
    """`quantities` in none but buckets that the convention has words for."""
    own: dict[str, int] = {}
    for bucket, count in quantities.items():
        name: str | None = bucket
        while name is not None and name not in known.buckets:
            name = _coarser(name)
        if name is not None:
            own[name] = own.get(name, 0) + count
    return own


def _coarser(bucket: str) -> str | None:
    """The bucket that comes nearest to `bucket` and tells less; None if none does."""
    if bucket not in TOKENS or bucket in {"input", "output"}:
        return None
    if bucket.startswith("input_cache_write_"):
        return "input_cache_write"
    if bucket.endswith("_cache_read") and bucket != "input_cache_read":
        return "input_cache_read"
    return BUCKETS[bucket].direction


def _put(known: Plan, written: dict[str, Any], path: str, number: int) -> None:
    if known.convention.flat:
        written[path] = number
        return
    *above, key = path.split(".")
    place = written
    for name in above:
        place = place.setdefault(name, {})
    place[key] = number
