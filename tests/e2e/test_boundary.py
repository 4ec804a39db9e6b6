"""The error boundary: whatever fails in Tollbook, the host's call does not."""

from __future__ import annotations

import ast
import contextlib
import functools
import logging
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import openai
import pytest
from tests.wire.scenarios import SCENARIOS, Scenario
from tests.wire.server import Wire

import tollbook
import tollbook_integrations
from tollbook import _guard
from tollbook_integrations._pending import pending

HTTP = sys.modules.get("httpx2") if int(openai.VERSION.split(".")[0]) >= 3 else sys.modules.get("httpx")
OURS = tuple(str(Path(package.__file__).parent) for package in (tollbook, tollbook_integrations) if package.__file__)

SHELLS = {
    "Stainless._request.<locals>.request",
    "Keeper.admit",
    "Keeper.admit_async",
    "_stopped",
    "Stainless._arequest.<locals>.request",
    "Stainless._process_response.<locals>._process_response",
    "Stainless._aprocess_response.<locals>._process_response",
    "Stainless._data.<locals>._process_response_data",
    "streams.<locals>.__stream__",
    "streams_async.<locals>.__stream__",
    "_items",
    "_items_async",
    "_subclass.<locals>.Metered.close",
    "_subclass.<locals>.Metered.aclose",
    "_subclass.<locals>.Metered.iter_bytes",
    "_subclass.<locals>.Metered.aiter_bytes",
    "_tee",
    "_atee",
    "_look",
    "_call_of",
    "_Dropped.__init__",
    "_Dropped.__del__",
    "reset",
}
"""Functions that are the boundary itself: what they call may fail, they have nothing in them that could."""

NAMES = (
    "openai-create-sync",
    "openai-create-async",
    "openai-stream-sync",
    "openai-stream-async",
    "openai-stream-closed-sync",
    "openai-stream-closed-async",
    "openai-stream-dropped-sync",
    "openai-helper-sync",
    "openai-raw-unparsed-sync",
    "openai-raw-stream-async",
    "openai-streaming-lines-of-stream-sync",
    "openai-streaming-lines-of-stream-async",
    "openai-streaming-lines-sync",
    "openai-parse-cut-by-length-sync",
    "openai-stream-error-async",
    "openai-stream-disconnected-sync",
    "openai-404-sync",
    "openai-speech-sync",
    "openai-responses-web-search-sync",
    "openai-responses-stream-failed-sync",
    "anthropic-create-async",
    "anthropic-stream-sync",
    "anthropic-batch-results-sync",
    "anthropic-beta-advisor-sync",
)


Place = tuple[CodeType, int]
"""A function and a line of it; line 0 is its entry."""


class Fault(Exception):
    """What goes wrong in us; its text stands for content."""


@cache
def protected(path: str) -> set[int]:
    """The lines of a file of ours that lie in a `try` whose failure is reported."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(Path(path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Try) and any("_guard.report" in ast.unparse(handler) for handler in node.handlers):
            lines.update(range(node.body[0].lineno, (node.body[-1].end_lineno or 0) + 1))
            # Python keeps what can't fail out of the `try`.
            lines -= {n.lineno for n in ast.walk(node) if isinstance(n, ast.Return) and not _fails(n.value)}
    return lines


def _fails(value: ast.expr | None) -> bool:
    return not (value is None or isinstance(value, ast.Constant | ast.Name))


@contextlib.contextmanager
def traced(watch: Callable[[Place], None]) -> Iterator[None]:
    """Call `watch` with each place of ours that this thread comes to; what it raises, is raised there.

    Places are the entries of functions whose callers report what they raise, and the lines that report it themselves.
    """

    def enter(frame: FrameType, event: str, _argument: Any) -> Any:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(OURS) or code.co_filename.endswith("_guard.py"):
            return None
        inside = protected(code.co_filename).intersection(line for _, _, line in code.co_lines() if line)
        if not inside and code.co_qualname not in SHELLS and not code.co_name.startswith("<"):
            watch((code, 0))
        return functools.partial(step, inside) if inside else None

    def step(inside: set[int], frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line" and frame.f_lineno in inside:
            watch((frame.f_code, frame.f_lineno))
        return functools.partial(step, inside)

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.boundary
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if s.name in NAMES], ids=lambda s: s.name)
def test_whatever_function_of_ours_fails_the_host_sees_what_it_saw_without_us(
    scenario: Scenario, wire: Wire, meter: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_guard, "failures", {})
    bare = scenario.against(wire)
    meter.on()
    scenario.against(wire)  # so that nothing is loaded below
    places: dict[Place, None] = {}
    with traced(lambda place: places.setdefault(place)):
        assert scenario.against(wire) == bare
    assert len(places) > 20
    assert _guard.failures == {}
    for failing in places:
        caplog.clear()
        _guard.failures.clear()
        faults: list[Fault] = []

        def fail(place: Place, failing: Place = failing, faults: list[Fault] = faults) -> None:
            if place == failing:
                faults.append(Fault("content of a prompt"))
                raise faults[-1]

        with traced(fail):
            shown = scenario.against(wire)
        where = f"{failing[0].co_qualname}, line {failing[1]}"
        assert shown == bare, where
        # The collector comes when it wants, so some places are not come to again.
        assert (sum(_guard.failures.values()) > 0) is bool(faults), where
        # Other libraries' threads may have something to say meanwhile.
        ours = [record for record in caplog.records if record.name == "tollbook"]
        warnings = [record for record in ours if record.levelno >= logging.WARNING]
        assert len(warnings) == len(_guard.failures), f"once per place: {where}"
        assert not any("content" in record.getMessage() for record in warnings)
        assert pending.get() is None
    before = len(meter.records())
    scenario.against(wire)
    if "batch" not in scenario.name:  # whose results are booked once, however often they are read
        assert len(meter.records()) - before == len(scenario.expect)


def test_all_scenarios_of_the_boundary_exist() -> None:
    assert set(NAMES) <= {scenario.name for scenario in SCENARIOS}
