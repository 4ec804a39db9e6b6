"""Collecting what a usage object holds: the numbers that a convention knows, and what it does not know."""

from __future__ import annotations

from typing import Any

from tollbook.usage._buckets import LARGEST
from tollbook.usage._convention import CHARGE
from tollbook.usage._plan import Node, Plan, Table

LARGEST_CHARGE = 1 << 62
"""Pico-dollars that no charge comes to: 4.6 million dollars."""
_EXACT = 1 << 53
"""From here on a float does not hold each whole number."""
_NUMBERS = (int, float)
_LONGEST = 64
"""Characters of a word, or of a key, that may be kept."""
_DEEPEST = 8
_MOST = 64
"""Fields that are kept although nothing knows them."""


class Seen:
    """What was found in one usage object."""

    __slots__ = ("extra", "flags", "numbers")

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        """By path, in units of the field's bucket."""
        self.extra: dict[str, Any] = {}
        self.flags: list[str] = []

    def keep(self, path: str, value: Any, depth: int = 0) -> None:
        """Keep `value` as extra if it is a number or a word, or the numbers and words inside it."""
        if not value or len(self.extra) >= _MOST or depth > _DEEPEST:
            return
        kind = value.__class__
        if kind is dict:
            for key, inner in value.items():
                if type(key) is str and len(key) <= _LONGEST:
                    self.keep(f"{path}.{key}", inner, depth + 1)
        elif kind is list:
            for index, inner in enumerate(value[:_MOST]):
                self.keep(f"{path}[{index}]", inner, depth + 1)
        elif _storable(value):
            self.extra[path] = value

    def count(self, path: str, value: Any, scale: int, most: int = LARGEST) -> None:
        """Take `value` as the number at `path`, or say what is wrong with it: `most`, and more, is too much."""
        number = amount(value, scale)
        if number is None:
            self.flags.append("no_count")
            if isinstance(value, str):
                return  # it may be anybody's words
        elif number < 0:
            self.flags.append("negative")
        elif (added := number + self.numbers.get(path, 0)) >= most:
            self.flags.append("too_large")
        else:
            self.numbers[path] = added
            return
        self.keep(path, value)


def _storable(value: Any) -> bool:
    """Whether `value` may be kept: a number that JSON and SQL can hold, or a word that can't be a sentence."""
    if isinstance(value, str):
        return len(value) <= _LONGEST and value.split() == [value]
    if isinstance(value, bool):
        return True
    return isinstance(value, (int, float)) and abs(value) < LARGEST_CHARGE  # neither infinite nor NaN


def amount(value: Any, scale: int) -> int | None:
    """`value` units of `scale` each, as a whole number; None if it is none.

    A number, or a string that holds one. With a scale of 1 a fraction is none.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value * scale
    if isinstance(value, str):
        return _from_text(value, scale)
    if not isinstance(value, float) or not abs(value) < _EXACT:
        return None
    return round(value * scale) if scale > 1 or value.is_integer() else None


def _from_text(text: str, scale: int) -> int | None:
    text = text.strip()
    if not text or len(text) > 32 or not text.isascii() or "_" in text:
        return None
    if text.isdigit():
        return int(text) * scale
    from decimal import Decimal, InvalidOperation

    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number) >= _EXACT:
        return None
    if scale == 1 and number != number.to_integral_value():
        return None
    return round(number * scale)


def collect(known: Plan, raw: dict[str, Any], scale: int = 1) -> Seen:
    """What `raw` holds, of what `known` knows and of what it doesn't.

    Args:
        known: The plan of the convention.
        raw: A usage object.
        scale: What a count is multiplied with.
    """
    seen = Seen()
    _object(known, known.root, raw, scale, seen)
    return seen


def _object(known: Plan, node: Node, raw: dict[Any, Any], scale: int, seen: Seen) -> None:
    for key, value in raw.items():
        kind = value.__class__
        if kind is int:
            path = node.counts.get(key)
            if path is not None and scale == 1 and 0 <= value < LARGEST:
                seen.numbers[path] = value
                continue
        elif kind is dict:
            group = node.groups.get(key)
            if group is not None:
                _object(known, group, value, scale, seen)
                continue
        elif kind is list:
            table = node.lists.get(key)
            if table is not None:
                _list(known, table, value, f"{node.prefix}{key}", seen)
                continue
        if value is not None:  # the commonest case, spared the call
            other(known, node, key, value, scale, seen)


def other(known: Plan, node: Node, key: Any, value: Any, scale: int, seen: Seen) -> None:
    """Take the value of a key of an object, unless it is a plain count, a known object or a known list."""
    if key.__class__ is not str or not (value or value.__class__ in _NUMBERS):
        return
    if not isinstance(value, (dict, list)):
        if (path := node.counts.get(key)) is not None:
            seen.count(path, value, scale)
            return
        if (field := node.measures.get(key)) is not None:
            seen.count(field.path, value, field.scale, LARGEST_CHARGE if field.bucket == CHARGE else LARGEST)
            return
    if key not in node.silent and key not in node.apart and not known.convention.closed and len(key) <= _LONGEST:
        seen.keep(f"{node.prefix}{key}", value)


def _list(known: Plan, table: Table, items: list[Any], path: str, seen: Seen) -> None:
    for item in items:
        kind = item.__class__
        if table.key is None:
            label, number = item, 1
        elif kind is dict:
            label = item.get(table.key) if table.key else ""
            number = item.get(table.value)
        else:
            continue
        if number is None or not isinstance(label, (str, int)):
            continue
        name = str(label)
        if name.lower() in table.rows:
            field = table.rows[name.lower()]
            if field is not None:
                seen.count(field, number, 1)
        elif not known.convention.closed and len(name) <= _LONGEST and name.split() == [name]:
            unknown = f"{path}[{name}]"
            earlier = seen.extra.get(unknown, 0)
            seen.keep(unknown, number + earlier if isinstance(number, int) else number)
