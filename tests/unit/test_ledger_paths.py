"""Where the ledger lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollbook._paths import make_private, spool_directory, store_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/data/calls.db", "/data/calls.db"),
        ("sqlite:////data/calls.db", "/data/calls.db"),
        (Path("/data/calls.db"), "/data/calls.db"),
        ("~/calls.db", "~/calls.db"),
        ("sqlite:///calls.db", "calls.db"),
        ("calls.db", "calls.db"),
    ],
)
def test_a_path_and_a_sqlite_url_name_a_file(url: str | Path, path: str) -> None:
    """Three slashes begin a relative path, four an absolute one."""
    assert store_path(url) == Path(path).expanduser().absolute()


@pytest.mark.parametrize("url", ["postgresql://host/db", "clickhouse://host", "mysql://host/db"])
def test_other_stores_are_refused_by_name(url: str) -> None:
    """The error names what was asked for and what there is."""
    with pytest.raises(ValueError, match=r"(postgresql|clickhouse|mysql):// is not supported yet: sqlite only"):
        store_path(url)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", ""])
def test_a_url_without_a_path_is_refused(url: str) -> None:
    """An empty name must not become a file of a surprising name."""
    with pytest.raises(ValueError, match="names no file"):
        store_path(url)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    """The error names a file that would do."""
    with pytest.raises(ValueError, match=r"is a directory: name a file in it, such as .*ledger\.db"):
        store_path(tmp_path)


def test_the_environment_comes_before_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An explicit URL > `TOLLBOOK_STORE` > the user's data directory; an empty variable is none."""
    monkeypatch.setenv("TOLLBOOK_STORE", str(tmp_path / "x.db"))
    assert store_path() == tmp_path / "x.db"
    assert store_path("/other.db") == Path("/other.db")
    monkeypatch.setenv("TOLLBOOK_STORE", "")
    assert store_path().name == "ledger.db"
    assert store_path().parent.name == "tollbook"


def test_journals_lie_beside_their_ledger() -> None:
    """Two ledgers in one directory have a spool each."""
    assert spool_directory(Path("/a/x.db")) == Path("/a/x.db.spool")


def test_directories_are_private_and_existing_ones_are_left_alone(tmp_path: Path) -> None:
    """What we make is for the user alone; what the user made is the user's."""
    make_private(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    (tmp_path / "open").mkdir(mode=0o755)
    mode = (tmp_path / "open").stat().st_mode
    make_private(tmp_path / "open")
    assert (tmp_path / "open").stat().st_mode == mode


@pytest.mark.parametrize("given", [None, "", " ", "/data", "data", "~/data", "/data/"])
@pytest.mark.parametrize("home", ["/home/ada", ""])
def test_the_users_directory_is_the_one_that_other_programs_take(
    monkeypatch: pytest.MonkeyPatch, given: str | None, home: str
) -> None:
    from platformdirs import user_data_path

    monkeypatch.delenv("TOLLBOOK_STORE", raising=False)
    monkeypatch.setenv("HOME", home)
    if given is None:
        monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_DATA_HOME", given)
    assert store_path() == user_data_path("tollbook", appauthor=False) / "ledger.db"
