"""The pytest plugin: what each test's model calls cost, with limits and a baseline.

A run that uses none of it pays for a look at its tests' markers: the rest is in `_session`, loaded when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tollbook.testing import Captured

MARKER = "tollbook"
FIXTURE = "tollbook"
_SESSION = "tollbook-costs"
_MARKER_HELP = (
    "tollbook(usd=None, tokens=None, calls=None, reserve=False, on_unpriced='stop'): "
    "the most that the test's model calls may come to; it is stopped there"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our options."""
    group = parser.getgroup("tollbook", "what the tests' model calls cost")
    group.addoption("--tollbook", action="store_true", help="meter all tests, and show what each has cost")
    group.addoption("--tollbook-budget", metavar="USD", help="the most that all tests together may spend")
    group.addoption("--tollbook-baseline", metavar="FILE", help="what tests cost before: a test that rises fails")
    group.addoption("--tollbook-update-baseline", action="store_true", help="write the baseline, and compare nothing")
    group.addoption(
        "--tollbook-tolerance",
        metavar="PERCENT",
        type=float,
        default=10.0,
        help="how far a test may rise beyond the baseline (default: 10)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name our marker, and load the rest if an option asks for it or other processes run the tests."""
    config.addinivalue_line("markers", _MARKER_HELP)
    option = config.option
    if option.tollbook_update_baseline and not option.tollbook_baseline:
        raise pytest.UsageError("--tollbook-update-baseline needs --tollbook-baseline FILE")
    if wants_all(config) or getattr(option, "dist", "no") != "no":
        _load(config)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the rest if any test asks for it."""
    if not session.config.pluginmanager.hasplugin(_SESSION) and any(map(is_metered, session.items)):
        _load(session.config)


@pytest.fixture
def tollbook(request: pytest.FixtureRequest) -> Iterator[Captured]:
    """What this test's model calls come to: `usd`, `tokens`, `calls`, `by_model`, `unpriced`; and the calls themselves.

    They are metered from the setup of the test's fixtures on, into a ledger of the test's own.
    """
    from tollbook.testing._session import METER

    meter = request.node.stash.get(METER, None)
    if meter is not None:
        yield meter.captured
        return
    from tollbook.testing import capture  # asked for by name while the test runs

    with capture() as captured:
        yield captured


def wants_all(config: pytest.Config) -> bool:
    """Whether all tests are metered."""
    option = config.option
    return bool(option.tollbook or option.tollbook_budget is not None or option.tollbook_baseline)


def is_metered(item: pytest.Item) -> bool:
    """Whether this test asks to be metered."""
    return item.get_closest_marker(MARKER) is not None or FIXTURE in getattr(item, "fixturenames", ())


def _load(config: pytest.Config) -> None:
    from tollbook.testing._session import Costs

    config.pluginmanager.register(Costs(config), _SESSION)
