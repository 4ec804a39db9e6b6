"""Where definitions come from: the user's files, the program itself, and the overlay that Tollbook brings.

All are read once, when the first price is looked up. What is wrong in them is logged once and kept for
`tollbook doctor`; the rest of a file holds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tollbook import _guard
from tollbook.pricing import _own, _update
from tollbook.pricing._catalog import forget
from tollbook.pricing._definition import Definition, Problem
from tollbook.pricing._fields import as_table
from tollbook.pricing._layer import Layer
from tollbook.pricing._read import Read, read, read_file
from tollbook.pricing._update import Stored

_OVERLAY = Path(__file__).with_name("overlay.toml")
_lock = threading.RLock()
_added: list[Definition] = []
_user: tuple[Layer, list[Problem]] | None = None
_overlay: tuple[Layer, list[Problem]] | None = None
_updated: tuple[Layer, Stored | None, list[Problem]] | None = None


def user() -> Layer:
    """The user's own definitions."""
    return _users()[0]


def overlay() -> Layer:
    """The definitions that come with Tollbook: dated facts that its price list lacks."""
    global _overlay
    with _lock:
        if _overlay is None:
            found, problems = read_file(_OVERLAY) if _OVERLAY.exists() else ([], [])
            _overlay = Layer("overlay", found), problems
            _tell(problems)
        return _overlay[0]


def updated() -> Layer:
    """The definitions that somebody fetched with `tollbook prices update`."""
    return _updates()[0]


def update_in_use() -> Stored | None:
    """Where the fetched definitions are, and where they are from; None: there are none."""
    return _updates()[1]


def _updates() -> tuple[Layer, Stored | None, list[Problem]]:
    global _updated
    with _lock:
        if _updated is None:
            found, stored, problems = _update.load()
            _updated = Layer("update", found), stored, problems
            for problem in problems:
                _guard.log.warning("tollbook: a price update is not used: %s", problem)
        return _updated


def _users() -> tuple[Layer, list[Problem]]:
    global _user
    with _lock:
        if _user is None:
            found: list[Definition] = []
            problems: list[Problem] = []
            for path in _own.files():
                definitions, wrong = read_file(path)
                found += definitions
                problems += wrong
            _user = Layer("user", [*found, *_added]), problems
            _tell(problems)
        return _user


def _tell(problems: Iterable[Problem]) -> None:
    for problem in problems:
        _guard.log.warning("tollbook: a price definition is not used: %s", problem)


def add_prices(source: str | os.PathLike[str] | Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> None:
    """Add definitions of prices to this process, which then come before all others.

    Calls that ended before keep their cost. See docs/prices.md for the fields.

    Args:
        source: The path of a TOML or JSON file, what such a file holds, or one or more definitions, each a mapping.

    Raises:
        ValueError: Something is wrong in it; says what is expected, where. Then nothing of it is added.
    """
    definitions, problems = _read(source)
    if problems:
        raise ValueError("\n".join(str(problem) for problem in problems))
    global _user
    with _lock:
        _added.extend(definitions)
        _user = None
    _own.added()
    forget()


def _read(source: str | os.PathLike[str] | Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> Read:
    if isinstance(source, str | os.PathLike):
        return read_file(Path(source))
    table = as_table(source)
    return read(list(source) if table is None else table, "add_prices")


def reload_definitions() -> None:
    """Read the user's files and the update again when the next price is looked up; what the program added stays."""
    global _user, _updated
    with _lock:
        _user = _updated = None
    _own.forget()
    forget()


def definitions(layer: str | None = None) -> list[tuple[str, Definition]]:
    """(layer, definition) of all that are in use: the user's, the overlay's and the update's; or of one `layer`."""
    return [
        (each.name, found)
        for each in (user(), overlay(), updated())
        if layer in {None, each.name}
        for found in each.definitions
    ]


def definition_errors() -> list[Problem]:
    """All that is wrong in the files of definitions, the user's, ours and fetched ones. Empty: nothing."""
    problems = list(_users()[1])
    overlay()
    assert _overlay is not None
    return problems + _overlay[1] + _updates()[2]


def check(path: str | os.PathLike[str]) -> list[Problem]:
    """All that is wrong in a file of definitions; nothing of it is used. Empty: nothing."""
    return read_file(Path(path))[1]


def tokenizer_of(provider: str | None, model: str, start: int) -> dict[str, Any] | None:
    """The tokenizer that definitions name for a model, of the newest one that names any; None: none does.

    Args:
        provider: As spans name it; None: unknown.
        model: As called.
        start: When the call started, Unix ns.

    Returns:
        Any of `id`, `encoding`, `model`, `tokens_per_message`, `tokens_per_name` and `reply`.
    """
    for layer in (user(), overlay(), updated()):
        live = [
            (each.start, n, each.tokenizer)
            for n, each in layer.fitting(provider or "", model)
            if each.tokenizer and each.start <= start < each.end
        ]
        if live:
            return dict(max(live, key=lambda found: found[:2])[2])
    return None
