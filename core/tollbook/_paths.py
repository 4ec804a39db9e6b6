"""Where the ledger lies: one database file, and beside it the journals that lead to it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "TOLLBOOK_STORE"
"""The environment variable that names another place: the path of a file, or `sqlite:///` and that path."""


def store_path(url: str | Path | None = None) -> Path:
    """The absolute path of the ledger that `url` names; nothing is created.

    Args:
        url: A path or `sqlite:///path`. None: `TOLLBOOK_STORE`, or else `ledger.db` in the user's data directory.

    Raises:
        ValueError: Another kind of store, no path at all, or a directory.
    """
    named = url if url is not None else os.environ.get(VARIABLE) or None
    if named is None:
        return _data_directory() / "ledger.db"
    text = str(named)
    scheme, separator, rest = text.partition("://")
    if separator:
        if scheme != "sqlite":
            raise ValueError(f"{scheme}:// is not supported yet: sqlite only, as a path or sqlite:///path")
        text = rest.removeprefix("/")
    if not text:
        raise ValueError(f"{str(named)!r} names no file")
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        raise ValueError(f"{path} is a directory: name a file in it, such as {path / 'ledger.db'}")
    return path


def _data_directory() -> Path:
    """The user's directory for our data, as platformdirs has it, which takes longer to load than most commands run."""
    if sys.platform == "linux" and "ANDROID_DATA" not in os.environ:
        found = Path(os.environ.get("XDG_DATA_HOME") or f"{os.environ.get('HOME', '')}/.local/share", "tollbook")
        if found.is_absolute() and os.environ.get("HOME"):
            return found
    from platformdirs import user_data_path

    return user_data_path("tollbook", appauthor=False)


def spool_directory(store: Path) -> Path:
    """Where the journals of the ledger `store` lie: beside it, so that both share a disk and a fate."""
    return store.with_name(store.name + ".spool")


def marker(store: Path) -> Path:
    """The file by which a program sees, for the price of one look, whether the ledger `store` has budgets."""
    return store.with_name(store.name + ".budgets")


def replace_file(path: Path, content: bytes) -> None:
    """Replace the file at `path` as a whole, with the rights that it has, safe against a loss of power.

    Raises:
        OSError: It can't be written; it is then as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_private(directory: Path) -> None:
    """Make `directory` for this user alone; one that exists stays as it is.

    Raises:
        OSError: It can't be made.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
