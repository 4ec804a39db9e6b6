"""`tollbook whois`: a user's pseudonym, as the program books it and the report shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.commands import process, run, said

import tollbook
from tollbook import _runtime, _salt


@pytest.fixture(autouse=True)
def _ledger(tmp_path: Path):
    _salt.forget()
    yield
    _runtime.stop()


def spend(user: str) -> None:
    with tollbook.attribute(user=user):
        tollbook.record(model="gpt-4o", provider="openai", usage={"input_tokens": 10, "output_tokens": 1})


def test_a_report_is_filtered_by_what_it_prints() -> None:
    for user in ("ada", "ada", "bob"):
        spend(user)
    ada, bob = said("whois", "ada", "bob").split()
    assert ada != bob
    report = said("report", "--by", "user", "--where", f"user={ada}", "--csv")
    assert ada in report
    assert bob not in report


def test_another_process_prints_the_same(tmp_path: Path) -> None:
    spend("ada")
    store = str(tmp_path / "ledger.db")
    assert process("whois", "ada", "--store", store).stdout == said("whois", "ada")


def test_it_says_so_where_nobody_is_booked_and_makes_no_secret(tmp_path: Path) -> None:
    result = run("whois", "ada", "--store", str(tmp_path / "other.db"))
    assert result.exit_code == 1
    assert "does not exist" in result.output
    assert list(tmp_path.glob("other*")) == []


def test_a_shared_secret_needs_no_file(tmp_path: Path) -> None:
    one, two = (said("whois", "ada", "--store", str(tmp_path / name), TOLLBOOK_SALT="s") for name in ("a.db", "b.db"))
    assert one == two


def test_earlier_secrets_are_named(tmp_path: Path) -> None:
    spend("ada")
    before = said("whois", "ada")
    old = (tmp_path / "ledger.db.salt").rename(tmp_path / "2025.salt")
    _salt.forget()
    spend("ada")
    assert said("whois", "ada") != before
    assert said("whois", "ada", "--secret", str(old)) == before
    (tmp_path / "short").write_bytes(b"no")
    result = run("whois", "ada", "--secret", str(tmp_path / "short"))
    assert result.exit_code == 1
    assert "can't be read" in result.output


def test_a_secret_that_cannot_be_read_is_an_error_and_no_made_up_pseudonym(tmp_path: Path) -> None:
    (tmp_path / "ledger.db.salt").write_bytes(b"no")
    result = run("whois", "ada", "--store", str(tmp_path / "ledger.db"))
    assert result.exit_code == 1
    assert "can't be read" in result.output


def test_the_secret_lies_beside_the_ledger_wherever_the_program_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLBOOK_STORE", "here.db")
    monkeypatch.chdir(tmp_path)
    tollbook.record(model="gpt-4o", provider="openai", usage={"input_tokens": 10, "output_tokens": 1})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    spend("ada")
    assert (tmp_path / "here.db.salt").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []
