"""What a limit is, whose counter of it a call falls under, in which window, and what it takes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from tollbook.ledger._errors import StoreError
from tollbook.ledger._periods import window_of

if TYPE_CHECKING:
    from tollbook.spans import Record

EACH = "*"
"""In `Limit.where`: every value of the dimension has a counter of its own."""

_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[^ ]+')
"""One value of a holder of several dimensions."""

_HOUR = 3_600_000_000_000


class Limit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit, as the ledger needs to know it."""

    name: str
    unit: Literal["usd", "tokens", "calls"]
    most: int
    """Pico-dollars, tokens or calls."""
    where: dict[str, str] = {}
    """Dimension to the value that a call must have; `*`: any, and each has a counter of its own."""
    window: str = "lifetime"
    """`call`, `hour`, `day`, `week`, `month`, `lifetime`, or, for one that rolls, a number of hours such as `24h`."""
    zone: str | None = None
    """Whose hours, days, weeks and months: an IANA name; None: this machine's."""
    thresholds: tuple[int, ...] = (50, 80, 100)
    """Percent of `most` at which an alert is due, once per window and holder."""
    keeps_unknown: bool = False
    """Whether a call whose cost nobody knows, and which may have been paid for, takes what was reserved for it."""
    definition: dict[str, object] = {}
    """What the layer above wants to know again."""

    @property
    def counter(self) -> str:
        """What the counters are kept under: another scope, window or unit begins anew, another amount does not."""
        where = "&".join(f"{name}={value}" for name, value in sorted(self.where.items()))
        return f"{self.name}|{self.unit}|{self.window}|{self.zone or ''}|{where}"

    @property
    def rolling(self) -> int:
        """Nanoseconds that a rolling window is long; 0 for others."""
        return int(self.window[:-1]) * _HOUR if self.window[:-1].isdigit() else 0


class Want(NamedTuple):
    """What a call needs of one limit."""

    limit: Limit
    holder: str
    amount: int


class Refusal(NamedTuple):
    """Why a call can't be admitted."""

    limit: Limit
    holder: str
    spent: int
    reserved: int
    wanted: int
    resets: int | None
    """Unix nanoseconds at which the window ends; None: never, or bit by bit."""


class State(NamedTuple):
    """How much of a limit one holder has used up in one window."""

    limit: Limit
    holder: str
    bucket: int
    """Unix nanoseconds of the window's start."""
    resets: int | None
    spent: int
    reserved: int
    calls: int
    unpriced: int
    """Calls whose cost is not known: in no sum, or, if the limit keeps that, at what was reserved for them."""


def dimension(record: Record, name: str) -> str | None:
    """The value of `record` in a dimension that limits know: model, provider, run (its trace) or attribution."""
    if name == "model":
        return record.request_model or record.response_model
    if name == "provider":
        return record.provider
    if name == "run":
        return record.trace_id
    return None if record.attribution is None else record.attribution.get(name)


def holder_of(limit: Limit, record: Record) -> str | None:
    """Whose counter of `limit` a call falls under; None if it falls under none.

    The value of the dimension; of several, all of them with spaces between, and in quotes what has some itself.
    """
    parts: list[str] = []
    for name, wanted in limit.where.items():
        found = dimension(record, name)
        if found is None or (wanted != EACH and wanted != found):
            return None
        if wanted == EACH:
            parts.append(found)
    return joined(parts)


def joined(parts: Sequence[str]) -> str:
    """The holder that these values make."""
    return parts[0] if len(parts) == 1 else " ".join(map(_quoted, parts))


def parts_of(holder: str) -> list[str]:
    """The values of which a holder of several dimensions is made."""
    return [json.loads(each) if each[0] == '"' else each for each in _PART.findall(holder)]


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if not value or " " in value or '"' in value else value


def bucket_of(limit: Limit, start: int) -> int:
    """The start of the window that a call falls into, in Unix nanoseconds."""
    return bounds(limit, start)[0]


def bounds(limit: Limit, start: int) -> tuple[int, int | None]:
    """The start and the end of that window; None: it has none, or rolls."""
    if limit.window in ("lifetime", "call"):
        return 0, None
    if limit.rolling:
        return start - start % _HOUR, None
    # No time zone changes its clock within a quarter of an hour of UTC's, so a quarter lies in one window.
    quarter = _HOUR // 4
    return window_at(limit.window, limit.zone, start // quarter)


@lru_cache(maxsize=1024)
def window_at(window: str, zone: str | None, quarter: int) -> tuple[int, int]:
    try:
        return window_of(window, quarter * (_HOUR // 4), zone)
    except ValueError as error:  # it is known where the limit was set
        raise StoreError(f"its budgets can't be counted here: {error}: install tzdata, or remove the budget") from error


def amount_of(limit: Limit, record: Record) -> int | None:
    """What a finished call takes of `limit`; None: its cost is not known."""
    if limit.unit == "calls":
        return 1
    if limit.unit == "tokens":
        return None if record.usage is None else record.usage.total_tokens
    return None if record.cost is None else record.cost.total


def may_have_cost(record: Record) -> bool:
    """Whether a call whose cost is not known may have been paid for.

    All but a call that the provider refused with an error, and no usage: not one that ended without an answer, as
    when the time was up, and not a stream that broke.
    """
    if record.status != "error" or "may_be_billed" in record.flags:
        return True
    if record.usage is not None or record.raw is not None or record.charge is not None:
        return True
    return record.stream and "no_usage_reported" in record.flags
