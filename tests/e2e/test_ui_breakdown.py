"""Breakdown: savings and what-if, asked as a browser asks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")
pytest.importorskip("jinja2")

from tests.commands import put
from tests.dashboard import Page, client, fill, today

from tollbook.ledger import Store, open_store
from tollbook.pricing import Cost, cost_of
from tollbook.usage import Usage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "ledger.db") as opened:
        yield opened


def test_savings_say_what_caches_were_worth_and_what_else_could_be_saved(store: Store) -> None:
    fill(store)
    cached = Usage({"input": 1000, "input_cache_read": 1_000_000, "output": 10})
    at = time.time_ns() - 60_000_000_000
    cost = cost_of(cached, "openai", "gpt-4o", at, None)
    put(store.path, today(response_model="gpt-4o", provider="openai", usage=cached, cost=cost))
    browser = client(store)
    for by in ("model", "feature", "day", "tag.team"):
        page = browser.get("/breakdown/savings", params={"by": by})
        assert page.status_code == 200
        assert re.search(r"Saved by caches.{0,80}>\$1\.25", page.text), "half of 2.50 USD per million tokens"
    assert "Where more can be saved" in page.text


def test_what_if_compares_with_another_model_tier_or_no_cache(store: Store) -> None:
    usage = Usage({"input": 1_000_000})
    at = time.time_ns() - 60_000_000_000
    cost = cost_of(usage, "openai", "gpt-4o", at, None)
    put(store.path, today(response_model="gpt-4o", provider="openai", usage=usage, cost=cost))
    browser = client(store)
    assert "Would have been" not in browser.get("/breakdown/what-if").text, "nothing is changed yet"
    page = browser.get("/breakdown/what-if", params={"old": "gpt-4o", "new": "gpt-4o-mini", "where": "model=gpt-4o"})
    assert all(amount in page.text for amount in (">$2.50<", ">$0.15<", ">-$2.35<"))
    links = Page(page.text).links()
    assert "/breakdown/what-if?old=gpt-4o&new=gpt-4o-mini" in links, "a condition is taken away, the question stays"
    assert browser.get("/breakdown/what-if?new=no-such-model").text.count("no price for no-such-model") == 1
    assert browser.get("/breakdown/what-if?tier=batch&cache=no").status_code == 200
    assert browser.get("/breakdown/what-if?tier=slow").status_code == 400


def test_a_page_asks_first_where_it_would_have_to_read_very_many_calls(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    monkeypatch.setattr("tollbook.web._breakdown._AT_ONCE", 3)
    browser = client(store)
    for path in ("/breakdown/savings", "/breakdown/what-if?cache=no"):
        page = browser.get(path)
        assert "would be read one by one" in page.text
        (all_of_them,) = [link for link in Page(page.text).links() if "read=all" in link]
        assert "would be read one by one" not in browser.get(all_of_them).text


def test_what_is_in_no_column_is_marked_and_what_is_not_known_there_is_no_nothing(store: Store) -> None:
    """Of nine features the last two have no column: one without a price, and one with an estimate."""
    columns = [today(response_model="m", attribution={"feature": f"f{n}"}, cost=Cost(total=9 - n)) for n in range(7)]
    unpriced = {"cost": Cost(status="unpriced"), "attribution": {"feature": "g"}}
    guessed = {"cost": Cost(total=1, status="estimated"), "attribution": {"feature": "h"}}
    put(store.path, *columns, today(response_model="m", **unpriced))
    put(store.path, *(today(response_model="n", **each) for each in (unpriced, guessed)))
    text = client(store).get("/breakdown").text
    lines = {name: text.split(f">{name}</a></th>")[1].split("</tr>")[0] for name in "mn"}
    assert lines["m"].count("unpriced") == 1
    assert lines["n"].count("~$0.000000000001+") == 2, "beside the columns, and in all"
