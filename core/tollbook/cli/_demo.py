"""`tollbook demo`: the main job from call to report, in a ledger of its own."""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path

import click


def run(keep: Path | None) -> None:
    """Play the demo into `keep`, or into a ledger that is thrown away, and show the report and one trace.

    Raises:
        ClickException: An SDK that the demo needs is not installed.
    """
    from rich.console import Console

    from tollbook import _runtime
    from tollbook.cli._tables import notes, table
    from tollbook.cli._trace import as_tree
    from tollbook.reports import report
    from tollbook.spans import Trace

    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        path = keep or Path(folder) / "demo.db"
        try:
            # Core knows no SDK: the program lies with the integrations, and is found by name.
            trace_id = importlib.import_module("tollbook_integrations.demo").play(path)
        except ModuleNotFoundError as missing:
            message = f"the demo needs the SDK {missing.name}: pip install 'tollbook[openai,anthropic]'"
            raise click.ClickException(message) from missing
        store = _runtime.store()
        found = report(store, by=("provider", "model"))
        console.print("\n[bold]$ tollbook report --by provider,model[/bold]")
        console.print(table(found))
        for line in notes(found):
            console.print(line)
        console.print(f"\n[bold]$ tollbook trace {trace_id[:12]}[/bold]")
        console.print(as_tree(Trace(store.trace(trace_id))))
        if keep:
            console.print(f"\nkept in {keep}: tollbook report --store {keep}")
        _runtime.stop()
