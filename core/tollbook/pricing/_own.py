"""Whether this process has price definitions of its own, known without reading any.

Usage is usually priced by whoever drains the journal, which may be another process, without these definitions. So a
process that has some prices its calls itself. Most have none, and must not pay for the question.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "TOLLBOOK_PRICES"
"""The environment variable that names files of definitions, separated as in `PATH`."""

PROJECT = ("tollbook-prices.toml", "tollbook-prices.json")
"""In the directory in which the program was started."""

_present: bool | None = None
_by_code = False


def present() -> bool:
    """Whether there are any definitions beside ours; the places are looked at once."""
    global _present
    if _present is None:
        _present = _by_code or bool(files())
    return _present


def home() -> Path:
    """The directory of the user's own files; it need not exist."""
    from platformdirs import user_config_path

    return user_config_path("tollbook", appauthor=False)


def files() -> list[Path]:
    """The files of definitions that there are, those of least authority first."""
    places = (home() / "prices.toml", home() / "prices.json", *map(Path, PROJECT))
    named = [Path(name) for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name]
    return [_whole(path) for path in [*filter(_is_file, places), *named]]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the home of another user, under whose name a service was started
        return False


def _whole(path: Path) -> Path:
    """`path` as an absolute one, if there is a home or a working directory to begin it with."""
    try:
        return path.expanduser().absolute()
    except (OSError, RuntimeError):
        return path


def added() -> None:
    """Note that the program added definitions."""
    global _present, _by_code
    _present = _by_code = True


def forget() -> None:
    """Look again when next asked."""
    global _present
    _present = None
