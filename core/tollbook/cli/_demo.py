"""`tollbook demo`: the main job from call to report, in a ledger of its own."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

import click


def run(keep: str | None) -> None:
    """Play the demo into the file `keep`, or into a ledger that is thrown away, and show the report and one trace.

    Raises:
        ClickException: An SDK that the demo needs is not installed.
        StoreError: `keep` is something else's file.
    """
    from tollbook import _runtime
    from tollbook.cli._command import open_ledger
    from tollbook.cli._tables import as_table
    from tollbook.cli._text import paragraph, say, screen
    from tollbook.cli._trace import as_text
    from tollbook.reports import report
    from tollbook.spans import Trace

    here = screen()
    if keep is not None:
        with open_ledger(keep) as kept:
            kept.last_trace_id()  # is it a ledger? Asked before anything is put beside it

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.db" if keep is None else Path(keep)
        try:
            # Core knows no SDK: the program lies with the integrations, and is found by name.
            played = importlib.import_module("tollbook_integrations.demo").play(path)
        except ModuleNotFoundError as missing:
            message = f"the demo needs the SDK {missing.name}: pip install 'tollbook[openai,anthropic]'"
            raise click.ClickException(message) from missing
        try:
            say(paragraph(here, played.story, indent=""))
            store = _runtime.store()
            say(here.paint("\n$ tollbook report", "bold"))
            say(as_table(report(store), here))
            say(here.paint(f"\n$ tollbook trace {played.trace_id[:16]}", "bold"))
            say(as_text(Trace(store.trace(played.trace_id)), here))
        finally:
            _runtime.stop()
        if keep is not None:
            say(f"\nIt is kept: tollbook report --store {keep}")
