"""Definitions of one process hold for its calls, whichever process prices the rest of the journal."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tollbook.ledger import open_store

CALLER = """
import os, sys
from tollbook import _runtime, spans
from tollbook.spans import Record
from tollbook.spans._call import Call

def call(model, usage):
    record = Record(trace_id="", span_id="", provider="openai", operation="chat", request_model=model)
    made = Call(record, "openai.chat", lambda *_: None)
    made.saw_usage(usage)
    made.end()
    return record

exec(sys.argv[1])
call("our-model", {"prompt_tokens": 1000, "completion_tokens": 10})
record = call("gpt-4o", {"prompt_tokens": 1000, "completion_tokens": 10})
print("raw" if record.raw else "priced", end="")
sys.stdout.flush()
os._exit(0)  # nothing is brought into the ledger
"""
DEFINITION = '[[model]]\nname = "our-model"\nprovider = "openai"\nprice = { per = 1_000_000, input = 1, output = 2 }\n'


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CALLER, code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    return done.stdout


def costs(path: Path) -> dict[str | None, Decimal | None]:
    """By model, as another process, without definitions, brings them into the ledger."""
    store = open_store(str(path))
    store.drain()
    return {record.request_model: record.cost and record.cost.total_usd for record in store.spans()}


def test_a_process_with_definitions_prices_its_calls_itself(tmp_path: Path) -> None:
    definitions = tmp_path / "p.toml"
    definitions.write_text(DEFINITION)
    assert run("", TOLLBOOK_PRICES=str(definitions)) == "priced"
    definitions.unlink()
    assert costs(tmp_path / "ledger.db") == {"our-model": Decimal("0.00102"), "gpt-4o": Decimal("0.0026")}


def test_definitions_that_are_added_before_or_after_the_first_call_count(tmp_path: Path) -> None:
    add = "import tollbook; tollbook.add_prices({'name': 'our-model', 'price': {'input': '0.000001', 'output': 0}})"
    assert run(f"call('gpt-4o', {{'prompt_tokens': 1}}); {add}") == "priced"
    assert costs(tmp_path / "ledger.db")["our-model"] == Decimal("0.001")


def test_a_process_without_definitions_leaves_the_pricing_to_whoever_reads(tmp_path: Path) -> None:
    assert run("") == "raw"
    assert costs(tmp_path / "ledger.db") == {"our-model": None, "gpt-4o": Decimal("0.0026")}


@pytest.mark.parametrize("name", ["tollbook-prices.toml", "tollbook-prices.json"])
def test_the_places_are_found_without_reading_any(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tollbook.pricing import _own

    monkeypatch.chdir(tmp_path)
    _own.forget()
    assert not _own.present()
    (tmp_path / name).write_text("")
    assert not _own.present()  # looked at once
    _own.forget()
    assert _own.present()
    assert _own.files() == [tmp_path / name]
    _own.forget()
