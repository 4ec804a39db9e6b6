"""Reading a usage object: from any convention's words into disjoint buckets.

Most objects hold nothing but plain counts that add up, and `_plainly` reads them in one pass. Whatever else one holds
(fractions, strings, lists, other words for the same number that differ, contradictions) is left to `_carefully`, which
knows all the rules. Where both can answer they answer alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollbook._money import PICO
from tollbook.usage._buckets import LARGEST
from tollbook.usage._collect import LARGEST_CHARGE, Seen, amount, collect, other
from tollbook.usage._convention import CHARGE, TOTAL, Convention
from tollbook.usage._frameworks import UNITS
from tollbook.usage._parts import add_parts
from tollbook.usage._plan import Node, Plan, at, plan
from tollbook.usage._settle import settle
from tollbook.usage._shape import learn
from tollbook.usage._usage import Usage

_plans: dict[str, Plan] = {}


def read(convention: str, raw: Any) -> Usage | None:
    """What the usage object `raw`, as decoded from JSON, says in the words of `convention`.

    Quantities are disjoint and not zero; where all that was stated is zero, the buckets are there with 0, so that
    known nothing differs from unknown. Numbers that the convention does not know are in `extra`. A contradiction sets
    a flag, puts the numbers as they came into `extra`, and leaves what is certain in the quantities. Flags:
    `parts_exceed_input`, `parts_exceed_output`, `total_differs`, `total_only`, `input_from_total`,
    `output_from_total`, `split_incomplete`, `cache_modality_assumed`, `negative`, `too_large`, `no_count`,
    `unknown_part`, `parts_differ`, `declined_fallback`, `foreign_currency`.

    Args:
        convention: One of `CONVENTIONS`.
        raw: Any JSON value.

    Returns:
        None if `raw` states no usage: it is no object, or has no number that the convention knows.

    Raises:
        ValueError: There is no such convention. No value of `raw` raises.
    """
    known = _plans.get(convention)
    if known is None:
        known = _plans[convention] = plan(convention)
    kind = raw.__class__
    if kind is dict:
        shaped = known.shapes.get((*raw,), learn)
        if shaped is learn:
            learn(known, raw)
        elif shaped is not None:
            usage: Usage | None = shaped(raw)
            if usage is not None:
                return usage
        return _plainly(known, raw) or _carefully(known, raw)
    return _carefully(known, dict(raw)) if isinstance(raw, Mapping) else None  # pyright: ignore[reportUnknownArgumentType]


def _plainly(known: Plan, raw: dict[Any, Any]) -> Usage | None:  # noqa: C901 - the hot path: no calls, one pass
    """`raw` if its counts are plain and add up; None if it takes more to tell."""
    root = known.root
    plain = root.plain
    found: dict[str, int] = {}
    odd: list[tuple[Node, Any, Any]] = []
    for key, value in raw.items():
        if not value:
            if value is not None and key in root.measures:
                odd.append((root, key, value))  # a charge of nothing
            continue
        kind = value.__class__
        if kind is int:
            bucket = plain.get(key)
            if bucket is not None and 0 < value < LARGEST:
                found[bucket] = value
            elif key not in root.silent:
                odd.append((root, key, value))
        elif kind is dict and (group := root.groups.get(key)) is not None:
            counts = group.plain
            for name, count in value.items():
                if not count:
                    if count is not None and name in group.measures:
                        odd.append((group, name, count))
                    continue
                bucket = counts.get(name)
                if count.__class__ is int and bucket is not None and 0 < count < LARGEST:
                    found[bucket] = count
                elif name not in group.silent and (count.__class__ is not dict or not _nothing(count)):
                    odd.append((group, name, count))
        elif key not in root.silent:
            odd.append((root, key, value))
    more = _besides(known, raw, odd, found) if odd else None
    if odd and more is None:
        return None
    total = found.pop(TOTAL, None)
    whole = known.whole
    spent: list[str] | None = None
    for bucket, count in found.items():
        over = whole.get(bucket)
        if over is not None:
            rest = found.get(over, 0) - count
            if rest < 0:
                return None
            if not rest:
                spent = spent or []
                spent.append(over)
            found[over] = rest
    if spent:
        for bucket in spent:
            del found[bucket]
    if not found or (total is not None and total != sum(found.values())):
        return None
    if known.split and not known.split.keys().isdisjoint(found):
        return None
    return Usage(found) if more is None else Usage(found, charge=more[0], extra=more[1])


def _besides(
    known: Plan, raw: dict[Any, Any], odd: list[tuple[Node, Any, Any]], found: dict[str, int]
) -> tuple[int | None, dict[str, Any] | None] | None:
    """The charge, and what is unknown, among what is no plain count; None if anything there could be a quantity."""
    convention = known.convention
    if convention.unit is not None:
        return None
    seen = Seen()
    for node, key, value in odd:
        kind = value.__class__
        if key in node.same:
            if found.get(node.same[key]) != value:
                return None
        elif key in node.counts or kind is list:
            return None
        elif kind is dict and (key in node.groups or key in node.apart):
            if not _nothing(value):
                return None
        else:
            other(known, node, key, value, 1, seen)
    charge = None
    for path, number in seen.numbers.items():
        if known.fields[path][1].bucket != CHARGE or charge is not None:
            return None
        charge = number
    if charge is not None or convention.own_key is not None:
        charge = _in_dollars(convention, raw, seen, charge)
    return None if seen.flags else (charge, seen.extra or None)


def _nothing(value: dict[Any, Any]) -> bool:
    """Whether an object holds nothing but zero, null and what is empty."""
    for inner in value.values():
        if inner:
            kind = inner.__class__
            if kind is not dict or not _nothing(inner):
                return False
    return True


def _carefully(known: Plan, raw: dict[Any, Any]) -> Usage | None:
    """What `raw` says by all the rules; None if it says nothing that the convention knows."""
    convention = known.convention
    scale, renamed = 1, None
    if convention.unit:
        unit = raw.get(convention.unit)
        if isinstance(unit, str):
            renamed, scale = UNITS.get(unit.upper(), (None, 1))
    seen = collect(known, raw, scale)
    stated = _stated(known, seen)
    charge = stated.pop(CHARGE, None)
    charge = _in_dollars(convention, raw, seen, charge)
    total = stated.pop(TOTAL, None)
    quantities, flags = settle(known, stated, total, seen.numbers)
    flags = seen.flags + flags
    for bucket, paths in known.split.items():
        if quantities.get(bucket) and any(at(raw, path) for path in paths):
            flags.append("split_incomplete")
    if flags:
        seen.extra.update({path: n for path, n in seen.numbers.items() if n and known.fields[path][1].scale == 1})
    if renamed:
        quantities = {renamed.get(bucket, bucket): count for bucket, count in quantities.items()}
    usage = Usage(quantities, charge=charge, flags=tuple(dict.fromkeys(flags)), extra=seen.extra or None)
    for key, rule in known.parts:
        if raw.get(key):
            add_parts(usage, rule, raw, lambda name, inner: _carefully(plan(name), inner))
    return usage if usage.quantities or usage.parts or usage.flags or charge is not None else None


def _stated(known: Plan, seen: Seen) -> dict[str, int]:
    """Each bucket's own number as stated, zero included; other words for it that differ are kept as extra."""
    stated: dict[str, int] = {}
    held: dict[str, tuple[int, str]] = {}
    added: dict[str, int] = {}
    for path, number in seen.numbers.items():
        rank, field = known.fields[path]
        bucket = field.bucket
        if field.adds:
            added[bucket] = added.get(bucket, 0) + number
        elif bucket not in held or rank < held[bucket][0]:
            if bucket in held and field.scale == 1 and 0 != stated[bucket] != number:
                seen.extra[held[bucket][1]] = stated[bucket]
            held[bucket] = rank, path
            stated[bucket] = number
        elif number and field.scale == 1 and number != stated[bucket]:
            seen.extra[path] = number
    for bucket, number in added.items():
        stated[bucket] = stated.get(bucket, 0) + number
    return stated


def _in_dollars(convention: Convention, raw: dict[Any, Any], seen: Seen, charge: int | None) -> int | None:
    """The whole charge; None if there is none in US dollars."""
    if charge is not None and convention.currency is not None:
        currency = at(raw, convention.currency)
        if currency is not None and str(currency).upper() != "USD":
            seen.flags.append("foreign_currency")
            return None
    return charge if convention.own_key is None else _with_own_key(convention.own_key, raw, seen, charge)


def _with_own_key(own_key: tuple[str, str], raw: dict[Any, Any], seen: Seen, charge: int | None) -> int | None:
    """The charge, with what another provider charges where the user's own key was used there.

    Otherwise that provider's figure is a share of the charge or the same again, and only kept.
    """
    own, path = own_key
    said = at(raw, path)
    upstream = None if said is None else amount(said, PICO)
    if at(raw, own) is True:
        if upstream is None or not 0 <= upstream < LARGEST_CHARGE:
            if charge:
                seen.extra["cost"] = at(raw, "cost")
            return None  # a fee perhaps, and nobody knows what came there: not known to be free
        return (charge or 0) + upstream
    if upstream and upstream != charge:
        seen.keep(path, said)
    return charge
