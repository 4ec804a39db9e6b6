"""The command line: one face over reports, traces and the state of the ledger.

What takes time to import is imported by the command that needs it. Exit codes: 0 it is well, 1 it could not be done,
as one line says, 2 it was asked for wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollbook._lazy import lazily

if TYPE_CHECKING:
    from tollbook.cli._main import main

__all__ = ["main"]

__getattr__ = lazily(__name__, _main="main")
