"""What every test may rely on: no network, no trace of the developer's machine, and no error that hides."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.wire.server import Wire  # noqa: E402 - needs the path above

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")
FOREIGN = (
    "OPENAI_",
    "AZURE_",
    "ANTHROPIC_",
    "AWS_",
    "GOOGLE_",
    "CLOUD_ML_",
    "VERTEX",
    "TOLLBOOK_",
    "OTEL_",
    "LANGCHAIN_",
    "LANGSMITH_",
)
"""Beginnings of environment variables that could steer an SDK or Tollbook."""
IMPORTED = pytest.StashKey[int]()
"""How many modules there were when objects were last frozen."""
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
TERMINAL = ("columns", "lines", "force_color", "no_color", "py_colors")
"""What says how wide and how colourful output is: some packages set it when they are imported."""


class NetworkUsed(RuntimeError):
    """A test tried to leave this machine. Not an OSError, so that no SDK takes it for a bad connection."""


def _loopback_only(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = args[1]
        host = address[0] if isinstance(address, tuple) else "localhost"  # a path is a Unix socket
    elif event == "socket.getaddrinfo":
        host = args[0] or "localhost"
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host)
    if not name.startswith(LOOPBACK):
        raise NetworkUsed(f"{event} {name}")


# It can't be undone, nor bypassed by a library that keeps its own reference to a socket function.
sys.addaudithook(_loopback_only)


def pytest_configure(config: pytest.Config) -> None:
    """Name our markers."""
    # A machine that is busy with other things makes no input wrong.
    hypothesis.settings.register_profile(
        "tollbook", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("tollbook")
    config.addinivalue_line("markers", "boundary: errors inside Tollbook are reported, as in production, not raised")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Take what was imported out of the garbage collector's sight.

    A full collection, which many tests ask for, then looks only at what they made, as in a program of its own.
    """
    imported = len(sys.modules)
    if imported != item.config.stash.get(IMPORTED, 0):
        item.config.stash[IMPORTED] = imported
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def wire() -> Iterator[Wire]:
    """The providers, on this machine."""
    with Wire() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _no_prices_of_others() -> Iterator[None]:
    """Definitions that a test adds or reads are gone after it."""
    yield
    places = sys.modules.get("tollbook.pricing._places")
    if places is not None and (places._own._present or places._updated is not None):
        places._own._by_code = False
        places._added.clear()
        places.reload_definitions()


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """What a test switched on and opened is off and closed after it."""
    yield
    instrument = sys.modules.get("tollbook._instrument")
    if instrument is not None and any(getattr(each, "on", False) for each in instrument._found.values()):
        instrument.autolog(disable=True)
    budgets = sys.modules.get("tollbook.budgets._keeper")
    if budgets is not None:
        budgets.keeper.used = False
        sys.modules["tollbook.spans._gate"].gate = None
    runtime = sys.modules.get("tollbook._runtime")
    if runtime is not None and (runtime._ledger is not None or runtime._url is not None):
        runtime.stop()


@pytest.fixture(autouse=True)
def _alone(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home, a ledger and an environment of the test's own, and errors of ours that are raised."""
    for name in list(os.environ):
        if name.upper().startswith(FOREIGN) or name.lower() in PROXIES + TERMINAL:
            monkeypatch.delenv(name)
    for name in TERMINAL:
        os.unsetenv(name.upper())  # GNU readline writes them where Python does not see them, and child processes do
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    # Every client reads all certificates of the system when it is made, which takes longer than most tests.
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("TOLLBOOK_STORE", str(tmp_path / "ledger.db"))
    monkeypatch.setattr("tollbook._guard.reraise", request.node.get_closest_marker("boundary") is None)
