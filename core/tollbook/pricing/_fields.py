"""Reading the fields of a definition: each is checked, and each problem is kept with the field's name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, TypeGuard, cast

from tollbook.pricing._definition import ALWAYS, NEVER, instant_of

LARGEST = Decimal(9_000_000)
"""US dollars per unit."""

MOST_PROBLEMS = 20
"""Of one definition, that are told; it need not take longer to say what is wrong with a file than to read it."""

_DIGITS = 18
_SMALLEST = -15


class Fields:
    """A table of a definition while it is read."""

    def __init__(self, raw: Mapping[str, Any], path: str = "", problems: list[tuple[str, str]] | None = None) -> None:
        self.raw = raw
        self.path = path
        self.problems: list[tuple[str, str]] = [] if problems is None else problems
        """(field, what was expected) of this table and all inside it."""

    def wrong(self, key: str, expected: str) -> None:
        """Note that the field `key` should be what is `expected`."""
        field = f"{self.path}.{key}" if self.path and key else self.path or key
        found = f", found {_shown(self.raw[key])}" if key in self.raw else ""
        self.problems.append((field, f"expected {expected}{found}"))

    def only(self, known: Iterable[str]) -> None:
        """Note all keys that are not `known`."""
        names = sorted(known)
        for key in self.raw:
            if key not in names:
                told = len(self.problems) < MOST_PROBLEMS
                like = difflib.get_close_matches(str(key)[:64], names, 1) if told else []
                hint = f"did you mean {like[0]}?" if like else f"one of {', '.join(names)}"
                field = f"{self.path}.{key}" if self.path else str(key)
                self.problems.append((field, f"there is no such field; {hint}"))

    def text(self, key: str, default: str = "", longest: int = 512) -> str:
        """A text; `default` if it is missing."""
        value = self.raw.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > longest:
            self.wrong(key, f"a text of at most {longest} characters")
            return default
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts, as a tuple."""
        value = self.raw.get(key)
        listed = as_list(value)
        if not all(isinstance(each, str) and each for each in listed):
            self.wrong(key, "a text or a list of texts")
            return ()
        return tuple(str(each) for each in listed)

    def flag(self, key: str, default: bool) -> bool:
        """True or false; `default` if it is missing."""
        value = self.raw.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.wrong(key, "true or false")
        return default

    def instant(self, key: str, default: int) -> int:
        """A time as Unix ns; `default` if it is missing."""
        value = self.raw.get(key)
        if value is None:
            return default
        try:
            return instant_of(value)
        except (ValueError, OverflowError):
            self.wrong(key, "a time such as 2026-11-21T00:00:00Z")
            return default

    def period(self, start: str = "start_time", end: str = "end_time") -> tuple[int, int]:
        """The two ends of the time in which it applies."""
        begin, finish = self.instant(start, ALWAYS), self.instant(end, NEVER)
        if begin >= finish:
            self.wrong(end, f"a time after {start}")
        return begin, finish

    def number(self, key: str, most: Decimal = LARGEST) -> Fraction | None:
        """An exact number from 0 to `most`; None if it is missing or none."""
        value = self.raw.get(key)
        found = _decimal(value)
        if found is None or not 0 <= found <= most:
            self.wrong(key, f"a number from 0 to {most:,}")
            return None
        digits = found.as_tuple()
        if len(digits.digits) > _DIGITS or found.adjusted() < _SMALLEST - 12:
            self.wrong(key, f"a number of at most {_DIGITS} digits")
            return None
        return Fraction(found)

    def whole(self, key: str, default: int, least: int = 1, most: int = 10**12) -> int:
        """A whole number; `default` if it is missing."""
        value = self.raw.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.wrong(key, f"a whole number from {least:,} to {most:,}")
            return default
        return value

    def table(self, key: str) -> Fields | None:
        """A table; None if it is missing or none."""
        value = self.raw.get(key)
        found = as_table(value)
        if found is None and value is not None:
            self.wrong(key, "a table")
        return None if found is None else self._inner(key, found)

    def tables(self, key: str) -> list[Fields]:
        """A list of tables; empty if it is missing or none."""
        value = self.raw.get(key)
        listed = [as_table(each) for each in as_list(value)]
        if not all(each is not None for each in listed):
            self.wrong(key, "a list of tables")
            return []
        return [self._inner(f"{key}[{n}]", each) for n, each in enumerate(listed) if each is not None]

    def _inner(self, key: str, value: Mapping[str, Any]) -> Fields:
        return Fields(value, f"{self.path}.{key}" if self.path else key, self.problems)


def as_table(value: object) -> Mapping[str, Any] | None:
    """`value` if it is a table whose keys are texts; None: it is none."""
    if not isinstance(value, Mapping):
        return None
    found = cast("Mapping[object, Any]", value)
    return cast("Mapping[str, Any]", value) if all(isinstance(key, str) for key in found) else None


def as_list(value: object) -> list[Any]:
    """`value` if it is a list, nothing if it is None, else a list of it alone."""
    if is_list(value):
        return value
    return [] if value is None else [value]


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether `value` is a list."""
    return isinstance(value, list)


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**18 else None
    if isinstance(value, float):
        value = repr(value)
    if isinstance(value, str):
        if len(value) > 64:
            return None
        try:
            value = Decimal(value)
        except InvalidOperation:
            return None
    return value if isinstance(value, Decimal) and value.is_finite() else None


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a larger number"
    text = str(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 60 else f"{text[:57]}..."
