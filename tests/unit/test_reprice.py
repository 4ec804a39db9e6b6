"""Repricing: costs follow the price lists, what was stated stays, and the sums stay the sums of what is there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records import START, call

import tollbook
from tollbook import _runtime
from tollbook.ledger import Repricing, Spool, Store, _reprice
from tollbook.ledger._repriced import Selection
from tollbook.pricing import Card, Cost, _catalog, cost_of
from tollbook.pricing._card import identified
from tollbook.reports import report, reprice
from tollbook.spans import Record
from tollbook.usage import Usage

HOUR, DAY = 3_600_000_000_000, 86_400_000_000_000


class Prices:
    """A price list that tests write: `prices[model] = rate`, with dates where `dated` has them."""

    def __init__(self) -> None:
        self.rates: dict[str, int] = {}
        self.dated: dict[str, list[tuple[int, int]]] = {}
        self.edition = 1

    def __call__(
        self, provider: str, model: str, day: int, context: Mapping[str, str]
    ) -> Sequence[tuple[int, Card | None]]:
        rate = self.rates.get(model)
        for since, dated in self.dated.get(model, ()):
            if since <= day:
                rate = dated
        if rate is None:
            return ()
        made = Card(id="", provider=provider, model=model, layer="user", source="test", rates={"input": rate})
        return [(day, identified(made))]

    def set(self, **rates: int | None) -> None:
        """Another edition, in which these models have these prices, or none."""
        for model, rate in rates.items():
            self.rates.pop(model, None)
            if rate is not None:
                self.rates[model] = rate
        self.edition += 1
        _catalog.forget()


@contextmanager
def listed() -> Iterator[Prices]:
    """Prices that are the only ones."""
    prices = Prices()
    sources, versions = _catalog.sources[:], dict(_catalog.versions)
    _catalog.sources[:] = [prices]
    _catalog.versions[prices] = lambda: str(prices.edition)
    _catalog.forget()
    try:
        yield prices
    finally:
        _catalog.sources[:] = sources
        _catalog.versions.clear()
        _catalog.versions.update(versions)
        _catalog.forget()


@pytest.fixture
def prices() -> Iterator[Prices]:
    with listed() as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ledger.db")
    yield store
    store.close()


def put(store: Store, *batch: Record) -> None:
    spool = Spool(store.spool)
    for record in batch:
        spool.append(record)
    spool.close()
    assert store.drain() == len(batch)


def priced(model: str, tokens: int = 10, *, charge: int | None = None, **changes: Any) -> Record:
    """A call that costs what the lists say now."""
    record = call(
        provider="p",
        request_model=model,
        response_model=model,
        usage=Usage({"input": tokens}, charge=charge),
        **changes,
    )
    record.cost = cost_of(record.usage, "p", model, record.start)
    return record


def costs(store: Store) -> dict[str, Cost | None]:
    return {record.span_id: record.cost for record in store.spans(limit=None)}


def by_model(done: Repricing, *names: str) -> dict[str | None, tuple[int, ...]]:
    return {row.model: tuple(getattr(row, name) for name in names) for row in done.rows}


def exact(store: Store) -> None:
    """The roll-ups are the sums over the spans, in every column."""
    for names in (("request_model", "priced", "source", "hour"), ("priced", "feature", "month")):
        sums = {tuple(row.key.values()): row for row in store.summary(names, zone="UTC")}
        again: dict[tuple[Any, ...], dict[str, int]] = {}
        for row in store.summary((*names, "trace"), zone="UTC"):
            found = again.setdefault(tuple(row.key.values())[:-1], {})
            for field in row.__struct_fields__[1:]:
                found[field] = found.get(field, 0) + getattr(row, field)
        assert {
            key: {field: getattr(row, field) for field in row.__struct_fields__[1:]} for key, row in sums.items()
        } == again


def test_a_dry_run_says_what_the_run_then_does(store: Store, prices: Prices) -> None:
    prices.set(a=2, b=3)
    put(store, priced("a"), priced("a", 20), priced("b"), priced("c"))
    before = costs(store)
    assert reprice(store, dry_run=True).total.changed == 0
    prices.set(a=5, c=7)
    plan = reprice(store, dry_run=True)
    assert by_model(plan, "calls", "changed", "newly_priced", "old", "new") == {
        "a": (2, 2, 0, 60, 150),
        "c": (1, 1, 1, 0, 70),
        "b": (1, 0, 0, 30, 30),
    }
    assert (plan.total.difference_usd, plan.spans) == (plan.total.new_usd - plan.total.old_usd, 3)
    assert costs(store) == before, "a dry run changes nothing"
    done = reprice(store)
    assert (done.rows, done.dry_run, plan.dry_run) == (plan.rows, False, True)
    exact(store)
    assert store.summary()[0].total_cost == 250 == done.total.new
    assert store.summary()[0].unpriced == 0
    assert reprice(store).total.changed == 0, "and has nothing left to do"


def test_calls_are_priced_as_of_their_own_start_or_of_today(store: Store, prices: Prices) -> None:
    prices.set(a=1)
    old, new = priced("a", start=START), priced("a", start=START + 40 * DAY)
    put(store, old, new)
    prices.dated["a"] = [(0, 2), (START + 30 * DAY, 3), (START + 100 * DAY, 9)]
    prices.set()
    reprice(store)
    assert {key: cost and cost.total for key, cost in costs(store).items()} == {old.span_id: 20, new.span_id: 30}
    reprice(store, at="today")
    assert [cost and cost.total for cost in costs(store).values()] == [90, 90]
    assert [(past.reason, past.cost and past.cost.total) for past in store.cost_history(old.trace_id, old.span_id)] == [
        ("call", 10),
        ("today", 20),
    ]
    reprice(store)
    assert {key: cost and cost.total for key, cost in costs(store).items()} == {old.span_id: 20, new.span_id: 30}


def test_the_old_cost_is_kept_as_it_was(store: Store, prices: Prices) -> None:
    prices.set(a=2)
    first, second, third = priced("a"), priced("b"), call(usage=None, cost=None)
    put(store, first, second, third)
    prices.set(a=4, b=1)
    reprice(store)
    (past,) = store.cost_history(first.trace_id, first.span_id)
    assert past.cost == first.cost
    assert past.until > START
    assert [past.cost for past in store.cost_history(second.trace_id, second.span_id)] == [Cost(status="unpriced")]
    assert store.cost_history(third.trace_id, third.span_id) == []
    assert store.cost_history("no", "ids") == store.cost_history("ab" * 16, "cd" * 8) == []
    kept = costs(store)[first.span_id]
    assert kept is not None
    assert store.card(kept.cards[0]) is not None, "the ledger has the card of the new price"


def test_what_was_stated_is_never_touched(store: Store, prices: Prices) -> None:
    """Neither the provider's own figure nor the program's; beside the former, the list price is brought up to date."""
    prices.set(a=2)
    charged, free = priced("a", charge=7), priced("a", charge=0)
    manual = priced("a")
    manual.cost = Cost(total=5, status="manual", listed=20)
    put(store, charged, free, manual)
    prices.set(a=3)
    done = reprice(store)
    assert by_model(done, "calls", "changed", "charged", "old", "new") == {"a": (3, 0, 3, 0, 0)}
    found = costs(store)
    assert found[manual.span_id] == manual.cost
    assert [(c.total, c.listed, c.status) for c in (found[charged.span_id], found[free.span_id]) if c] == [
        (7, 30, "exact"),
        (0, 30, "exact"),
    ]
    exact(store)
    (row,) = store.summary()
    assert (row.total_cost, row.listed_cost, row.listed_difference) == (12, 80, 7 + 0 + 5 - 80)


def test_a_cost_is_not_replaced_by_one_that_knows_less(store: Store, prices: Prices) -> None:
    prices.set(a=2, b=2)
    gone, charged, half = priced("a"), priced("a", charge=9), priced("b")
    half.usage = Usage({"input": 10, "output": 1})
    half.cost = Cost(total=25, input=20, output=5)
    put(store, gone, charged, half)
    before = costs(store)
    prices.set(a=None)
    assert by_model(reprice(store), "changed", "kept") == {"a": (0, 2), "b": (0, 1)}
    assert costs(store) == before


def test_only_what_is_asked_for_is_priced(store: Store, prices: Prices) -> None:
    put(store, *[priced(model, start=START + n * HOUR) for n, model in enumerate("aabbc")])
    prices.set(a=1, b=1, c=1)

    def wanted(**which: Any) -> int:
        return reprice(store, dry_run=True, **which).total.changed

    assert wanted() == 5
    assert wanted(model="a") == 2
    assert wanted(model=["a", "c"]) == 3
    assert (wanted(provider="p"), wanted(provider="q")) == (5, 0)
    assert wanted(since=START + HOUR) == 4
    assert wanted(since=START + HOUR, until=START + 3 * HOUR) == 2
    assert wanted(since="2025-11-22", timezone="utc") == 0
    reprice(store, model="a")
    prices.set(a=2)
    assert (wanted(), wanted(only_unpriced=True)) == (5, 3)
    with pytest.raises(ValueError, match="ends before it begins"):
        wanted(since=2, until=1)
    with pytest.raises(ValueError, match="tomorrow"):
        wanted(at="tomorrow")


@pytest.fixture
def program() -> Iterator[None]:
    """A ledger of the process, which is gone after the test."""
    yield
    _runtime.stop()


@pytest.mark.usefixtures("program")
def test_the_call_of_a_program_reprices_its_own_store(prices: Prices) -> None:
    tollbook.record(model="a", provider="p", usage={"input_tokens": 10})
    prices.set(a=4)
    assert tollbook.reprice(dry_run=True).total.newly_priced == 1
    assert tollbook.reprice().total.new == 40
    trace = tollbook.get_trace(tollbook.get_last_active_trace_id())
    assert trace is not None
    assert trace.info.total_cost == tollbook.reprice().total.new_usd


def test_nothing_recorded_is_nothing_to_do(store: Store) -> None:
    done = reprice(store)
    assert (done.rows, done.spans, done.total.calls) == ([], 0, 0)
    assert not store.path.exists()


class Interrupted(Exception):
    """The user has had enough."""


def stopping(after: int) -> Any:
    left = [after]

    def progress(done: int, total: int) -> None:
        assert 0 < done <= total
        left[0] -= 1
        if not left[0]:
            raise Interrupted

    return progress


def looked_at(store: Store, **how: Any) -> list[int]:
    """How far each transaction of a run came."""
    steps: list[int] = []
    reprice(store, progress=lambda done, _: steps.append(done), **how)
    return steps


def test_an_interrupted_run_is_gone_on_with(store: Store, prices: Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_reprice, "_STEP", 2)
    put(store, *[priced("a") for _ in range(10)])
    prices.set(a=3)
    plan = reprice(store, dry_run=True)

    def interrupt(**how: Any) -> None:
        with pytest.raises(Interrupted):
            reprice(store, progress=stopping(2), **how)

    interrupt()
    exact(store)
    assert store.summary(["priced"])[0].calls == 4, "what was done is done"
    other = Store(store.path)  # as another process
    done = reprice(other)
    assert (done.resumed, done.rows) == (True, plan.rows), "the numbers are those of the whole run"
    assert not reprice(other).resumed, "it is done"
    exact(other)

    prices.set(a=4)
    interrupt()
    assert looked_at(other, dry_run=True)[0] == 2, "a dry run looks at everything"
    assert looked_at(other)[0] == 6, "the run only at the rest"
    prices.set(a=5)
    interrupt()
    assert looked_at(other, model="a")[0] == 2, "another question begins at its beginning"
    interrupt(since=START)
    assert looked_at(other, since=START - 1)[0] == 2, "one that reaches back further, too"
    prices.set(a=6)
    interrupt(since=START)
    assert looked_at(other, since=START + 1)[0] == 6, "as time goes by, `7d` begins later"
    interrupt(at="today")
    prices.set(a=7)
    assert looked_at(other)[0] == 2, "other prices begin anew"
    exact(other)
    assert [cost and cost.total for cost in costs(other).values()] == [70] * 10
    other.close()


def test_programs_go_on_recording_meanwhile(store: Store, prices: Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two transactions the ledger is free; what arrives is counted, and left to the next run."""
    monkeypatch.setattr(_reprice, "_STEP", 2)
    put(store, *[priced("a") for _ in range(6)])
    prices.set(a=1)
    program = Store(store.path)

    def work(done: int, total: int) -> None:
        assert (done <= total, total) == (True, 6)
        put(program, priced("b"))

    reprice(store, progress=work)
    exact(store)
    (row,) = store.summary()
    assert (row.calls, row.total_cost, row.unpriced) == (9, 60, 3)
    prices.set(b=2)
    assert reprice(store).total.new == 60 + 60
    program.close()


MODELS = ("a", "b", "c")
rates = st.dictionaries(st.sampled_from(MODELS), st.none() | st.integers(0, 2**40), max_size=3)


@st.composite
def batches(draw: st.DrawFn) -> list[list[Record]]:
    """What programs record at three times, in traces some of whose spans replace the bills below them."""
    found: list[list[Record]] = [[], [], []]
    for number in range(draw(st.integers(1, 12))):
        covers = draw(st.sampled_from([False, False, False, True]))
        model = draw(st.sampled_from(MODELS))
        usage = Usage({"input": draw(st.integers(0, 9))}, charge=draw(st.none() | st.none() | st.integers(0, 99)))
        record = Record(
            trace_id=f"{draw(st.integers(0, 3)):032x}",
            span_id=f"{number:016x}",
            parent_id=draw(st.none() | st.integers(0, 12).map(lambda n: f"{n:016x}")),
            start=START + draw(st.integers(0, 2)) * HOUR,
            bills=True,
            covers=covers,
            provider="p",
            request_model=model,
            usage=draw(st.sampled_from([usage, usage, usage, None])),
            attribution=draw(st.sampled_from([None, {"feature": "x"}, {"feature": "y", "user": "z"}])),
        )
        if draw(st.booleans()):
            record.cost = Cost(total=draw(st.integers(0, 2**50)), status="manual")
        found[draw(st.integers(0, 2))].append(record)
    return found


@settings(max_examples=40, deadline=None)
@given(batches(), rates, rates, st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_roll_ups_stay_the_sums_of_the_spans(
    arriving: list[list[Record]], first: Any, second: Any, step: int, stop: int, narrow: bool
) -> None:
    """Whatever is recorded, interrupted, gone on with and recorded meanwhile, under covering spans too."""
    with tempfile.TemporaryDirectory() as place, listed() as prices, pytest.MonkeyPatch.context() as patched:
        patched.setattr(_reprice, "_STEP", step)
        store, program = Store(Path(place) / "ledger.db"), Store(Path(place) / "ledger.db")
        prices.set(**first)
        late = arriving[1]
        for record in (*arriving[0], *late, *arriving[2]):
            record.cost = record.cost or cost_of(record.usage, "p", record.request_model, record.start)
        put(program, *arriving[0])
        prices.set(**second)
        interrupt = stopping(stop)

        def meanwhile(done: int, total: int) -> None:
            if late:
                put(program, late.pop())
            exact(program)
            interrupt(done, total)

        which = Selection(models=("a", "b")) if narrow else Selection()
        try:
            _reprice.reprice(store, which, progress=meanwhile)
        except Interrupted:
            exact(program)
            _reprice.reprice(program, which)
        put(program, *late, *arriving[2])
        plan = _reprice.reprice(store, Selection(), dry_run=True)
        last = _reprice.reprice(store, Selection())
        assert plan.rows == last.rows
        exact(store)
        assert _reprice.reprice(store, Selection(), dry_run=True).spans == 0
        for record in store.spans(limit=None):
            if record.cost is not None and record.cost.status != "manual" and record.usage is not None:
                now = cost_of(record.usage, "p", record.request_model, record.start)
                assert now is not None
                assert record.cost == now or now.total is None or record.usage.charge is not None
        stated = [row.cost for row in report(store, by=["model"]).rows if row.cost is not None]
        assert sum(stated) == (report(store, by=()).total.cost or 0)
        store.close()
        program.close()
