"""One run of pytest: each metered test in a capture of its own, and what all came to at the end."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tollbook._money import from_usd, plain, show
from tollbook.budgets import BudgetExceeded, LocalBudget
from tollbook.testing import _baseline
from tollbook.testing._baseline import Sum
from tollbook.testing._capture import Captured, capture
from tollbook.testing._limits import MARKED, SESSION, Limits, SessionBudget, enter, explain
from tollbook.testing.plugin import MARKER, is_metered, wants_all

_KNOWN = {"usd", "tokens", "calls", "reserve", "on_unpriced"}
_PREFIX = "tollbook_"
_SHOWN = 20
"""Tests in the summary, the most expensive ones; all of them with `-v`."""


class Meter:
    """One test that is metered."""

    def __init__(self, item: pytest.Item, session: SessionBudget | None) -> None:
        """Raises ValueError if the marker makes no sense."""
        marker = item.get_closest_marker(MARKER)
        if marker is not None and (marker.args or not set(marker.kwargs) <= _KNOWN):
            raise ValueError(f"it takes {', '.join(f'{name}=' for name in sorted(_KNOWN))}")
        self._limits = Limits(item.nodeid, **(marker.kwargs if marker is not None else {}))
        self._session = session
        self._ended = False
        self._stack = contextlib.ExitStack()
        self.captured: Captured = self._stack.enter_context(capture())
        blocks: list[LocalBudget] = [*self._limits.budgets]
        if session is not None:
            blocks.append(session.begin())
        enter(blocks)

    def sum(self) -> Sum:
        """What its calls come to."""
        c = self.captured
        return Sum(c.usd, c.tokens, c.calls, c.unpriced, c.estimated, c.replayed)

    def problem(self, before: Sum | None, tolerance: float) -> str | None:
        """Why the test fails although it ran to its end; None: it does not."""
        broken = self._limits.broken(self.captured)
        if broken is None and self._session is not None and self._session.block.refused:
            broken = "a model call was refused, which the test did not notice: --tollbook-budget is used up"
        if broken is None and before is not None:
            broken = _baseline.risen(before, self.sum(), tolerance)
        return broken

    def end(self) -> None:
        """Meter no more; again and again without harm."""
        if self._ended:
            return
        self._ended = True
        enter([])
        self._stack.close()
        if self._session is not None:
            self._session.add(from_usd(self.captured.usd))


METER = pytest.StashKey[Meter]()


class Costs:
    """The part of the plugin that is loaded when a test or an option asks for it."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.option
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._all = wants_all(config)
        self._is_worker = worker is not None
        self._tolerance: float = option.tollbook_tolerance
        self._update: bool = option.tollbook_update_baseline
        self._file = Path(option.tollbook_baseline) if option.tollbook_baseline else None
        self._sums: dict[str, Sum] = {}
        self._failed: set[str] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._budget: SessionBudget | None = None
        self._limit: Decimal | None = None
        try:
            if option.tollbook_budget is not None:
                if worker is None:
                    self._folder = tempfile.TemporaryDirectory(prefix="tollbook-")
                place = self._folder.name if self._folder is not None else (worker or {})["tollbook_folder"]
                self._budget = SessionBudget(option.tollbook_budget, Path(place) / "spent")
                self._limit = Decimal(option.tollbook_budget)
            self._before = self._read_baseline()
        except (ValueError, OSError) as error:
            raise pytest.UsageError(f"tollbook: {error}") from None

    def _read_baseline(self) -> dict[str, Sum]:
        if self._file is None or (self._update and not self._file.exists()):
            return {}
        if not self._file.exists():
            raise ValueError(f"there is no baseline {self._file}: write it with --tollbook-update-baseline")
        return _baseline.read(self._file)

    # ---- where tests run -------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist where the sum is kept that all share."""
        if self._folder is not None:
            node.workerinput["tollbook_folder"] = self._folder.name

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """However a test ends, it is metered no more."""
        try:
            return (yield)
        finally:
            meter = item.stash.get(METER, None)
            if meter is not None:
                del item.stash[METER]
                meter.end()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Meter the test, from its fixtures on."""
        if self._all or is_metered(item):
            try:
                item.stash[METER] = Meter(item, self._budget)
            except ValueError as error:
                pytest.fail(f"{MARKED}: {error}", pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fail a test that went beyond a limit, also if it did not notice."""
        meter = item.stash.get(METER, None)
        if meter is None:
            return (yield)
        try:
            result = yield
        except BudgetExceeded as error:
            if error.budget == item.nodeid:
                explain(error, MARKED)
            elif error.budget == SESSION:
                explain(error, "the session")
            raise
        before = None if self._update else self._before.get(item.nodeid)
        problem = meter.problem(before, self._tolerance)
        if problem is not None:
            pytest.fail(problem, pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """Say what the test came to, in properties that reach JUnit's file and xdist's controller."""
        try:
            return (yield)
        finally:
            meter = item.stash.get(METER, None)
            if meter is not None:
                meter.end()
                kept = [pair for pair in item.user_properties if not pair[0].startswith(_PREFIX)]
                item.user_properties[:] = [*kept, *_properties(meter.sum())]

    # ---- where they are reported -----------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test came to from its last report."""
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when == "teardown" and (found := _sum(report.user_properties)) is not None:
            before = self._sums.get(report.nodeid)
            self._sums[report.nodeid] = found if before is None else before + found

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the baseline, and fail a session that spent too much."""
        if self._is_worker:
            return
        if self._folder is not None:
            self._folder.cleanup()
        if self._file is not None and self._update:
            new = {test: s for test, s in self._sums.items() if s.calls and test not in self._failed}
            none = {test for test, s in self._sums.items() if not s.calls}
            kept = {test: s for test, s in self._before.items() if test not in none}
            _baseline.write(self._file, {**kept, **new})
        if self._beyond() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _total(self) -> Sum:
        return sum(self._sums.values(), Sum(Decimal(0), 0, 0))

    def _beyond(self) -> bool:
        return self._limit is not None and self._total().usd > self._limit

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the cost by test."""
        called = sorted(
            ((test, s) for test, s in self._sums.items() if s.calls),
            key=lambda pair: (pair[1].usd.copy_negate(), pair[0]),
        )
        if self._is_worker or not (called or self._limit is not None or self._update):
            return
        write = terminalreporter.write_line
        terminalreporter.section("cost by test")
        shown = called if terminalreporter.config.option.verbose > 0 else called[:_SHOWN]
        if called:
            write(f"{'cost':>12} {'tokens':>10} {'calls':>6}")
        for test, found in shown:
            write(f"{_line(found)}  {test}")
        if len(called) > len(shown):
            rest = sum((s for _, s in called[len(shown) :]), Sum(Decimal(0), 0, 0))
            write(f"{_line(rest)}  {len(called) - len(shown)} other tests (-v shows them)")
        if len(called) != 1:
            write(f"{_line(self._total())}  in all")
        for line, is_bad in self._remarks(called):
            write(line, red=is_bad)

    def _remarks(self, called: list[tuple[str, Sum]]) -> list[tuple[str, bool]]:
        """What else is to be said, and whether it is bad news."""
        remarks: list[tuple[str, bool]] = []
        if self._limit is not None:
            share = f"{show(self._total().usd)} of --tollbook-budget {show(self._limit)}"
            remarks.append((f"{share} spent{': too much' if self._beyond() else ''}", self._beyond()))
        if self._file is not None and self._update:
            remarks.append((f"written to {self._file}", False))
        elif self._file is not None:
            new = [s for test, s in called if test not in self._before]
            if new:
                usd = show(sum(new, Sum(Decimal(0), 0, 0)).usd)
                remarks.append((f"{len(new)} tests ({usd}) are not in {self._file}: --tollbook-update-baseline", False))
        return remarks


def _line(found: Sum) -> str:
    said = [f"{count} {name}" for name in ("replayed", "estimated", "unpriced") if (count := getattr(found, name))]
    cost = show(found.usd) if found.usd or not found.unpriced else "unpriced"
    remark = f"  ({', '.join(said)})" if said else ""
    return f"{cost:>12} {found.tokens:>10,} {found.calls:>6}{remark}"


_NAMES = {
    "usd": "usd",
    "tokens": "tokens",
    "calls": "calls",
    "unpriced": "unpriced_calls",
    "estimated": "estimated_calls",
    "replayed": "replayed_calls",
}


def _properties(found: Sum) -> list[tuple[str, object]]:
    """As properties of a report, which are text."""
    return [
        (_PREFIX + name, (plain(found.usd) if field == "usd" else str(getattr(found, field))))
        for field, name in _NAMES.items()
    ]


def _sum(properties: list[tuple[str, object]]) -> Sum | None:
    """What `_properties` wrote; None if it did not."""
    found = {str(name): str(value) for name, value in properties}
    if _PREFIX + "usd" not in found:
        return None
    numbers = [int(found[_PREFIX + name]) for field, name in _NAMES.items() if field != "usd"]
    return Sum(Decimal(found[_PREFIX + "usd"]), *numbers)
