"""Whom calls are booked to: `attribute`, its places, and what it refuses."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tollbook
from tollbook import _salt
from tollbook.spans import Call, Record, _attribution, _sink


@pytest.fixture(autouse=True)
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Record]]:
    """The records that are written, with a secret of the test's own."""
    found: list[Record] = []
    monkeypatch.setattr(_sink, "sink", found.append)
    monkeypatch.setattr(_salt, "place", tmp_path / "ledger.db")
    _salt.forget()
    yield found
    _salt.forget()
    tollbook.attribute_process()


def call() -> dict[str, str] | None:
    """What a call that is made here is booked to."""
    made = Call(Record(trace_id="", span_id=""), "openai.chat", lambda *_: None)
    made.end()
    return made.record.attribution


def test_nested_blocks_add_up_the_inner_one_wins_and_none_takes_out() -> None:
    with tollbook.attribute(feature="search", org="acme"):
        with tollbook.attribute(feature="rerank", tier="gold"):
            assert call() == {"feature": "rerank", "org": "acme", "tier": "gold"}
            with tollbook.attribute(tier=None):
                assert call() == {"feature": "rerank", "org": "acme"}
        assert call() == {"feature": "search", "org": "acme"}
    assert call() is None


@pytest.mark.parametrize("name", ["feature", "agent", "user", "org", "session", "key", "plan"])
def test_none_takes_any_dimension_out_and_what_is_empty_leaves_it(name: str) -> None:
    with tollbook.attribute(**{name: "a", "other": "b"}) as outer:  # type: ignore[arg-type]
        for blank in ("", " \t\n", b""):
            with tollbook.attribute(**{name: blank}):  # type: ignore[arg-type]
                assert call() == outer
        with tollbook.attribute(**{name: None, "other": None}):  # type: ignore[arg-type]
            assert call() == tollbook.current_attribution() == {}
            with tollbook.attribute(**{name: "c"}):  # type: ignore[arg-type]
                assert set(call() or {}) == {name}
        assert call() == outer
    with tollbook.attribute(**{name: ""}):  # type: ignore[arg-type]
        assert not call()


def test_what_is_taken_out_is_not_lent_again_by_an_agent_or_by_what_is_around_a_span() -> None:
    with tollbook.span("planner", kind="agent"), tollbook.attribute(agent=None, org="acme"):
        assert call() == {"org": "acme"}
        with tollbook.span("writer", kind="agent"):
            assert call() == {"org": "acme"}
            with tollbook.attribute(agent="other"):
                assert call() == {"org": "acme", "agent": "other"}
    with tollbook.attribute(feature="search", org="acme"), tollbook.span("run") as run:
        run.attribute(feature=None)
        assert call() == {"org": "acme"} == run.record.attribution
        run.attribute(feature="rerank")
        assert call() == {"org": "acme", "feature": "rerank"}


def test_what_everywhere_is_none_is_not_given() -> None:
    tollbook.attribute_process(feature=None, org="")
    assert call() is None
    with tollbook.span("planner", kind="agent"):
        assert call() == {"agent": "planner"}


def test_what_holds_everywhere_holds_where_nothing_else_is_set_also_in_new_threads() -> None:
    tollbook.attribute_process(feature="batch", region="eu")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    assert found == [{"feature": "batch", "region": "eu"}]
    with tollbook.attribute(feature="chat"):
        assert call() == {"feature": "chat", "region": "eu"}


def test_a_decorated_function_of_any_kind_runs_inside() -> None:
    @tollbook.attribute(feature="plain")
    def plain() -> Any:
        return call()

    @tollbook.attribute(feature="generator")
    def generator() -> Iterator[Any]:
        yield call()
        yield call()

    assert plain() == {"feature": "plain"}
    found = []
    for each in generator():
        assert call() is None, "the consumer is not inside"
        found.append(each)
    assert found == [{"feature": "generator"}] * 2


async def test_a_decorated_coroutine_and_async_generator_run_inside() -> None:
    @tollbook.attribute(feature="coroutine")
    async def coroutine() -> Any:
        await asyncio.sleep(0)
        return call()

    @tollbook.attribute(feature="stream")
    async def stream() -> AsyncIterator[Any]:
        yield call()
        await asyncio.sleep(0)
        yield call()

    both = await asyncio.gather(coroutine(), coroutine())
    assert both == [{"feature": "coroutine"}] * 2
    assert [each async for each in stream()] == [{"feature": "stream"}] * 2
    assert call() is None


async def test_tasks_inherit_and_do_not_leak() -> None:
    async def work(name: str) -> Any:
        with tollbook.attribute(session=name):
            await asyncio.sleep(0.001)
            return call()

    with tollbook.attribute(org="acme"):
        found = await asyncio.gather(*(work(f"s{n}") for n in range(5)))
    assert found == [{"org": "acme", "session": f"s{n}"} for n in range(5)]


def test_propagate_carries_it_into_executors_at_once_and_again() -> None:
    with ThreadPoolExecutor(4) as pool:
        with tollbook.attribute(feature="map"):
            carried = tollbook.propagate(lambda _: call())
        found = list(pool.map(carried, range(20)))
        assert found == [{"feature": "map"}] * 20
        assert pool.submit(call).result() is None


def test_a_span_that_is_booked_by_hand_books_what_is_inside() -> None:
    with tollbook.span("run") as run:
        run.set_attribute("cost.feature", "document_analysis")
        run.attribute(team="blue")
        with tollbook.span("step") as step:
            assert call() == {"feature": "document_analysis", "team": "blue"}
            step.set_attribute("cost.agent", "researcher")
            assert call() == {"feature": "document_analysis", "team": "blue", "agent": "researcher"}
        with tollbook.attribute(org="acme"):
            assert call() == {"feature": "document_analysis", "team": "blue", "org": "acme"}
    assert run.get_attribute("cost.feature") == "document_analysis"
    assert step.record.attribution == {"feature": "document_analysis", "team": "blue", "agent": "researcher"}


def test_what_an_agent_calls_is_its_own_unless_the_program_says_otherwise() -> None:
    @tollbook.trace(kind="agent")
    def writer() -> Any:
        return call()

    with tollbook.span("planner", kind="agent") as planner:
        assert call() == {"agent": "planner"} == planner.record.attribution == tollbook.current_attribution()
        with tollbook.span("search", kind="tool"):
            assert call() == {"agent": "planner"}, "a tool is a part of its agent"
        assert writer() == {"agent": "writer"}, "the inner agent wins"
        with tollbook.attribute(agent="other"):
            assert call() == {"agent": "other"}
        planner.attribute(agent="chief")
        assert call() == {"agent": "chief"}
    assert call() is None
    with tollbook.attribute(agent="other"), tollbook.span("planner", kind="agent", feature="plan"):
        assert call() == {"agent": "other"}


def test_the_attribution_of_here_is_that_of_a_call_that_is_made_here() -> None:
    with tollbook.attribute(org="acme"), tollbook.span("run", **{"cost.feature": "search"}):
        assert call() == tollbook.current_attribution() == {"org": "acme", "feature": "search"}
        with tollbook.attribute(org="other") as booked:
            assert call() == {"org": "other", "feature": "search"}
            assert booked == {"org": "other"}, "what a span was given holds for what is inside of it alone"


def test_a_user_is_looked_up_by_id(tmp_path: Path) -> None:
    with tollbook.attribute(user="ada"):
        booked = call()
    name = tollbook.user_pseudonym("ada")
    assert booked == {"user": name}
    assert tollbook.user_pseudonym(name) == name
    old = (tmp_path / "ledger.db.salt").rename(tmp_path / "old.salt")
    _salt.forget()
    assert tollbook.user_pseudonym("ada") != name, "another secret"
    assert tollbook.user_pseudonym("ada", secret=old) == name


def test_users_are_kept_by_pseudonym_which_is_stable_and_stands_for_itself(tmp_path: Path) -> None:
    with tollbook.attribute(user="ada@example.org") as booked:
        assert call() == booked
    name = booked["user"]
    assert "ada" not in name
    assert name == _salt.pseudonym("ada@example.org") == _salt.pseudonym(name)
    _salt.forget()
    assert _salt.pseudonym("ada@example.org") == name, "after a restart"
    assert (tmp_path / "ledger.db.salt").stat().st_mode & 0o777 == 0o600
    (tmp_path / "ledger.db.salt").unlink()
    _salt.forget()
    assert _salt.pseudonym("ada@example.org") != name, "another secret"


def test_machines_that_share_a_secret_agree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOLLBOOK_SALT", "shared")
    _salt.forget()
    one = _salt.pseudonym("ada")
    monkeypatch.setattr(_salt, "place", tmp_path / "other" / "ledger.db")
    _salt.forget()
    assert _salt.pseudonym("ada") == one


def test_a_secret_that_cannot_be_kept_is_said_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(_salt, "place", tmp_path / "file" / "ledger.db")
    _salt.forget()
    assert _salt.pseudonym("ada").startswith("u_")
    assert "TOLLBOOK_SALT" in caplog.text


def test_threads_that_book_the_first_users_at_once_agree_on_the_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for round_ in range(20):
        monkeypatch.setattr(_salt, "place", tmp_path / str(round_) / "ledger.db")
        _salt.forget()
        start = threading.Barrier(8)

        def first(start: threading.Barrier) -> str:
            start.wait()
            return _salt.pseudonym("ada")

        with ThreadPoolExecutor(8) as pool:
            names = {future.result() for future in [pool.submit(first, start) for _ in range(8)]}
        assert names == {tollbook.user_pseudonym("ada", secret=_salt.salt_path())}
        assert [file.name for file in (tmp_path / str(round_)).iterdir()] == ["ledger.db.salt"]


def test_a_secret_is_kept_where_files_have_no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    name = _salt.pseudonym("ada")
    _salt.forget()
    assert _salt.pseudonym("ada") == name
    assert tollbook.user_pseudonym("ada", secret=_salt.salt_path()) == name


def test_a_shared_secret_may_be_any_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLBOOK_SALT", "\udcff")
    _salt.forget()
    with tollbook.attribute(user="ada"):
        assert call() == {"user": tollbook.user_pseudonym("ada")}


@pytest.mark.parametrize("id_", [42, "a\ud800", "zoë"])
def test_a_user_is_looked_up_as_the_program_gives_it(id_: Any) -> None:
    with tollbook.attribute(user=id_):
        assert call() == {"user": tollbook.user_pseudonym(id_)}


def test_users_are_kept_as_they_are_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_attribution, "hash_users", False)
    with tollbook.attribute(user="ada"):
        assert call() == {"user": "ada"}


@pytest.mark.parametrize(
    "given", [{"": "x"}, {"t" * 65: "x"}, {f"t{n}": n for n in range(33)}], ids=["empty", "long", "many"]
)
def test_what_is_no_dimension_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tag|dimensions"):
        tollbook.attribute(**given)


def test_values_become_short_text() -> None:
    with tollbook.attribute(n=3, flag=True, text="x" * 300):
        assert call() == {"n": "3", "flag": "True", "text": "x" * 256}


class Tier(str, Enum):  # noqa: UP042 - the text of such a member is not its value
    """Words of a program of its own."""

    GOLD = "gold"


def test_values_are_the_text_that_they_stand_for() -> None:
    with tollbook.attribute(feature=Tier.GOLD, org=b"acme", user=b"ada", n=7, share=0.5):  # type: ignore[arg-type]
        user = tollbook.user_pseudonym("ada")
        assert call() == {"feature": "gold", "org": "acme", "user": user, "n": "7", "share": "0.5"}
        assert {type(value) for value in tollbook.current_attribution().values()} == {str}


def test_half_a_character_costs_no_call_its_record() -> None:
    with tollbook.attribute(feature="a\ud800", **{"t\udfff": "x"}), tollbook.span("run") as run:
        booked = call()
    assert booked == {"feature": "a\\ud800", "t\\udfff": "x"}
    assert msgspec.json.decode(msgspec.json.encode(run.record), type=Record).attribution == booked


def test_a_secret_is_made_where_a_user_is_booked_and_not_where_a_function_is_decorated(tmp_path: Path) -> None:
    decorated = tollbook.attribute(user="ada")(call)
    assert not (tmp_path / "ledger.db.salt").exists()
    assert decorated() == {"user": tollbook.user_pseudonym("ada")}
