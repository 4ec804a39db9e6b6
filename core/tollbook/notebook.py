"""In notebooks and IPython: `%load_ext tollbook`, then `%%tollbook` above a cell says what the cell has cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollbook import _html
from tollbook._clean import clean
from tollbook._money import show

if TYPE_CHECKING:
    from tollbook.testing import Captured

_USAGE = "%%tollbook above a cell, or %tollbook and a statement: metered, with what it cost below"


class CellCost:
    """What the calls of one cell came to."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        """The calls themselves."""

    def __repr__(self) -> str:
        found = self.captured
        unpriced = f", {found.unpriced} of them unpriced" if found.unpriced else ""
        by_model = "; ".join(f"{clean(str(model))}: {show(usd)}" for model, usd in found.by_model.items())
        models = f" ({by_model})" if by_model else ""
        return f"{_total(found)}: {found.calls} calls{unpriced}, {found.tokens:,} tokens{models}"

    def _repr_html_(self) -> str:
        """A table by model."""
        found = self.captured
        if not found.calls:
            return _html.box("No paid calls", "in this cell", "")
        rows: list[list[str]] = []
        shares: list[float | None] = []
        for model, usd in found.by_model.items():
            calls = [call for call in found if call.model == model]
            known = any(call.cost is not None for call in calls)
            tokens = sum(call.tokens or 0 for call in calls)
            rows.append([model or "unknown", str(len(calls)), f"{tokens:,}", show(usd) if known else "unpriced"])
            shares.append(float(usd) / float(found.usd) if found.usd and known else None)
        doubts = [
            f"{count} {word}" for word, count in (("unpriced", found.unpriced), ("estimated", found.estimated)) if count
        ]
        note = ", ".join([f"this cell: {found.calls} calls, {found.tokens:,} tokens", *doubts])
        return _html.box(_total(found), note, _html.table(("model", "calls", "tokens", "cost"), rows, shares))


def _total(found: Captured) -> str:
    return "cost unknown" if not found.usd and found.unpriced else show(found.usd)


def run(shell: Any, code: str) -> CellCost:
    """Run `code` in IPython's shell, metered, and say what it cost, also if it fails.

    What is spent goes to the user's ledger as well, since a notebook's calls are no test's.
    """
    from tollbook.testing._capture import watch

    with watch() as captured:
        shell.run_cell(code, store_history=False)
    return CellCost(captured)


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext tollbook`: there are `%tollbook` and `%%tollbook` now.

    Args:
        shell: IPython's `InteractiveShell`.
    """

    def tollbook(line: str, cell: str | None = None) -> CellCost | None:
        code = line if cell is None else cell
        if not code.strip():
            print(_USAGE)  # noqa: T201 - a magic's way to answer
            return None
        return run(shell, code)

    tollbook.__doc__ = f"{_USAGE}."
    shell.register_magic_function(tollbook, magic_kind="line_cell", magic_name="tollbook")


def unload_ipython_extension(shell: Any) -> None:
    """`%unload_ext tollbook`: the magics are gone."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("tollbook", None)
