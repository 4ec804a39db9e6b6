"""Running commands as a person, a script or a pipe does, against ledgers that the tests fill."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from tests.records import call

from tollbook.cli import main
from tollbook.ledger import Spool, Store
from tollbook.pricing import Cost
from tollbook.spans import Record

PROGRAM = "from tollbook.cli import main; main()"


def put(path: Path, *records: Record) -> None:
    """Leave records in a journal, as a program does; whoever reads drains it."""
    spool = Spool(Store(path).spool)
    for each in records:
        spool.append(each)
    spool.close()


def run(*arguments: str, **environment: str) -> Result:
    """The result of a command in this process."""
    return CliRunner().invoke(main, list(arguments), env=environment)


def said(*arguments: str, **environment: str) -> str:
    """What a command that succeeds prints."""
    result = run(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.output


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": 60} | options
    return subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=False, **options)


def priced(model: str, pico: int, **changes: Any) -> Record:
    """A call of a model with a cost."""
    return call(response_model=model, cost=Cost(total=pico, input=pico, output=0), **changes)


TRACE = "0badc0de" + "0" * 24


def family(**changes: Any) -> list[Record]:
    """An agent with a call, and a tool with a call that failed."""
    shape = [("agent", None, "agent run"), ("llm", 1, "Completions"), ("tool", 1, "look"), ("llm", 3, "Completions")]
    found: list[Record] = []
    for number, (kind, parent, name) in enumerate(shape, 1):
        paid = kind == "llm"
        values: dict[str, Any] = {
            "trace_id": TRACE,
            "span_id": f"{number:016x}",
            "parent_id": None if parent is None else f"{parent:016x}",
            "name": name,
            "kind": kind,
            "start": number,
            "bills": paid,
        }
        if not paid:
            values |= {"usage": None, "cost": None, "request_model": None, "response_model": None}
        found.append(call(**(values | changes)))
    found[3].status, found[3].error, found[3].usage, found[3].cost = "timeout", "APITimeoutError", None, None
    return found
