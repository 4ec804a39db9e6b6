"""What the tests of metered programs share."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tollbook
from tollbook import _runtime
from tollbook.spans import Record

ROOT = Path(__file__).resolve().parents[2]


class Meter:
    """Metering in this process, with a ledger of the test's own."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def on(self, **options: Any) -> None:
        """Switch it on; `options` as for `autolog`."""
        tollbook.autolog(store=self._store, **options)

    def off(self) -> None:
        """Switch it off, with all that was dropped gone."""
        gc.collect()
        tollbook.autolog(disable=True)

    def records(self) -> list[Record]:
        """What bills, in order of its start."""
        gc.collect()
        return sorted((r for r in _runtime.store().spans(limit=None) if r.bills), key=lambda r: r.start)

    def one(self) -> Record:
        """The one record that there is."""
        (record,) = self.records()
        return record


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[Meter]:
    """Metering that is off, to be switched on by the test, and off again after it."""
    metering = Meter(tmp_path / "metered.db")
    yield metering
    metering.off()
    _runtime.stop()


PRELUDE = """
import json, sys

def show(value):
    print("SHOWN " + json.dumps(value), flush=True)

def records():
    from tollbook import _runtime
    found = sorted((r for r in _runtime.store().spans(limit=None) if r.bills), key=lambda r: r.start)
    return [
        {
            "provider": r.provider, "status": r.status, "error": r.error, "stream": r.stream, "flags": list(r.flags),
            "tokens": None if r.usage is None else [r.usage.input_tokens, r.usage.output_tokens],
            "source": None if r.usage is None else r.usage.source,
        }
        for r in found
    ]

def states():
    from tollbook._instrument import integrations
    return {name: integration.state() for name, integration in integrations().items()}
"""


class Ran:
    """What a program that has ended said."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        lines = done.stdout.splitlines()
        self.shown: list[Any] = [json.loads(line[6:]) for line in lines if line.startswith("SHOWN ")]
        """What it passed to `show`."""
        self.stderr = done.stderr
        assert done.returncode == 0, done.stderr


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Ran]:
    """Run Python code in a process of its own, in which `show`, `records` and `states` are defined."""

    def run(code: str, *arguments: object, **environment: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + code, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=60,
            check=False,
        )
        return Ran(done)

    return run
