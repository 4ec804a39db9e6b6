"""What every page needs: the ledger, the templates, and words for numbers."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse

from tollbook import __version__
from tollbook._money import plain, show, to_usd
from tollbook.cli._price_lists import Listed, select
from tollbook.cli._text import clean
from tollbook.cli._words import cost, counted, nameless, share, tokens
from tollbook.ledger import Store, StoreError
from tollbook.reports import ReportRow
from tollbook.web._view import GRAINS, GROUPS, METRICS, PERIODS, Span, View, span

PAGES = (
    ("/", "Overview"),
    ("/breakdown", "Breakdown"),
    ("/traces", "Traces"),
    ("/sessions", "Sessions"),
    ("/prices", "Prices"),
    ("/budgets", "Budgets"),
    ("/health", "Health"),
)

_HASH = re.compile(r" [0-9a-f]{12}\b")
_PATIENCE = 2.0
"""Seconds for which what was drained is new enough."""


class Desk:
    """One dashboard over one ledger."""

    def __init__(self, store: Store, *, read_only: bool = False, sample: bool = False) -> None:
        self.store = store
        self.read_only = read_only
        """Whether nothing is changed, not even what waits in journals taken in."""
        self.sample = sample
        """Whether the ledger holds made-up calls, as every page then says."""
        self._drained = 0.0
        self._listed: tuple[int, list[Listed]] = (0, [])
        self._lock = threading.Lock()
        self._problem = ""
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(_FILTERS)
        self._templates.globals.update(_WORDS)

    def fresh(self) -> None:
        """Take in what programs have recorded, unless that was done a moment ago.

        Where it can't be done, the ledger is shown as it is, and the page says so.
        """
        with self._lock:
            if self.read_only or time.monotonic() - self._drained < _PATIENCE:
                return
            try:
                self.store.drain()
                self._problem = ""
            except StoreError as error:
                self._problem = str(error)
            self._drained = time.monotonic()

    def listed(self) -> list[Listed]:
        """All prices as of today; they are read once a day, and anew after `changed_prices`."""
        day = int(time.time()) // 86_400
        if self._listed[0] != day:
            self._listed = day, select(None, None, None)
        return self._listed[1]

    def changed_prices(self) -> None:
        """Forget what was listed."""
        self._listed = 0, []

    def page(self, name: str, path: str, view: View, status: int = 200, **values: Any) -> HTMLResponse:
        """The template `name` as the page at `path`."""
        given: dict[str, Any] = {
            "path": path,
            "view": view,
            "desk": self,
            "pages": PAGES,
            "periods": PERIODS,
            "groups": GROUPS,
            "metrics": METRICS,
            "grains": GRAINS,
            "problem": self._problem,
            "version": __version__,
            "span": None,
            **values,
        }
        return HTMLResponse(self._templates.get_template(f"{name}.html").render(given), status)

    def is_empty(self) -> bool:
        """Whether nothing was ever recorded."""
        return self.store.last_trace_id() is None


def period_of(view: View) -> Span:
    """The period of a view."""
    return span(view)


def brief(usd: Decimal | None) -> str:
    """Money at a glance: cents from a dollar on, and below three digits, which keeps it from looking like nothing."""
    if not usd:
        return show(usd)
    amount = usd.copy_abs()
    places = 2 if amount >= 1 or amount == round(amount, 2) else max(min(2 - usd.adjusted(), 12), -usd.adjusted())
    return f"{'-' if usd < 0 else ''}${amount:,.{places}f}"


def signed(usd: Decimal) -> str:
    """A difference at a glance."""
    return f"{'+' if usd > 0 else ''}{brief(usd)}"


def cost_of(row: ReportRow) -> str:
    """The cost of a row, marked where an estimate is in it or something is missing; a word if nothing is known."""
    return cost(row, None if row.cost is None else brief(row.cost))


def compact(number: int | Decimal) -> str:
    """A count in three or four digits: `950`, `12.3K`, `864.4M`."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**4, "K")):
        if number >= size:
            return f"{number / (size if letter != 'K' else 1000):.1f}{letter}"
    return f"{int(number):,}"


def percent(part: float | None) -> str:
    """A share of 1 in percent; what is too small for a digit is not 0."""
    if part is None:
        return ""
    return "<0.1%" if 0 < part < 0.0005 else f"{part:.1%}"


def text(value: str) -> str:
    """A name from elsewhere, harmless to look at; empty also where it is made of spaces, which nobody could click."""
    return clean(value).strip()


def named(dimension: str, value: str | None) -> str:
    """A value of a dimension, or what is said where there is none."""
    return nameless(dimension) if value is None else text(value) or "(blank)"


def change(now: Decimal | int | None, before: Decimal | int | None) -> tuple[str, str]:
    """(`up`, `down`, `same` or nothing, how much) against before."""
    if now is None or not before:
        return ("", "new") if now and before is not None else ("", "")
    part = float(now / before) - 1 if isinstance(now, Decimal) else now / float(before) - 1
    if abs(part) < 0.0005:
        return "same", "±0.0%"
    text = f"{part:+.1%}" if part < 9.995 else f"{part + 1:,.0f} times"
    return ("up" if part > 0 else "down"), text


def when(nanoseconds: int | None, place: tzinfo | None, *, seconds: bool = True) -> str:
    """A time on the clock of a place; the page says which."""
    if nanoseconds is None:
        return ""
    at = datetime.fromtimestamp(nanoseconds // 1_000_000_000, place).astimezone(place)
    return f"{at:%Y-%m-%d %H:%M:%S}" if seconds else f"{at:%Y-%m-%d %H:%M}"


def tokens_of(row: ReportRow, number: int) -> str:
    """A number of tokens at a glance, marked where an estimate is in it, or that nothing is known, which is not 0."""
    return tokens(row, number).replace(f"{number:,}", compact(number))


def plainly(source: str) -> str:
    """Where a price is from, without the hashes that only its own page needs."""
    return _HASH.sub("", source)


def headed(dimension: str) -> str:
    """A dimension as the heading of a column."""
    return text(dimension) if "." in dimension else text(dimension).capitalize()


def cached(row: ReportRow) -> str:
    """The share of what was sent that came from a cache."""
    if not row.known_calls:
        return ""
    return percent(row.cache_read_tokens / row.input_tokens) if row.input_tokens else ""


def per_call(row: ReportRow) -> Decimal | None:
    """The mean cost of a call whose cost is known."""
    return row.cost / row.priced_calls if row.cost is not None and not row.unpriced_calls else None


def shown(rows: Sequence[ReportRow]) -> list[ReportRow]:
    """The rows that are groups, not the sum of others."""
    return [row for row in rows if not row.others]


_FILTERS: dict[str, Any] = {
    "clean": text,
    "money": brief,
    "fine": show,
    "signed": signed,
    "headed": headed,
    "plainly": plainly,
    "exact": plain,
    "usd": to_usd,
    "whole": "{:,}".format,
    "compact": compact,
    "percent": percent,
    "counted": counted,
}
_WORDS: dict[str, Any] = {
    "cost": cost_of,
    "tokens": tokens_of,
    "share": share,
    "named": named,
    "change": change,
    "when": when,
    "cached": cached,
    "per_call": per_call,
}
"""What templates can call."""
