"""Definitions: what the overlay's and users' files say of a price, and what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal

import msgspec

from tollbook.pricing._pattern import Pattern
from tollbook.pricing._sheet import Change

ALWAYS = -sys.maxsize - 1
"""Of a definition without `start_time`."""

NEVER = sys.maxsize
"""Of a definition without `end_time`."""


class Problem(msgspec.Struct, frozen=True):
    """Something wrong in a file of definitions."""

    file: str
    """The path as given; `add_prices` for what a program added."""
    line: int
    """Counted from 1; 0: unknown, or no file."""
    definition: str
    """The definition's name; empty: it has none, or the problem is the whole file's."""
    field: str
    """Such as `variant[0].when.region`; empty: the whole definition's."""
    expected: str
    """What should be there, and what is."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        subject = ", ".join(each for each in (self.definition and f'"{self.definition}"', self.field) if each)
        return f"{where}: {subject}: {self.expected}" if subject else f"{where}: {self.expected}"


class TierRule(msgspec.Struct, frozen=True):
    """Other prices for a whole request of more input tokens."""

    threshold: int
    operator: Literal["gt", "gte"]
    change: Change


class Variant(msgspec.Struct, frozen=True):
    """Other prices in a context."""

    when: dict[str, tuple[str, ...]]
    """Values by key; all keys have to match, each with one of its values."""
    change: Change
    stacks: bool = False
    """Whether it comes on top of other variants."""
    start: int = ALWAYS
    end: int = NEVER


class Window(msgspec.Struct, frozen=True):
    """Other prices at a time of day."""

    since: int
    """Seconds from midnight, UTC."""
    until: int
    """As `since`; if not after it, that of the next day."""
    days: frozenset[int]
    """Monday is 0; of the beginning."""
    change: Change
    start: int = ALWAYS
    end: int = NEVER


class Definition(msgspec.Struct, frozen=True):
    """One `[[model]]` of a file."""

    name: str
    pattern: Pattern
    """Of the names that it is about."""
    providers: tuple[str, ...] = ()
    """As spans or price lists name them; none: any."""
    start: int = ALWAYS
    """Unix ns; it applies from then on."""
    end: int = NEVER
    """Unix ns; it no longer applies then."""
    unit: str = "TOKENS"
    adjusts: bool = False
    """Whether it changes the prices of the layer below, instead of stating all."""
    change: Change = Change({}, {})
    tiers: tuple[TierRule, ...] = ()
    variants: tuple[Variant, ...] = ()
    windows: tuple[Window, ...] = ()
    source: str = ""
    """Where its author has the prices from."""
    checked: str = ""
    """ISO day on which they were last compared with the source."""
    tokenizer: dict[str, Any] | None = None
    note: str = ""
    file: str = ""
    line: int = 0
    digest: str = ""
    """12 hex digits, a hash of what it says."""

    @property
    def since(self) -> str | None:
        """`start` as an ISO day, UTC."""
        return None if self.start == ALWAYS else day_of(self.start)


def parts(definition: Definition) -> tuple[Definition | Variant | Window, ...]:
    """`definition` itself, and all in it that begins and ends on its own."""
    return definition, *definition.variants, *definition.windows


def day_of(instant: int) -> str:
    """The ISO day, UTC, of `instant` in Unix ns."""
    return datetime.fromtimestamp(instant // 10**9, UTC).date().isoformat()


def instant_of(value: object) -> int:
    """The Unix ns of a date (its midnight) or a time, UTC unless it says otherwise.

    Raises:
        ValueError: It is neither, nor an ISO text of one.
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - UTC, set below
    if not isinstance(value, datetime):
        raise ValueError("no time")  # noqa: TRY004 - as for a text that is none
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    past = moment - datetime(1970, 1, 1, tzinfo=UTC)
    found = (past.days * 86_400 + past.seconds) * 10**9 + past.microseconds * 1000
    if not ALWAYS < found < NEVER:
        raise ValueError("a time that is too far away")
    return found


def frozen(raw: Mapping[str, object]) -> str:
    """12 hex digits, the hash of a definition as written."""
    from hashlib import blake2b

    content = msgspec.json.encode(msgspec.to_builtins(raw, enc_hook=str), order="deterministic")
    return blake2b(content, digest_size=6).hexdigest()
