"""Rate cards and the catalog that finds them: identity, provenance, order of sources, and whose data it is."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
from genai_prices import data_snapshot

from tollbook.pricing import Card, Tier, card, card_by_id, card_from, cards, catalog_info, cost_of, on_new_card
from tollbook.pricing import _catalog as catalog
from tollbook.pricing._card import amount, identified, rates_at, ratio
from tollbook.usage import BUCKETS, Usage

DAY = 86_400 * 10**9
TODAY = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * 10**9
NOON = TODAY + DAY // 2


def made(name: str, rate: int = 1) -> Card:
    return identified(Card(id="", provider="p", model=name, layer="user", source="test", rates={"input": rate}))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins as a process does, with nothing looked up and no card known."""
    monkeypatch.setattr(catalog, "_by_id", {})
    monkeypatch.setattr(catalog, "_announced", set())
    monkeypatch.setattr(catalog, "sources", list(catalog.sources))
    catalog.forget()
    before = list(on_new_card)
    yield
    on_new_card[:] = before
    catalog.forget()


def known(provider: str, model: str, start: int = NOON, context: dict[str, str] | None = None) -> Card:
    found = card(provider, model, start, context)
    assert found is not None
    return found


def test_a_card_says_what_it_is_and_where_from() -> None:
    found = known("openai", "gpt-5.6-sol")
    assert (found.provider, found.model, found.layer) == ("openai", "gpt-5.6-sol", "genai-prices")
    assert found.source.startswith("genai-prices 0.")
    assert found.since == "2026-08-21"
    assert found.rates["input_cache_read"] == 400_000  # 0.40 per million, in pico-dollars per token
    assert found.tiers == (Tier(272_000, "gt", found.tiers[0].rates),)
    assert found.tiers[0].rates["input_cache_read"] == 800_000


def test_a_card_survives_json() -> None:
    for found in (known("openai", "gpt-5.6-sol"), known("groq", "whisper-large-v3")):
        assert card_from(msgspec.json.decode(msgspec.json.encode(found))) == found


def test_an_id_is_made_of_the_content() -> None:
    assert made("a").id == made("a").id
    assert len({made("a").id, made("b").id, made("a", 2).id}) == 3
    assert len(made("a").id) == 16


def test_equal_prices_on_different_days_are_one_card() -> None:
    assert known("openai", "gpt-4o", NOON) is known("openai", "gpt-4o", NOON - 300 * DAY)
    assert known("openai", "gpt-4o", NOON) is known("openai", "gpt-4o-2024-08-06", NOON)


def test_every_token_bucket_of_a_model_is_priced_or_known_not_to_be() -> None:
    """A new bucket has to be given a meaning, or to be listed here as one that no list prices."""
    found = known("openai", "gpt-4o")
    without = {name for name, bucket in BUCKETS.items() if bucket.unit == "tokens" and name not in found.rates}
    assert without == {"input_cache_write_1h", "input_cache_write_12h"}


def test_a_card_is_announced_once_and_before_its_first_cost() -> None:
    seen: list[Card] = []
    on_new_card.append(seen.append)
    cost = cost_of(Usage({"input": 1}), "openai", "gpt-4o", NOON)
    assert cost is not None
    assert [found.id for found in seen] == list(cost.cards)
    for day in range(3):
        cost_of(Usage({"input": 1}), "openai", "gpt-4o", NOON - day * DAY)
    assert len(seen) == 1
    assert card_by_id(seen[0].id) is seen[0]
    assert card_by_id("0" * 16) is None
    assert cards() == seen


def test_threads_that_need_a_card_at_once_get_one_and_announce_it_once() -> None:
    seen: list[Card] = []
    on_new_card.append(seen.append)
    together = threading.Barrier(8)
    costs: list[object] = []

    def call() -> None:
        together.wait()
        costs.append(cost_of(Usage({"input": 1}), "openai", "gpt-4o", NOON))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(costs) == 8
    assert all(cost == costs[0] for cost in costs)
    assert len(seen) == 1


def test_prices_are_ours_whatever_another_library_makes_of_the_shared_ones() -> None:
    """genai-prices has one snapshot per process, which anybody may replace while the program runs."""
    data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot(providers=[], from_auto_update=True))
    try:
        assert known("openai", "gpt-4o").rates["input"] == 2_500_000
    finally:
        data_snapshot.set_custom_snapshot(None)


def test_the_first_source_that_knows_a_price_wins() -> None:
    own = made("own")

    def mine(_provider: str, model: str, day: int, _context: object) -> list[tuple[int, Card | None]]:
        return [(day, own)] if model == "gpt-4o" else []

    catalog.sources.insert(0, mine)
    assert known("openai", "gpt-4o") is own
    assert known("openai", "gpt-4o-mini").layer == "genai-prices"


def test_a_source_may_know_a_price_for_a_part_of_a_day_only() -> None:
    own, later = made("own"), made("later")

    def mine(_provider: str, _model: str, day: int, _context: object) -> list[tuple[int, Card | None]]:
        return [(day, None), (day + DAY // 4, own), (day + DAY // 2, later), (day + 3 * DAY // 4, None)]

    catalog.sources.insert(0, mine)
    hours = [known("openai", "gpt-4o", TODAY + hour * DAY // 24).model for hour in (0, 5, 6, 11, 12, 17, 18, 23)]
    assert hours == ["gpt-4o", "gpt-4o", "own", "own", "later", "later", "gpt-4o", "gpt-4o"]


def test_a_source_that_fails_leaves_calls_unpriced_and_is_not_asked_on_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollbook._guard.reraise", False)
    monkeypatch.setattr("tollbook._guard.failures", {})
    asked: list[str] = []

    def broken(_provider: str, model: str, _day: int, _context: object) -> list[tuple[int, Card | None]]:
        asked.append(model)
        raise RuntimeError

    catalog.sources[:] = [broken]
    for _ in range(3):
        cost = cost_of(Usage({"input": 1}), "openai", "gpt-4o", NOON)
        assert cost is not None
        assert cost.status == "unpriced"
    assert asked == ["gpt-4o"]


def test_made_up_names_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "_MOST", 10)
    for n in range(100):
        assert card("nobody", f"model-{n}", NOON) is None
    assert len(catalog.known) <= 10


@pytest.mark.parametrize(
    ("quantity", "rate", "expected"),
    [
        (3, 5, 15),
        (0, (1, 3), 0),
        (1, (1, 3), 0),
        (2, (1, 3), 1),
        (1, (1, 2), 0),  # half to even
        (3, (1, 2), 2),
        (5, (1, 2), 2),
        (7, (1, 2), 4),
        (3, (1, 3), 1),
    ],
)
def test_a_rate_that_is_no_whole_number_is_rounded_once_per_line(
    quantity: int, rate: int | tuple[int, int], expected: int
) -> None:
    assert amount(quantity, rate) == expected


def test_a_ratio_is_in_lowest_terms() -> None:
    assert (ratio(10, 5), ratio(10, 4), ratio(0, 7)) == (2, (5, 2), 0)


@pytest.mark.parametrize(
    ("operator", "tokens", "rate"),
    [("gt", 100, 1), ("gt", 101, 2), ("gte", 99, 1), ("gte", 100, 2), ("gt", 1001, 3)],
)
def test_a_tier_says_whether_its_threshold_belongs_to_it(operator: str, tokens: int, rate: int) -> None:
    assert operator in {"gt", "gte"}
    kind = "gt" if operator == "gt" else "gte"
    tiers = (Tier(100, kind, {"input": 2}), Tier(1000, kind, {"input": 3}))
    found = identified(
        Card(id="", provider="p", model="m", layer="user", source="test", rates={"input": 1}, tiers=tiers)
    )
    assert rates_at(found, tokens) == {"input": rate}
    catalog.sources[:] = [lambda _provider, _model, day, _context: [(day, found)]]
    cost = cost_of(Usage({"input": tokens}), "p", "m", NOON)
    assert cost is not None
    assert cost.total == tokens * rate


def test_a_card_may_bill_a_least_quantity() -> None:
    rates = {"input_audio_ms": 3}
    found = Card(
        id="1", provider="p", model="m", layer="user", source="test", rates=rates, minimum={"input_audio_ms": 10}
    )
    catalog.sources[:] = [lambda _provider, _model, day, _context: [(day, found)]]
    for used, total in ((4, 30), (10, 30), (11, 33), (0, 0)):
        cost = cost_of(Usage({"input_audio_ms": used}), "p", "m", NOON)
        assert cost is not None
        assert cost.total == total


def test_doctor_can_say_which_list_it_is_and_how_fresh() -> None:
    name, version, newest, models = catalog_info()
    assert (name, version.startswith("0.2.")) == ("genai-prices", True)
    assert newest is not None
    assert "2026-11-09" <= newest <= datetime.now(UTC).date().isoformat()
    assert models > 2000


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_the_price_data_is_loaded_when_it_is_first_needed() -> None:
    assert (
        run(
            "import sys, tollbook.pricing as p; from tollbook.usage import Usage\n"
            "before = 'tollbook.pricing._genai' in sys.modules\n"
            "p.cost_of(Usage({'input': 1}), 'openai', 'gpt-4o', 1795262400000000000)\n"
            "print(before, 'tollbook.pricing._genai' in sys.modules)"
        )
        == "False True"
    )


def test_a_child_forked_while_the_price_data_is_loading_can_price() -> None:
    script = """
import os, sys, threading, tollbook.pricing as p
from tollbook.usage import Usage
def total(): return p.cost_of(Usage({'input': 1}), 'openai', 'gpt-4o', 1795262400000000000).total
told = []
p.on_new_card.append(lambda card: told.append(card.id))
threading.Thread(target=p.load).start()
child = os.fork()
if child == 0:
    os._exit(0 if total() == 2500000 and len(told) == 1 else 1)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
p.load()
total()
second = os.fork()
if second == 0:
    os._exit(0 if total() == 2500000 and len(told) == 2 else 1)  # the child's ledger is told anew
print(status, os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]), total(), len(told))
"""
    assert run(script) == "0 0 2500000 1"
