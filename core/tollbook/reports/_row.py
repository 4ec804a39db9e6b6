"""One row of a report: what the calls of a group come to, and how that changed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tollbook._clean import clean
from tollbook._money import plain, show, to_usd
from tollbook.ledger import Row

if TYPE_CHECKING:
    from tollbook.reports._stats import Distribution

COLUMNS = (
    "calls",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "total_tokens",
    "cost_usd",
    "input_cost_usd",
    "output_cost_usd",
    "known_calls",
    "estimated_calls",
    "estimated_usage_calls",
    "estimated_cost_usd",
    "unpriced_calls",
    "unpriced_tokens",
    "unknown_calls",
    "failed_calls",
    "charged_calls",
    "listed_calls",
    "listed_cost_usd",
    "listed_difference_usd",
    "abandoned_calls",
    "cached_share",
    "estimated_share",
    "unpriced_share",
)
"""The numbers of a row in JSON and CSV, in their order; new ones are added at the end."""

CHANGES = ("previous_calls", "previous_cost_usd", "change_usd", "change", "state")
"""Those that a report with a comparison has beyond them."""

Key = tuple[str | None, ...]


class Change:
    """How a row differs from the same row of the period before."""

    __slots__ = ("_now", "_then")

    def __init__(self, now: ReportRow, then: ReportRow | None) -> None:
        self._now = now
        self._then = then

    @property
    def calls(self) -> int:
        """Calls more than before; fewer, if negative."""
        return self._now.calls - (self._then.calls if self._then else 0)

    @property
    def cost(self) -> Decimal | None:
        """USD more than before; less, if negative. None: a cost is not known. Of no calls it is 0."""
        rows = [row for row in (self._now, self._then) if row is not None and row.calls]
        if any(not row.priced_calls for row in rows):
            return None
        return to_usd(self._now.sums.total_cost - (self._then.sums.total_cost if self._then else 0))

    @property
    def percent(self) -> float | None:
        """The same in percent of before, 12.5 for an eighth more; None: that cost nothing, or a cost is not known."""
        then = self._then.sums.total_cost if self._then else 0
        return None if self.cost is None or not then else 100 * (self._now.sums.total_cost - then) / then

    @property
    def state(self) -> Literal["", "new", "gone"]:
        """`new`: there were no calls before; `gone`: there are none now."""
        if not self._now.calls:
            return "gone"
        return "" if self._then is not None and self._then.calls else "new"


class ReportRow:
    """What the calls of one group come to. Tokens of cache and reasoning are inside input and output."""

    __slots__ = ("compared", "key", "others", "previous", "share", "stats", "sums")

    def __init__(self, key: Key, sums: Row, others: int = 0) -> None:
        self.key = key
        """The value of each dimension; None where a call has none, and in a sum over several groups."""
        self.sums = sums
        """The numbers in the ledger's form: whole pico-dollars."""
        self.others = others
        """How many groups this row sums up because they are not shown; 0: it is a group."""
        self.share: float | None = None
        """Part of the whole report's cost, 0 to 1; None if the cost is not known."""
        self.compared = False
        """Whether the report compares with a period before."""
        self.previous: ReportRow | None = None
        """The same row of that period; None: there were no calls then, or nothing is compared."""
        self.stats: Distribution | None = None
        """What one call, run or session cost, if that was asked for."""

    def __repr__(self) -> str:
        names = ", ".join("unknown" if value is None else clean(value) for value in self.key) or "total"
        return f"<ReportRow {names}: {self.calls:,} calls, {show(self.cost)}>"

    @property
    def change(self) -> Change | None:
        """How it differs from `previous`; None if nothing is compared."""
        return Change(self, self.previous) if self.compared else None

    @property
    def calls(self) -> int:
        """Calls whose bill counts."""
        return self.sums.calls

    @property
    def known_calls(self) -> int:
        """Calls whose usage is known. The tokens are theirs: if it is 0, the tokens are not known to be 0."""
        return self.sums.known

    @property
    def input_tokens(self) -> int:
        """All tokens sent, cached ones included."""
        return self.sums.input_tokens

    @property
    def cache_read_tokens(self) -> int:
        """Part of `input_tokens`."""
        return self.sums.cache_read_tokens

    @property
    def cache_write_tokens(self) -> int:
        """Part of `input_tokens`."""
        return self.sums.cache_write_tokens

    @property
    def output_tokens(self) -> int:
        """All tokens generated, reasoning included."""
        return self.sums.output_tokens

    @property
    def reasoning_tokens(self) -> int:
        """Part of `output_tokens`."""
        return self.sums.reasoning_tokens

    @property
    def total_tokens(self) -> int:
        """`input_tokens` + `output_tokens`."""
        return self.sums.total_tokens

    @property
    def priced_calls(self) -> int:
        """Calls whose cost is known, though something may be missing from it."""
        return self.sums.calls - self.sums.unpriced - self.sums.unknown

    def _usd(self, pico: int) -> Decimal | None:
        return to_usd(pico) if self.priced_calls else None

    @property
    def cost(self) -> Decimal | None:
        """USD, over the calls whose cost is known; None if that is no call."""
        return self._usd(self.sums.total_cost)

    @property
    def input_cost(self) -> Decimal | None:
        """USD, as `cost`."""
        return self._usd(self.sums.input_cost)

    @property
    def output_cost(self) -> Decimal | None:
        """USD, as `cost`."""
        return self._usd(self.sums.output_cost)

    @property
    def estimated_calls(self) -> int:
        """Calls whose usage is estimated, or whose price was assumed; they are in the cost."""
        return self.sums.estimated

    @property
    def estimated_usage_calls(self) -> int:
        """Those of them whose usage is estimated."""
        return self.sums.estimated_usage

    @property
    def estimated_cost(self) -> Decimal:
        """USD, part of `cost`."""
        return to_usd(self.sums.estimated_cost)

    @property
    def unpriced_calls(self) -> int:
        """Calls that used something that has no known price; that is in no cost."""
        return self.sums.unpriced + self.sums.partial

    @property
    def unpriced_tokens(self) -> int:
        """Tokens of the calls that have no cost at all for that reason."""
        return self.sums.unpriced_tokens

    @property
    def unknown_calls(self) -> int:
        """Calls that did not fail and of which neither usage nor cost is known."""
        return self.sums.silent

    @property
    def failed_calls(self) -> int:
        """Calls that failed or timed out; most of them used nothing that is known."""
        return self.sums.errors

    @property
    def abandoned_calls(self) -> int:
        """Calls that the host cancelled, and streams that it stopped reading."""
        return self.sums.abandoned

    @property
    def charged_calls(self) -> int:
        """Calls whose cost is the provider's or the program's own figure."""
        return self.sums.charged_calls

    @property
    def listed_calls(self) -> int:
        """Those of them whose whole list price is known."""
        return self.sums.listed_calls

    @property
    def listed_cost(self) -> Decimal | None:
        """USD, what these come to by the list; None if there are none."""
        return to_usd(self.sums.listed_cost) if self.sums.listed_calls else None

    @property
    def listed_difference(self) -> Decimal | None:
        """USD, what these cost beyond it; below it, if negative."""
        return to_usd(self.sums.listed_difference) if self.sums.listed_calls else None

    @property
    def cached_share(self) -> float | None:
        """Part of the input that was read from a cache, 0 to 1; None: no input is known."""
        return self.cache_read_tokens / self.input_tokens if self.input_tokens else None

    @property
    def estimated_share(self) -> float | None:
        """Part of the cost that is estimated, 0 to 1; None: no cost is known."""
        return self.sums.estimated_cost / self.sums.total_cost if self.sums.total_cost else None

    @property
    def unpriced_share(self) -> float:
        """Part of the calls that used something without a known price, 0 to 1."""
        return self.unpriced_calls / self.calls if self.calls else 0.0

    def numbers(self) -> dict[str, Any]:
        """The values of `COLUMNS`, with `CHANGES` and the statistics if there are any; money as exact decimal text."""
        found: dict[str, Any] = {}
        for column in COLUMNS:
            value = getattr(self, column.removesuffix("_usd"))
            found[column] = plain(value) if column.endswith("_usd") else value
        if (change := self.change) is not None:
            then = self.previous
            values = (
                *(then.calls if then else 0, plain(then.cost) if then else None, plain(change.cost)),
                *(None if change.percent is None else change.percent / 100, change.state),
            )
            found |= dict(zip(CHANGES, values, strict=True))
        if self.stats is not None:
            found |= self.stats.as_dict()
        return found


def total(rows: Iterable[Row]) -> Row:
    """The sum of rows, exactly."""
    columns = list(zip(*map(msgspec.structs.astuple, rows), strict=True))
    return Row({}, *map(sum, columns[1:]))
