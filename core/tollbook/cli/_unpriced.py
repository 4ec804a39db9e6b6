"""`tollbook prices unpriced`: models that were used and have no price, and what to do about it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from tollbook.cli._forms import rows_as_csv
from tollbook.cli._text import Column, Screen, paragraph, table

if TYPE_CHECKING:
    from tollbook.ledger import Store


class Unpriced(NamedTuple):
    """A model without a price, or with one that lacks something."""

    provider: str | None
    model: str | None
    calls: int
    tokens: int
    missing: tuple[str, ...]
    """The buckets that lack a price; empty: all."""

    def add(self) -> str | None:
        """The command that gives it a price; None if it has no name."""
        if self.model is None or self.missing:
            return None
        words = ["tollbook", "prices", "add", "--name", self.model]
        words += [] if self.provider is None else ["--provider", self.provider]
        return f"{shlex.join(words)} --input USD --output USD"


def find(store: Store, since: str | None) -> list[Unpriced]:
    """What lacks a price, the most tokens first.

    Raises:
        ValueError: `since` is no time.
        StoreError: The ledger can't be read.
    """
    from tollbook.reports import moment

    first = None if since is None else moment(since, None)
    found: list[Unpriced] = []
    for status in ("unpriced", "partial"):
        for row in store.summary(("provider", "model"), since=first, where={"priced": status}):
            provider, model = row.key["provider"], row.key["model"]
            missing = _missing(store, row.key, first) if status == "partial" else ()
            found.append(Unpriced(provider, model, row.calls, row.total_tokens, missing))
    return sorted(found, key=lambda each: (bool(each.missing), -each.tokens, -each.calls))


_MANY = 200
"""Calls that are looked at to find what they lack a price for."""


def _missing(store: Store, key: dict[str, str | None], since: int | None) -> tuple[str, ...]:
    records = store.spans(since=since, where={**key, "priced": "partial"}, limit=_MANY)
    said = [text for record in records if record.cost for text in record.cost.assumptions]
    return tuple(sorted({text.removeprefix("no price for ") for text in said if text.startswith("no price for ")}))


def as_text(found: list[Unpriced], screen: Screen) -> str:
    """A line for each, then what to type."""
    if not found:
        return "Every call that told its usage has a price."
    heads = [
        Column("provider"),
        Column("model", style="cyan"),
        Column("calls", "number"),
        Column("tokens", "number"),
        Column("lacks a price for"),
    ]
    rows = [
        [
            each.provider or "unknown",
            each.model or "unknown",
            f"{each.calls:,}",
            f"{each.tokens:,}",
            ", ".join(each.missing) or "all",
        ]
        for each in found
    ]
    lines = [table(screen, heads, rows)]
    adds = [line for each in found if (line := each.add())]
    if adds:
        lines += ["", paragraph(screen, "Say what one costs, in USD per million tokens:"), ""]
        # Not folded: they are for copying. A name that is not plain is quoted as a whole, and cleaned as any other.
        lines += [f"    {command}" for command in map(_shown, adds)]
    return "\n".join(lines)


def _shown(command: str) -> str:
    from tollbook.cli._text import clean

    return clean(command)


def as_csv(found: list[Unpriced]) -> str:
    """The rows as CSV."""
    head = ["provider", "model", "calls", "tokens", "missing"]
    rows = [[each.provider or "", each.model or "", each.calls, each.tokens, " ".join(each.missing)] for each in found]
    return rows_as_csv(head, rows, names=(0, 1, 4))


def as_dict(each: Unpriced) -> dict[str, Any]:
    """The row as plain data."""
    return {
        "provider": each.provider,
        "model": each.model,
        "calls": each.calls,
        "tokens": each.tokens,
        "missing": list(each.missing) or None,
        "add": each.add(),
    }
